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

import functools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import (
    ACCUMULATOR_BITS,
    EXPONENT_MAX,
    EXPONENT_MIN,
    MANTISSA_BITS,
    TAG_BITS,
    TRACE_BITS,
    WEIGHT_BITS,
    require_integer,
)
from onchip.checks import require_choice

Array = np.ndarray

FACTOR_BITS = {
    "x1": TRACE_BITS,
    "x2": TRACE_BITS,
    "y1": TRACE_BITS,
    "y2": TRACE_BITS,
    "y3": TRACE_BITS,
}
FACTOR_BITS["t"] = TAG_BITS + 1
FACTOR_BITS["d"] = TAG_BITS + 1
FACTOR_BITS["w"] = WEIGHT_BITS + 1
"""Widths that the shift counts: traces 7, both tags and the weight itself 9 with the sign
(FACTOR_TO_WIDTH_DICT)."""

VARIABLE_SHIFT = ACCUMULATOR_BITS - WEIGHT_BITS
"""A weight or tag lies 7 bits up in the accumulator."""

# Lava clips to one less than the least number of 16 bits, -2^15; so a tag can reach -257.
ACCUMULATOR_LIMITS = (-(2**ACCUMULATOR_BITS) - 1, 2**ACCUMULATOR_BITS - 1)
TAG_LIMITS = (-(2**TAG_BITS) - 1, 2**TAG_BITS - 1)

MANTISSA_MIN, MANTISSA_MAX = -(2 ** (MANTISSA_BITS - 1)), 2 ** (MANTISSA_BITS - 1) - 1


DEPENDENCIES = ("u0", "x0")
"""When a product acts: at every epoch's end, or only for inputs that spiked within the epoch."""


@dataclass(frozen=True)
class Product:
    """mantissa 2^exponent u0 f1 f2 ...: one product of a rule, with `dependency` u0 or x0.

    Where an input spiked x0 takes the factors y as they were at its last spike, not at the end of
    the epoch (in integers it is for epochs of one step). d is the second tag, in floating point.
    `mantissa` in -8..7 and not 0, `exponent` in -7..8, one to three `factors` out of `FACTOR_BITS`.
    -8 needs exponent 8: Lava rewrites every other -8 2^e to -4 2^(e+1), which rounds differently.
    Raises ValueError for others.
    """

    mantissa: int
    exponent: int
    factors: tuple[str, ...]
    dependency: str = "u0"

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("product: mantissa", self.mantissa, MANTISSA_MIN, MANTISSA_MAX)
        require_integer("product: exponent", self.exponent, EXPONENT_MIN, EXPONENT_MAX)
        require_choice("product: dependency", self.dependency, DEPENDENCIES)
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

    @functools.cached_property
    def right_shift(self) -> int:
        """Bits dropped to return to the accumulator: two traces 3, tag and trace 5."""
        width = sum(FACTOR_BITS[factor] for factor in self.factors) + MANTISSA_BITS
        return max(0, width - ACCUMULATOR_BITS)

    @functools.cached_property
    def of_inputs(self) -> tuple[str, ...]:
        """What of the inputs it multiplies: the traces x1 and, last, the spikes x0."""
        traces = tuple(name for name in self.factors if name.startswith("x"))
        return traces if self.dependency == "u0" else (*traces, "x0")

    @functools.cached_property
    def of_outputs(self) -> tuple[str, ...]:
        """What of the outputs it multiplies: the factors y1, y2, y3."""
        return tuple(name for name in self.factors if name.startswith("y"))

    @functools.cached_property
    def left_shift(self) -> int:
        """The exponent as it is stored, 0..15."""
        return self.exponent - EXPONENT_MIN


def product_value(product: Product, factors: Mapping[str, Array]) -> Array:
    """The product in accumulator units, int32; arrays by name that broadcast to [post, pre].

    A product with the dependency x0 needs the entry "x0", 1 where an input spiked, else 0. 32 bits
    hold all of it: 8 and three tags have 31, and what is shifted left by up to 15 has 15 at most.
    """
    names = product.factors if product.dependency == "u0" else (*product.factors, "x0")
    value: Any = np.array(product.mantissa, dtype=np.int32)
    for name in sorted(names, key=lambda name: np.size(factors[name])):  # the large ones last
        limit = 2 ** FACTOR_BITS.get(name, 1)
        value = value * np.clip(factors[name], -limit, limit - 1).astype(np.int32, copy=False)
    return np.clip((value >> product.right_shift) << product.left_shift, *ACCUMULATOR_LIMITS)


def accumulate(variable: Array, products: Sequence[Product], factors: Mapping[str, Array]) -> Array:
    """The accumulator after all `products`, saturated after each: [post, pre] int32."""
    accumulator = np.asarray(variable, dtype=np.int32) << VARIABLE_SHIFT
    for product in products:
        total = accumulator + product_value(product, factors)
        accumulator = np.clip(total, *ACCUMULATOR_LIMITS)
    return accumulator


def update_variable(
    variable: Array,
    products: Sequence[Product],
    factors: Mapping[str, Array],
    random: float,
    limits: tuple[int, int],
) -> Array:
    """The new weights or tags [post, pre], rounded with one `random` in [0, 1) and saturated.

    `limits` are WEIGHT_LIMITS or TAG_LIMITS.
    """
    return round_accumulator(accumulate(variable, products, factors), random, limits)


def round_accumulator(accumulator: Array, random: float, limits: tuple[int, int]) -> Array:
    """floor(a / 128), plus one where `random` < the rest of it / 128, within `limits`.

    In integers: the rest, 0..127, is carried exactly where it exceeds floor(128 random).
    """
    return np.clip((accumulator + rounding_carry(random)) >> VARIABLE_SHIFT, *limits)


def rounding_carry(random: float) -> int:
    """What is added to an accumulator before its lowest 7 bits are dropped: 0..127."""
    return 2**VARIABLE_SHIFT - 1 - int(random * 2**VARIABLE_SHIFT)
