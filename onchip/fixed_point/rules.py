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

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.checks import require_between, require_choice
from onchip.fixed_point.arithmetic import (
    ACCUMULATOR_BITS,
    EXPONENT_MAX,
    EXPONENT_MIN,
    MANTISSA_BITS,
    TAG_BITS,
    TRACE_BITS,
    TRACE_MAX,
    WEIGHT_BITS,
    require_integer,
)

Array = np.ndarray

FACTOR_BITS = {"x1": TRACE_BITS, "y1": TRACE_BITS, "y2": TRACE_BITS, "y3": TRACE_BITS}
FACTOR_BITS["t"] = TAG_BITS + 1
"""Widths that the shift counts: traces 7, the tag 9 with its sign (FACTOR_TO_WIDTH_DICT)."""

VARIABLE_SHIFT = ACCUMULATOR_BITS - WEIGHT_BITS
"""A weight or tag lies 7 bits up in the accumulator."""

# Lava clips to one less than the least number of 16 bits, -2^15; so a tag can reach -257.
ACCUMULATOR_LIMITS = (-(2**ACCUMULATOR_BITS) - 1, 2**ACCUMULATOR_BITS - 1)
TAG_LIMITS = (-(2**TAG_BITS) - 1, 2**TAG_BITS - 1)

MANTISSA_MIN, MANTISSA_MAX = -(2 ** (MANTISSA_BITS - 1)), 2 ** (MANTISSA_BITS - 1) - 1


DEPENDENCIES = ("u0", "x0")
"""When a product acts: at every epoch's end, or only for inputs that spiked within the epoch."""


@dataclass(frozen=True)
class FixedProduct:
    """mantissa 2^exponent u0 f1 f2 ...: one product of a rule, with `dependency` u0 or x0.

    x0 is for epochs of one step (within longer ones it takes the factors at the spike's step).
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
    """The product in accumulator units: integer arrays by name that broadcast to [post, pre].

    A product with the dependency x0 needs the entry "x0", 1 where an input spiked, else 0.
    """
    names = product.factors if product.dependency == "u0" else (*product.factors, "x0")
    value = np.array(product.mantissa, dtype=np.int64)
    for name in sorted(names, key=lambda name: np.size(factors[name])):  # the large ones last
        limit = 2 ** FACTOR_BITS.get(name, 1)
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
    return round_accumulator(accumulate(variable, products, factors), random, limits)


def round_accumulator(accumulator: Array, random: float, limits: tuple[int, int]) -> Array:
    """floor(a / 128), plus one where `random` < the rest of it / 128, within `limits`.

    In integers: the rest, 0..127, is carried exactly where it exceeds floor(128 random).
    """
    carry = 2**VARIABLE_SHIFT - 1 - int(random * 2**VARIABLE_SHIFT)
    return np.clip((accumulator + carry) >> VARIABLE_SHIFT, *limits)


def update_rows(
    variable: Array,
    products: Sequence[FixedProduct],
    row_factors: Mapping[str, Array],
    column_factors: Mapping[str, Array],
    random: float,
    limits: tuple[int, int],
) -> Array:
    """`update_variable` for products of traces alone, each on the rows where it is not 0: int32.

    `row_factors` y1, y2, y3 [post] and `column_factors` x1, x0 [pre] in 0..127. It stays within 32
    bits: 7 127^3 is shifted right by 10 before it is shifted left by up to 15.
    """
    accumulator = variable.astype(np.int32) << VARIABLE_SHIFT
    low, high = ACCUMULATOR_LIMITS
    for product in products:
        down, across = _outer_factors(product, row_factors, column_factors)
        rows = np.flatnonzero(down)
        if rows.size == 0:
            continue
        value = down[rows, np.newaxis] * across
        value >>= product.right_shift
        value <<= product.left_shift
        np.clip(value, low, high, out=value)
        value += accumulator[rows]
        accumulator[rows] = np.clip(value, low, high, out=value)
    return round_accumulator(accumulator, random, limits).astype(np.int32, copy=False)


def _outer_factors(
    product: FixedProduct, row_factors: Mapping[str, Array], column_factors: Mapping[str, Array]
) -> tuple[Array, Array]:
    """The product as mantissa times factors [post], and factors [pre]: int32."""
    names = product.factors if product.dependency == "u0" else (*product.factors, "x0")
    down: Any = np.int32(product.mantissa)
    across: Any = np.int32(1)
    for name in names:
        if name in row_factors:
            down = down * row_factors[name].astype(np.int32)
        else:
            across = across * column_factors[name].astype(np.int32)
    return np.asarray(down), np.asarray(across)


@dataclass(frozen=True)
class FixedRate:
    """A learning rate in integers: how much one unit of trace times factor changes a weight.

        online      dw = gate m 2^e x1 (y1 - y2) / 1024              gate in 1..127 arrives as y3
        accumulate  dt = m 2^e x1 (y1 - y2) / 8,  dw = t 2^-tag_shift  at the sample's end

    `wanted` and `realised` are the learning rates in the float network's units (0 for unknown).
    Raises ValueError for a mantissa outside of 1..7, an exponent outside of -7..8, a gate outside
    of 1..127 and a tag_shift outside of 0..6.
    """

    mantissa: int
    exponent: int
    gate: int = 64
    tag_shift: int = 0
    wanted: float = 0.0
    realised: float = 0.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("rate: mantissa", self.mantissa, 1, MANTISSA_MAX)
        require_integer("rate: exponent", self.exponent, EXPONENT_MIN, EXPONENT_MAX)
        require_integer("rate: gate", self.gate, 1, TRACE_MAX)
        require_integer("rate: tag_shift", self.tag_shift, 0, TAG_SHIFT_MAX)
        require_between("rate: wanted", self.wanted, 0, 1e30)
        require_between("rate: realised", self.realised, 0, 1e30)


TAG_SHIFT_MAX = -EXPONENT_MIN - 1
"""dw = 2^(-1 - tag_shift) t y3 with y3 = 64 needs an exponent of at least -7."""

GATE_SHIFT = FixedProduct(1, 0, ("x1", "y1", "y3")).right_shift
PAIR_SHIFT = FixedProduct(1, 0, ("x1", "y1")).right_shift
FLOAT_OVER_FIXED = 2**PAIR_SHIFT
"""8: the rule u0*x1*y1 learns this much faster in Lava's floating_pt than in its fixed_pt."""

