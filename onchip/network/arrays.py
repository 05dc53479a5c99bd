"""Arrays of a network: read-only copies, checked."""

from __future__ import annotations

from typing import Any

import numpy as np


def frozen_array(name: str, value: Any, ndim: int) -> np.ndarray:
    """A read-only float64 C-ordered copy of `value`, checked for dimensions and finite values."""
    try:
        # asarray first: from NumPy 2 on, array asks torch's tensors for a copy and warns of it.
        array = np.array(np.asarray(value, dtype=np.float64), order="C")
    except (TypeError, ValueError, RuntimeError) as error:  # torch raises RuntimeError
        raise ValueError(f"{name} is not a numeric array ({error}); pass numbers") from None
    if array.ndim != ndim or array.size == 0:
        raise ValueError(
            f"{name} has shape {array.shape}; it needs {ndim} dimensions, none of them empty"
        )
    if not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ValueError(
            f"{name} has {bad} values that are NaN or infinite; retrain or repair the weights"
        )
    array.setflags(write=False)
    return array


def integers(name: str, values: Any, count: int | None = None) -> tuple[int, ...]:
    """`values` as a tuple of `count` integers; ValueError for anything else."""
    try:
        array = np.asarray(values)
        whole = array.ndim == 1 and np.issubdtype(array.dtype, np.integer)
    except ValueError:
        whole = False
    if not whole or len(array) != (count or len(array)):
        wanted = "integers" if count is None else f"{count} integers"
        raise ValueError(f"{name} is {values!r}; it must be {wanted}")
    return tuple(int(value) for value in array)
