"""Arrays whose rows begin where a line of the processor's cache does: vectors cross none then."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from typing import Any

import numpy as np

Array = np.ndarray

LINE_BYTES = 64
LINE = 32
"""Places in flat arrays are multiples of it: a line of the smallest numbers, int16."""


def zeros(shape: int | tuple[int, ...], dtype: Any) -> Array:
    """Return zeros that begin at a line."""
    kind = np.dtype(dtype)
    size = int(np.prod(shape)) * kind.itemsize
    raw = np.zeros(size + LINE_BYTES, np.uint8)
    begin = -raw.ctypes.data % LINE_BYTES
    found: Array = raw[begin : begin + size].view(kind).reshape(shape)
    return found


def placed(values: Iterable[Array], dtype: Any) -> Array:
    """Return arrays one after the other, each at its place of `places`, and a line of zeros."""
    flat = [np.ravel(array) for array in values]
    *begins, end = places(array.size for array in flat)
    found = zeros(end + LINE, dtype)
    for begin, array in zip(begins, flat, strict=True):
        found[begin : begin + array.size] = array
    return found


def places(counts: Iterable[int]) -> list[int]:
    """Return where so many numbers each begin, rounded up to lines, and where the last end."""
    return [0, *itertools.accumulate(-(-count // LINE) * LINE for count in counts)]
