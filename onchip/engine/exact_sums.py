"""Sums and products of integers by way of floating point, where that is exact."""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.loihi import WEIGHT_LIMITS

EXACT_SUM = 2**24
"""Integers up to this are exact in 32-bit floating point, and so is a sum that stays within."""

LARGEST_WEIGHT = -WEIGHT_LIMITS[0]


def exact_matrix(weights: np.ndarray) -> np.ndarray:
    """Integer weights as floating point in which sums over inputs, the last axes, are exact.

    `weights` [post, ...] in -256..255, which are multiplied by 0 or 1.
    """
    inputs = weights.size // len(weights)
    return weights.astype(exact_type(inputs * LARGEST_WEIGHT))


def exact_type(largest_sum: int) -> type:
    """The floating point type in which integers add up exactly to at most `largest_sum`."""
    return np.float32 if largest_sum <= EXACT_SUM else np.float64


def exact_product(left: np.ndarray, right: np.ndarray, largest_sum: int = 2**53) -> np.ndarray:
    """`left` @ `right` of integers by way of floating point: int64.

    Exact where no sum exceeds `largest_sum`, at most 2^53. Operands that are already of the
    `exact_type` are not converted.
    """
    dtype = exact_type(largest_sum)
    product: np.ndarray = left.astype(dtype, copy=False) @ right.astype(dtype, copy=False)
    return product.astype(np.int64)
