"""Average pools that are folded into a convolution's kernel, taken out again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from onchip.network.composition import composed, pool
from onchip.network.convolution import Convolution


def separated(convolution: Convolution) -> tuple[int, Convolution]:
    """Return the side of the largest average pool in a kernel, and the convolution behind it.

    The side is 1 unless pool and convolution give the same weights again, bit by bit.
    """
    sides = (*convolution.weight.shape[2:], *convolution.stride)
    for side in range(min(sides), 1, -1):
        found = _behind(convolution, side)
        if found is not None:
            return side, found
    return 1, convolution


def _behind(convolution: Convolution, side: int) -> Convolution | None:
    channels, *map_sides = convolution.input_shape
    kernel = convolution.weight.shape[2:]
    numbers = (*map_sides, *kernel, *convolution.stride, *convolution.padding)
    if any(number % side for number in numbers):
        return None
    weight = convolution.weight[:, :, ::side, ::side] * side**2
    geometry: Any = {
        "input_shape": (channels, *(s // side for s in map_sides)),
        "stride": tuple(s // side for s in convolution.stride),
        "padding": tuple(p // side for p in convolution.padding),
    }
    small = replace(convolution, weight=weight, **geometry)
    square = (side, side)
    again = composed(pool(convolution.input_shape, square, square, (0, 0), average=True), small)
    same = type(again) is Convolution and again.weight.shape == convolution.weight.shape
    return small if same and np.array_equal(again.weight, convolution.weight) else None
