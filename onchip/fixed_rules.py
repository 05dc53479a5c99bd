"""Learning rules in integers: the accumulator, its shifts and roundings, and the learning rate.

A rule is a sum of products; with the variable w (a weight or tag), factors f and one random number

    p = ((f1 f2 ... mantissa) >> max(0, sum of the factors' widths + 4 - 15)) << (exponent + 7)
    w' = saturate(round(saturate((w << 7) + saturate(p) + ...) / 128))

">>" floors, so each product, of either sign, is too low by less than one unit of the accumulator
before the left shift: on average over all traces and factors by 0.35 for an odd mantissa, 0.25 for
2 and 6, 0.13 for 4 (in weights: times 2^exponent). A factor of 0 loses nothing. Every step is that
of lava-nc 0.10.0's `fixed_pt` LearningDense (learning/learning_rule_applier.py, model/py/
connection.py), its clipping limits included.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from onchip.checks import require_between, require_choice
from onchip.fixed_point import (
    ACCUMULATOR_BITS,
    EXPONENT_MAX,
    EXPONENT_MIN,
    MANTISSA_BITS,
    TAG_BITS,
    TRACE_BITS,
    WEIGHT_BITS,
    require_integer,
    stochastic_round,
)

Array = np.ndarray

FACTOR_BITS = {"x1": TRACE_BITS, "y1": TRACE_BITS, "y2": TRACE_BITS, "y3": TRACE_BITS}
FACTOR_BITS["t"] = TAG_BITS + 1
"""Widths that the shift counts: traces 7, the tag 9 with its sign (FACTOR_TO_WIDTH_DICT)."""

VARIABLE_SHIFT = ACCUMULATOR_BITS - WEIGHT_BITS
"""A weight or tag lies 7 bits up in the accumulator."""

# Lava clips to one less than the least number of 16 bits, -2^15; so a tag can reach -257.
ACCUMULATOR_LIMITS = (-(2**ACCUMULATOR_BITS) - 1, 2**ACCUMULATOR_BITS - 1)
WEIGHT_LIMITS = (-(2**WEIGHT_BITS), 2**WEIGHT_BITS - 1)
TAG_LIMITS = (-(2**TAG_BITS) - 1, 2**TAG_BITS - 1)

MANTISSA_MIN, MANTISSA_MAX = -(2 ** (MANTISSA_BITS - 1)), 2 ** (MANTISSA_BITS - 1) - 1


@dataclass(frozen=True)
class FixedProduct:
    """mantissa 2^exponent u0 f1 f2 ...: one product of a rule that acts at every epoch's end.

    `mantissa` in -8..7 and not 0, `exponent` in -7..8, one to three `factors` out of `FACTOR_BITS`.
    -8 needs exponent 8: Lava rewrites every other -8 2^e to -4 2^(e+1), which rounds differently.
    Raises ValueError for others.
    """

    mantissa: int
    exponent: int
    factors: tuple[str, ...]

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("product: mantissa", self.mantissa, MANTISSA_MIN, MANTISSA_MAX)
        require_integer("product: exponent", self.exponent, EXPONENT_MIN, EXPONENT_MAX)
        for factor in self.factors:
            require_choice("product: factor", factor, FACTOR_BITS)
        if self.mantissa == 0 or not 1 <= len(self.factors) <= 3:
            raise ValueError(
                f"product {self} must have a mantissa that is not 0 and one to three factors; "
                "leave it out or split it"
            )
        if self.mantissa == MANTISSA_MIN and self.exponent < EXPONENT_MAX:
            raise ValueError(
                f"product: mantissa -8 with exponent {self.exponent} is stored as -4 "
                f"with exponent {self.exponent + 1}; write that"
            )

    @property
    def right_shift(self) -> int:
        """Bits dropped to return to the accumulator: two traces 3, tag and trace 5."""
        width = sum(FACTOR_BITS[factor] for factor in self.factors) + MANTISSA_BITS
        return max(0, width - ACCUMULATOR_BITS)

    @property
    def left_shift(self) -> int:
        """The exponent as it is stored, 0..15."""
        return self.exponent - EXPONENT_MIN


def product_value(product: FixedProduct, factors: Mapping[str, Array]) -> Array:
    """The product in accumulator units: integer arrays by name that broadcast to [post, pre]."""
    value = np.array(product.mantissa, dtype=np.int64)
    for name in product.factors:
        limit = 2 ** FACTOR_BITS[name]
        value = value * np.clip(factors[name], -limit, limit - 1)
    return np.clip((value >> product.right_shift) << product.left_shift, *ACCUMULATOR_LIMITS)


def accumulate(
    variable: Array, products: Sequence[FixedProduct], factors: Mapping[str, Array]
) -> Array:
    """The accumulator after all `products`, saturated after each: [post, pre] int64."""
    accumulator = np.asarray(variable, dtype=np.int64) << VARIABLE_SHIFT
    for product in products:
        total = accumulator + product_value(product, factors)
        accumulator = np.clip(total, *ACCUMULATOR_LIMITS)
    return accumulator


def update_variable(
    variable: Array,
    products: Sequence[FixedProduct],
    factors: Mapping[str, Array],
    random: float,
    limits: tuple[int, int],
) -> Array:
    """The new weights or tags [post, pre], rounded with one `random` in [0, 1) and saturated.

    `limits` are WEIGHT_LIMITS or TAG_LIMITS.
    """
    accumulator = accumulate(variable, products, factors)
    return np.clip(stochastic_round(accumulator / 2**VARIABLE_SHIFT, random), *limits)


FLOAT_OVER_FIXED = 2 ** (FixedProduct(1, 0, ("x1", "y1")).right_shift)
"""8: the same rule string learns this much faster in Lava's floating_pt than in its fixed_pt."""


