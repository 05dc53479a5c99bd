"""Epochs of updates that wait a step in the tag, in integers: every synapse moves in each of them.

The weight takes what is whole of the tag from before, and the tag loses that and takes the step's
products (`onchip.program.plasticity`, mode "late"). Both are rounded by one random number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.accumulator import ACCUMULATOR_LIMITS, TAG_LIMITS, VARIABLE_SHIFT
from onchip.arithmetic.loihi import WEIGHT_LIMITS
from onchip.engine.compiled.columns import MAIN, OF_TAGS, OF_WEIGHTS
from onchip.engine.compiled.jit import inner
from onchip.engine.shared_updates import FARTHEST

Array = np.ndarray

LOWEST, HIGHEST = ACCUMULATOR_LIMITS


@inner
def move_late(
    connection: Array, gate: int, carry: int, down: Array, x1: Array, weights: Array, tags: Array
) -> None:
    """All synapses of dense weights (flat [inputs, post]); `down` [post] are third factors."""
    post = down.size
    for i in range(x1.size):
        row = slice(i * post, (i + 1) * post)
        _move_row(connection, gate, carry, down, np.int32(x1[i]), weights[row], tags[row])


@inner
def _move_row(
    connection: Array, gate: int, carry: int, down: Array, x: int, weights: Array, tags: Array
) -> None:
    right, left = np.int32(connection[MAIN + 1]), np.int32(connection[MAIN + 2])
    for j in range(tags.size):
        value = np.int32(np.int32(np.int32(down[j] * x) >> right) << left)
        tag = np.int32(tags[j])
        total = _held(np.int32(np.int32(tag << VARIABLE_SHIFT) + _held(value)))
        weights[j] = _closed_weight(connection, gate, carry, np.int32(weights[j]), tag)
        tags[j] = _closed_tag(connection, gate, carry, total, tag)


@inner
def move_late_shared(
    connection: Array, gate: int, carry: int, sums: Array, weights: Array, tags: Array
) -> None:
    """As `move_late`, of shared weights; `sums` [4, weights] as for `integer_maps.add_products`."""
    first = 0 if connection[MAIN] > 0 else 1
    for k in range(tags.size):
        tag = np.int32(tags[k])
        total = np.int32(tag << VARIABLE_SHIFT)
        total = _held(np.int32(total + min(max(sums[first, k], -FARTHEST), FARTHEST)))
        total = _held(np.int32(total + min(max(sums[1 - first, k], -FARTHEST), FARTHEST)))
        weights[k] = _closed_weight(connection, gate, carry, np.int32(weights[k]), tag)
        tags[k] = _closed_tag(connection, gate, carry, total, tag)


@inner
def _closed_weight(connection: Array, gate: int, carry: int, weight: int, tag: int) -> Any:
    total = np.int32(weight << VARIABLE_SHIFT)
    value = _rounded(np.int32(total + _applied(connection, OF_WEIGHTS, gate, tag)), carry)
    return min(max(value, np.int32(WEIGHT_LIMITS[0])), np.int32(WEIGHT_LIMITS[1]))


@inner
def _closed_tag(connection: Array, gate: int, carry: int, total: int, tag: int) -> Any:
    value = _rounded(np.int32(total + _applied(connection, OF_TAGS, gate, tag)), carry)
    return min(max(value, np.int32(TAG_LIMITS[0])), np.int32(TAG_LIMITS[1]))


@inner
def _applied(connection: Array, rule: int, gate: int, tag: int) -> Any:
    """The product of a tag and its gate, as the accumulator takes it."""
    value = np.int32(np.int32(connection[rule] * gate) * tag)
    shifted = np.int32(value >> np.int32(connection[rule + 1]))
    return _held(np.int32(shifted << np.int32(connection[rule + 2])))


@inner
def _rounded(total: int, carry: int) -> Any:
    return np.int32(np.int32(_held(total) + np.int32(carry)) >> np.int32(VARIABLE_SHIFT))


@inner
def _held(value: int) -> Any:
    return min(max(value, np.int32(LOWEST)), np.int32(HIGHEST))
