"""What lies between two layers, moved into the weights of the one that reads: float64 arrays."""

from __future__ import annotations

from typing import overload

import numpy as np
from torch import Tensor

from onchip.network.convolution import Convolution


@overload
def plain_array(tensor: Tensor) -> np.ndarray: ...


@overload
def plain_array(tensor: Tensor | None) -> np.ndarray | None: ...


def plain_array(tensor: Tensor | None) -> np.ndarray | None:
    """Return a tensor as a float64 array, None for None."""
    if tensor is None:
        return None
    array: np.ndarray = tensor.detach().double().cpu().numpy()
    return array


def spread(weight: np.ndarray, pool: int) -> np.ndarray:
    """An average pool of side `pool` folded into `weight` [..., h, w] -> [..., h pool, w pool]."""
    repeated = np.repeat(np.repeat(weight, pool, axis=-2), pool, axis=-1)
    return repeated / pool**2


def spread_over_map(weight: np.ndarray, places: int) -> np.ndarray:
    """The mean of each channel's map of so many places, folded into `weight` [post, channels]."""
    return np.repeat(weight, places, axis=1) / places


def after_pool(convolution: Convolution, pool: int) -> Convolution:
    """The convolution of what an average pool of side `pool` makes of a larger map.

    `convolution` says which small map its kernels read; the returned one reads the large one.
    """
    channels, height, width = convolution.input_shape
    return Convolution(
        spread(convolution.weight, pool),
        (channels, height * pool, width * pool),
        (convolution.stride[0] * pool, convolution.stride[1] * pool),
        (convolution.padding[0] * pool, convolution.padding[1] * pool),
    )


def before_pool(convolution: Convolution, pool: int) -> Convolution:
    """The convolution whose currents are those of `convolution` behind an average pool.

    A current is the mean over pool x pool positions, each kernel shifted by the stride: their sum
    is one kernel larger by stride (pool - 1). The pool must divide the map.
    """
    weight, (down, across) = convolution.weight, convolution.stride
    post, pre, rows, columns = weight.shape
    larger = (rows + down * (pool - 1), columns + across * (pool - 1))
    total = np.zeros((post, pre, *larger))
    for i in range(pool):
        for j in range(pool):
            row, column = i * down, j * across
            total[:, :, row : row + rows, column : column + columns] += weight
    return Convolution(
        total / pool**2,
        convolution.input_shape,
        (down * pool, across * pool),
        convolution.padding,
    )