Allowed = Callable[[int, int], bool]
"""Whether a rule can have this mantissa and exponent."""


def realise_online(rate: float, unit: float, allowed: Allowed = lambda m, e: True) -> FixedRate:
    """The nearest online rate: rate = unit gate m 2^e / 1024.

    `unit` is weight_step (float units of one integer weight) x trace_unit (x1 of one spike at the
    epoch's end) x factor_unit (integers of a factor of 1). Of the exponents the lowest that reaches
    the rate is taken: the shift's floor costs 2^e / 256 of a weight at each update. Raises
    ValueError for a rate out of reach.
    """
    steps = {(m, e): unit * m * 2.0 ** (e - GATE_SHIFT) for m, e in _scales(allowed)}
    _check_reach(rate, min(steps.values()), max(steps.values()) * TRACE_MAX)
    rates = [
        FixedRate(m, e, gate, 0, float(rate), step * gate)
        for (m, e), step in steps.items()
        for gate in [int(np.clip(round(rate / step), 1, TRACE_MAX))]
    ]
    return _first_good(rates)


def realise_accumulate(rate: float, unit: float, allowed: Allowed = lambda m, e: True) -> FixedRate:
    """The nearest accumulated rate: rate = unit m 2^(e - tag_shift) / 8; as `realise_online`.

    Of the tag shifts the least is taken whose gradients have the lowest exponent: the tag saturates
    at 256 of its units, each 2^-tag_shift of a weight.
    """
    shifts = range(TAG_SHIFT_MAX + 1)
    steps = {(m, e): unit * m * 2.0 ** (e - PAIR_SHIFT) for m, e in _scales(allowed)}
    _check_reach(rate, min(steps.values()) * 2.0**-TAG_SHIFT_MAX, max(steps.values()))
    rates = [
        FixedRate(m, e, tag_shift=q, wanted=float(rate), realised=step * 2.0**-q)
        for (m, e), step in steps.items()
        for q in shifts
    ]
    return _first_good(rates)


def _scales(allowed: Allowed) -> list[tuple[int, int]]:
    """Allowed mantissas and exponents, the lowest exponent first."""
    exponents = range(EXPONENT_MIN, EXPONENT_MAX + 1)
    scales = [(m, e) for e in exponents for m in range(1, MANTISSA_MAX + 1) if allowed(m, e)]
    if not scales:
        raise ValueError("learning rate: no mantissa and exponent suit this trace's impulse")
    return scales


def _check_reach(rate: float, low: float, high: float) -> None:
    require_between("learning rate", rate, 0, 1e30, open_low=True)
    if not low / 2 < rate < high * 2:
        raise ValueError(
            f"learning rate {rate:.4g} is out of reach: integers hold {low:.4g} to {high:.4g} for "
            "these weights, traces and errors; change it, or scale the layer"
        )


def _first_good(rates: Sequence[FixedRate]) -> FixedRate:
    """The first rate within 1 % of the wanted one, or else the nearest."""
    errors = [abs(rate.realised / rate.wanted - 1) for rate in rates]
    good = (rate for rate, error in zip(rates, errors, strict=True) if error < RATE_TOLERANCE)
    return next(good, rates[int(np.argmin(errors))])


RATE_TOLERANCE = 0.01
"""A realised rate within this of the wanted one is good enough to prefer a lower exponent."""


def pipelined_correction(
    mantissa: int, exponent: int, impulse: int, online: bool
) -> tuple[int, int] | None:
    """(m', e') of the product -m' 2^e' x0 y1 that takes the last spike back out of x1, or None.

    m' 2^e' = m 2^e impulse / 8, or / 128 where y3 is a factor too (x1 y1 y3 are shifted by 10, y1
    y3 by 3, y1 alone not at all); the impulse must be a multiple of 8.
    """
    value, shift = mantissa * impulse, exponent - PAIR_SHIFT
    if online:
        shift = exponent - (GATE_SHIFT - PAIR_SHIFT)
    while value % 2 == 0:
        value, shift = value // 2, shift + 1
    if value > MANTISSA_MAX or not EXPONENT_MIN <= shift <= EXPONENT_MAX:
        return None
    return value, shift
