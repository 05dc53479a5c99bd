"""What a user gives an objective to learn from, checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.checks import plain_array


def check_labels(labels: Any, samples: int, classes: int) -> np.ndarray:
    """`labels` as int64 [samples]; ValueError for a wrong count, type or class."""
    labels = plain_array("labels", labels)
    if labels.shape != (samples,) or not np.issubdtype(labels.dtype, np.integer):
        raise ValueError(
            f"labels have shape {labels.shape} and type {labels.dtype}; "
            f"they must be {samples} integers"
        )
    outside = labels[(labels < 0) | (labels >= classes)]
    if outside.size:
        raise ValueError(
            f"label {outside[0]} is out of range; the network has classes 0 to {classes - 1}"
        )
    return labels.astype(np.int64)


def held(name: str, given: Any, samples: int, time_steps: int, outputs: int) -> np.ndarray:
    """`given` as float64 [samples, T, outputs], of any shape that broadcasts to it in that order.

    [samples, outputs] holds for all T steps, [samples] for all outputs too. Raises ValueError,
    naming the shape wanted, for others and for NaN.
    """
    array = plain_array(name, given)
    if array.dtype.kind not in "biuf" or not np.isfinite(array).all():
        raise ValueError(f"{name} hold what is not a finite number; repair them")
    array = array.astype(np.float64)
    if array.ndim < 3:
        array = array.reshape(*array.shape[:1], *(1,) * (3 - array.ndim), *array.shape[1:])
    whole = (samples, time_steps, outputs)
    fits = all(own in (1, wanted) for own, wanted in zip(array.shape[1:], whole[1:], strict=True))
    if array.ndim != 3 or len(array) != samples or not fits:
        raise ValueError(
            f"{name} have shape {np.shape(given)}; they must be [samples, T, outputs] = {whole}, "
            "[samples, outputs] or [samples]"
        )
    return np.broadcast_to(array, whole)
