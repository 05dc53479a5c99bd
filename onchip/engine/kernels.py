"""Weight updates in place: a rank-one (or rank-batch) product added without a temporary matrix.

The engine keeps weights as [pre, post], so that the weights of one input lie side by side; BLAS
takes that as a column-major [post, pre]. `onchip.rules.rule.weight_gradient` defines what is added.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

GATHER_BELOW = 1 / 6
"""Share of inputs that are not zero up to which gathering their weights beats a whole product
(measured in both precisions from 784-256 to 4096-1024: they break even between 0.2 and 0.3)."""

GATHER_FROM = 2**15
"""Number of weights below which a whole product takes less time than to look for zeros."""


class _Blas(NamedTuple):
    rank_one: Callable[..., Any]
    product: Callable[..., Any]


@functools.cache
def _blas(dtype: np.dtype) -> _Blas:
    # Imported where it is needed: scipy.linalg takes longer to load than the rest of onchip.
    from scipy.linalg import get_blas_funcs

    return _Blas(*get_blas_funcs(("ger", "gemm"), dtype=dtype))


def add_outer(weight: np.ndarray, trace: np.ndarray, factor: np.ndarray, scale: float) -> None:
    """weight += scale sum_b a_b g_b^T, in place: [pre, post], `trace` [batch, pre], [batch, post].

    `weight` must be C-contiguous and all three of one type, float32 or float64.
    """
    blas, column_major = _blas(weight.dtype), weight.T
    if len(trace) == 1:
        blas.rank_one(scale, factor[0], trace[0], a=column_major, overwrite_a=1)
    else:
        blas.product(scale, factor.T, trace.T, 1.0, column_major, trans_b=1, overwrite_c=1)


def weighted_inputs(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """x W^T for `x` [batch, pre] and `weight` [pre, post]: event-driven where few inputs spike."""
    if len(x) == 1 and weight.size >= GATHER_FROM:
        active = np.flatnonzero(x)
        if active.size < GATHER_BELOW * x.size:
            sums: np.ndarray = x.take(active) @ weight.take(active, axis=0)
            return sums[np.newaxis]
    return np.asarray(x @ weight)
