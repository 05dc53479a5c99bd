"""Integer products of inputs and third factors, each floored by itself, summed over positions.

Floors forbid the matrix product that does it in floating point. But a product depends on an input
by its value alone, and there are few different ones: a table holds the products of each value at
each position, and a sparse matrix of ones adds up, for every tap, the rows that its inputs name.
Silent inputs and positions cost nothing. Kernels with fewer taps than there are values do without
the table.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from onchip.arithmetic.accumulator import ACCUMULATOR_LIMITS, Product

if TYPE_CHECKING:
    from scipy.sparse import csr_matrix

Array = np.ndarray

PART_SIZE = 2**19
"""Most products that are held at a time; more positions are done in parts."""


def summed_products(
    products: Sequence[Product],
    codes: Array,
    values: Array,
    posts: Sequence[Array],
) -> Array:
    """Per product: the sum over positions of ((pre post) >> right) << left, [products, taps, out].

    int64. `codes` [positions, taps] name the `values` that the taps see, as `encoded` does; `posts`
    [positions, out] int32, one for each product, are its mantissa and third factors multiplied.
    All hold less than 2^24. Positions where no product has a third factor are passed over.
    """
    taps, outputs = codes.shape[1], posts[0].shape[1]
    totals = np.zeros((len(posts), taps, outputs), np.int64)
    live = np.flatnonzero(np.any([post.any(axis=1) for post in posts], axis=0))
    size = max(1, PART_SIZE // (min(len(values), taps) * outputs))
    for start in range(0, len(live), size):
        part = live[start : start + size]
        totals += _sums(products, codes[part], values, [post[part] for post in posts])
    return totals


def encoded(pre: Array) -> tuple[Array, Array]:
    """Codes of inputs of any shape, and the values of the codes 0, 1, ..., of which 0 is 0."""
    present = np.zeros(int(pre.max()) + 1, bool)
    present[pre] = True
    present[0] = True
    return np.cumsum(present, dtype=np.int16)[pre] - np.int16(1), np.flatnonzero(present)


def _sums(
    products: Sequence[Product], codes: Array, values: Array, posts: Sequence[Array]
) -> list[Array]:
    """[taps, out] for each product; `codes` [positions, taps], `posts` [positions, out]."""
    pairs = zip(products, posts, strict=True)
    positions, taps = codes.shape
    if taps <= len(values):
        inputs = values[codes]
        return [_shifted(product, inputs, post).sum(axis=0) for product, post in pairs]
    chosen = _selection(codes, len(values))
    everywhere = np.broadcast_to(values, (positions, len(values)))
    tables = (_shifted(product, everywhere, post) for product, post in pairs)
    return [chosen @ table.reshape(-1, table.shape[2]) for table in tables]


def _selection(codes: Array, values: int) -> csr_matrix:
    """Ones [taps, positions x values] where an input has a value that is not 0."""
    from scipy.sparse import csr_matrix  # here: the package's import does not wait for it

    positions, taps = codes.shape
    by_tap = np.ascontiguousarray(codes.T)
    places = np.flatnonzero(by_tap)
    columns = places % positions * values + by_tap.ravel()[places]
    starts = np.concatenate(([0], np.cumsum(np.count_nonzero(by_tap, axis=1))))
    ones = np.ones(len(places), np.int32)
    return csr_matrix((ones, columns, starts), shape=(taps, positions * values))


def _shifted(product: Product, pre: Array, post: Array) -> Array:
    """Products in accumulator units: `pre` [positions, n], `post` [positions, out] -> int32
    [positions, n, out].
    """
    low, high = ACCUMULATOR_LIMITS
    result = pre.astype(np.int32, order="C")[:, :, np.newaxis] * post[:, np.newaxis]
    result >>= product.right_shift
    result <<= product.left_shift
    largest = int(pre.max()) * int(np.abs(post).max())
    if (largest >> product.right_shift) + 1 << product.left_shift > high:
        np.clip(result, low, high, out=result)
    return result