class RealisedRate(NamedTuple):
    """The scale `mantissa` 2^`exponent` of a rule, and the learning rates wanted and realised.

    `realised_floating` is the rate of the same rule string in floating_pt, eight times as large.
    """

    mantissa: int
    exponent: int
    wanted: float
    realised: float
    realised_floating: float


def realise_rate(
    rate: float, *, weight_step: float = 1.0, trace_unit: float = 1.0, factor_unit: float = 1.0
) -> RealisedRate:
    """The nearest scale of `m 2^e u0 x1 y1 - m 2^e u0 x1 y2` for dW = rate * factor * trace.

        rate = weight_step trace_unit factor_unit m 2^e / 8,   m in 1..7, e in -7..8

    One integer weight is worth `weight_step`, a trace of 1 is `trace_unit` integers (the impulse,
    times its decay to the epoch's end), a factor of 1 is `factor_unit` integers (the scale of
    `split_error`). Of equal scales it is the one with the larger mantissa, which the shift floors
    least. Within 1/8 of the wanted rate, save below 4 2^-7 / 8. Raises ValueError for a rate out of
    range.
    """
    units = {"weight_step": weight_step, "trace_unit": trace_unit, "factor_unit": factor_unit}
    for name, value in {"learning rate": rate, **units}.items():
        require_between(name, value, 0, 1e30, open_low=True)
    unit = weight_step * trace_unit * factor_unit / FLOAT_OVER_FIXED
    _check_rate(rate, unit)
    scales = [
        (exponent, mantissa)
        for exponent in range(EXPONENT_MIN, EXPONENT_MAX + 1)
        for mantissa in range(1, MANTISSA_MAX + 1)
    ]
    exponent, mantissa = min(
        scales, key=lambda scale: abs(scale[1] * 2.0 ** scale[0] - rate / unit)
    )
    realised = mantissa * 2.0**exponent * unit
    return RealisedRate(mantissa, exponent, rate, realised, realised * FLOAT_OVER_FIXED)


def _check_rate(rate: float, unit: float) -> None:
    low, high = 2.0**EXPONENT_MIN * unit, MANTISSA_MAX * 2.0**EXPONENT_MAX * unit
    if rate < low:
        raise ValueError(
            f"learning rate {rate} is below {low:.4g}, the least of a 4-bit exponent; "
            "raise it, or take a smaller factor_unit, trace_unit or weight_step"
        )
    if rate > high:
        raise ValueError(
            f"learning rate {rate} is above {high:.4g}, the most of a 4-bit mantissa and exponent; "
            "lower it, or take a larger factor_unit, trace_unit or weight_step"
        )
