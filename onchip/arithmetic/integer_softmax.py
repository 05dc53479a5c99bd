"""The error of the instantaneous loss in integers: a softmax without floating point.

    d_k = max_j o_j - o_k,   E_k = 2^-(d_k / ln 2) by shift and table,   p_k = E_k / sum_j E_j
    e_k = saturate(round(127 ((1 - alpha) (p_k - y_k) + alpha 2/C (o_k - y_k))))

in units of 1 / (127 T): `onchip.objectives.classification` defines the real-valued form. The
exponential is exact to 0.4 %, the probabilities have 15 bits. Only integers enter, so every machine
finds the same error.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from onchip.arithmetic.loihi import TRACE_MAX, require_integer
from onchip.checks import require_between

Array = np.ndarray

FRACTION_BITS = 8
"""Bits of the exponent that index the table of 2^-fraction."""
EXPONENTIAL_BITS = 24
"""E of the largest output is 2^24, so that 11 e-folds below it are told from nothing."""
PROBABILITY_BITS = 15
RESULT_BITS = 23
"""Fractional bits of the sum that is rounded to e."""

_TABLE = np.array(
    [
        round(2 ** (EXPONENTIAL_BITS - (k + 0.5) / 2**FRACTION_BITS))
        for k in range(2**FRACTION_BITS)
    ],
    dtype=np.int64,
)


@dataclass(frozen=True)
class FixedError:
    """The constants of the error, all integers; made by `make_error`.

    `exponent_multiplier` 2^-`exponent_shift` turns membrane units into 1/256 of a binary digit,
    `probability_multiplier` and `squared_multiplier` weigh p - y and o - y, `one` is 1 in membrane
    units.
    """

    exponent_multiplier: int
    exponent_shift: int
    probability_multiplier: int
    squared_multiplier: int
    one: int

    def __post_init__(self) -> None:
        """Check the ranges, so that 64 bits hold every product with 24-bit outputs."""
        require_integer("error: exponent_multiplier", self.exponent_multiplier, 0, 2**32)
        require_integer("error: exponent_shift", self.exponent_shift, 0, 62)
        require_integer("error: probability_multiplier", self.probability_multiplier, 0, 2**16)
        require_integer("error: squared_multiplier", self.squared_multiplier, 0, 2**37)
        require_integer("error: one", self.one, 0, 2**24)


def make_error(membrane_unit: float, mse_weight: float, classes: int) -> FixedError:
    """The error of a readout whose output integers are worth `membrane_unit` each.

    `mse_weight` alpha in [0, 1]. Raises ValueError for a unit outside of [2^-23, 64].
    """
    require_between("error: mse_weight", mse_weight, 0, 1)
    require_between("error: membrane_unit", membrane_unit, 2.0**-23, 64)
    digits = membrane_unit / math.log(2) * 2**FRACTION_BITS
    shift = max(0, 30 - math.ceil(math.log2(digits)))
    return FixedError(
        exponent_multiplier=round(digits * 2**shift),
        exponent_shift=shift,
        probability_multiplier=round(TRACE_MAX * (1 - mse_weight) * 2**_PROBABILITY_SHIFT),
        squared_multiplier=round(
            TRACE_MAX * mse_weight * 2 / classes * membrane_unit * 2**RESULT_BITS
        ),
        one=min(round(1 / membrane_unit), 2**24),
    )


_PROBABILITY_SHIFT = RESULT_BITS - PROBABILITY_BITS


def fixed_error(outputs: Array, target: Array, error: FixedError) -> Array:
    """e in -127..127 for integer `outputs` and one-hot `target` [classes]: int64 [classes]."""
    outputs, target = np.asarray(outputs, np.int64), np.asarray(target, np.int64)
    probabilities = fixed_softmax(outputs, error)
    total = error.probability_multiplier * (probabilities - (target << PROBABILITY_BITS))
    total = total + error.squared_multiplier * (outputs - error.one * target)
    rounded = (total + (1 << (RESULT_BITS - 1))) >> RESULT_BITS
    return np.clip(rounded, -TRACE_MAX, TRACE_MAX)


def fixed_softmax(outputs: Array, error: FixedError) -> Array:
    """Probabilities in 15 bits (2^15 is one): integer `outputs` [classes] -> int64 [classes]."""
    distance = outputs.max() - outputs
    digits = (distance * error.exponent_multiplier) >> error.exponent_shift
    whole, fraction = digits >> FRACTION_BITS, digits & (2**FRACTION_BITS - 1)
    exponentials = _TABLE[fraction] >> np.minimum(whole, EXPONENTIAL_BITS + 1)
    total = int(exponentials.sum())
    return ((exponentials << PROBABILITY_BITS) + total // 2) // total
