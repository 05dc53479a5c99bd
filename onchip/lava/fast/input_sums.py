"""What inputs send to the neurons in the fast process models, on plain arrays.

Weights are [post, pre]. They are stored by input (column-major), so that what belongs to a spiking
input lies side by side, where there are more than a few outputs.
"""

from __future__ import annotations

import numpy as np

Array = np.ndarray

FEW_OUTPUTS = 32
"""Below, BLAS adds an outer product faster by output: columns so short cost a call each."""

SIDE_BY_SIDE = 256
"""Numbers in a row from which on NumPy adds up rows as fast as they are read."""

GATHER_BELOW = 1 / 4
"""Share of inputs that send anything up to which integers of graded synapses are gathered.

More than `onchip.engine.kernels.GATHER_BELOW`: whole products of integers are made without BLAS."""


def stored_by_input(matrix: Array, dtype: type) -> Array:
    """`matrix` column-major and of `dtype`; itself if it is so already."""
    if matrix.flags.f_contiguous and matrix.dtype == dtype:
        return matrix
    return np.array(matrix, dtype, order="F")


def stored_by_output(matrix: Array, dtype: type) -> Array:
    """`matrix` row-major and of `dtype`; itself if it is so already."""
    return np.ascontiguousarray(matrix, dtype)


def stored_for_blas(matrix: Array, dtype: type) -> Array:
    """`matrix` [post, pre] by input, unless it has few outputs; itself if it is so already."""
    return (stored_by_output if len(matrix) < FEW_OUTPUTS else stored_by_input)(matrix, dtype)


def nonzero(values: Array) -> Array:
    """Indices of what is not 0 (of booleans NumPy finds them several times as fast)."""
    there = values != 0
    found: Array = (there if there.ndim == 1 else there.ravel()).nonzero()[0]
    return found


def summed_inputs(weights: Array, active: Array) -> Array:
    """What the inputs `active` (indices [n]) send by `weights` [post, pre]: [post], int64 for
    integers.
    """
    if not active.size:
        return np.zeros(len(weights), np.int64 if weights.dtype.kind == "i" else weights.dtype)
    if weights.flags.c_contiguous:
        return np.asarray(weights.take(active, axis=1).sum(axis=1))
    return _summed_rows(weights.T.take(active, axis=0))


def _summed_rows(rows: Array) -> Array:
    """The sum of all rows, int64 for integers; short rows of integers are laid side by side.

    NumPy adds up row by row, each at a cost of its own. (The order of floats would change.)
    """
    count, width = rows.shape
    side_by_side = SIDE_BY_SIDE // width if rows.dtype.kind == "i" else 0
    if side_by_side < 2 or count < 2 * side_by_side:
        return np.asarray(rows.sum(axis=0))
    whole = count - count % side_by_side
    sums = rows[:whole].reshape(-1, side_by_side * width).sum(axis=0)
    return np.asarray(sums.reshape(-1, width).sum(axis=0) + rows[whole:].sum(axis=0))


def summed_payloads(weights: Array, payloads: Array) -> Array:
    """W p [post] for graded spikes `payloads` p [pre], `weights` stored by output.

    Integers keep their type, in which products may wrap around as in Lava. BLAS multiplies floats
    faster than it finds out which are 0.
    """
    if not np.count_nonzero(payloads):
        return np.zeros(len(weights), np.result_type(weights, payloads))
    if weights.dtype.kind == "f":
        return np.asarray(weights @ payloads)
    sends = payloads != 0
    if np.count_nonzero(sends) < GATHER_BELOW * payloads.size:
        active = np.flatnonzero(sends)
        return np.asarray(weights.take(active, axis=1) @ payloads[active])
    return np.asarray(weights @ payloads)
