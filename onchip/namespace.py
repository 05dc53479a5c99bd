"""The array namespace of an array, found without delay for NumPy's own."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np


def array_namespace(array: Any) -> Any:
    """`array_api_compat.array_namespace` of one array, NumPy or torch.

    The general search takes longer than a step of a small layer, so NumPy's arrays skip it.
    """
    if type(array) is np.ndarray:
        return _numpy()
    import array_api_compat

    return array_api_compat.array_namespace(array)


@functools.cache
def _numpy() -> Any:
    """NumPy itself from 2.0 on, which has the standard's functions; before it, what adds them.

    That imports all of NumPy, `numpy.f2py` too, which takes a third of what this package takes.
    """
    if hasattr(np, "permute_dims"):
        return np
    import array_api_compat.numpy

    return array_api_compat.numpy
