"""Learning rates in integers: mantissa, exponent and gate of a rule for a real-valued rate.

The accumulator's shifts decide what a product is worth: see `onchip.arithmetic.accumulator`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from onchip.arithmetic.accumulator import MANTISSA_MAX, Product
from onchip.arithmetic.loihi import (
    EXPONENT_MAX,
    EXPONENT_MIN,
    TAG_BITS,
    TRACE_MAX,
    require_integer,
)
from onchip.checks import require_between


@dataclass(frozen=True)
class FixedRate:
    """A learning rate in integers: how much one unit of trace times factor changes a weight.

        online      dw = gate m 2^e x1 (y1 - y2) / 1024              gate in 1..127 arrives as y3
        tagged      dw = m 2^e x1 (y1 - y2) t / 4096             t the gate times a share in 0..1
        accumulate  dt = m 2^e x1 (y1 - y2) / 8,  dw = t 2^-tag_shift  at the sample's end
        late        dt = m 2^e x1 (y1 - y2) / 8,  dw = t 2^-tag_shift  in whole weights
        filtered    dw = m 2^e t (y2 - y3) / 32

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

GATE_SHIFT = Product(1, 0, ("x1", "y1", "y3")).right_shift
TAGGED_SHIFT = Product(1, 0, ("x1", "y1", "t")).right_shift
PAIR_SHIFT = Product(1, 0, ("x1", "y1")).right_shift
TAG_PRODUCT_SHIFT = Product(1, 0, ("t", "y2")).right_shift
LATE_SHIFT = TAG_PRODUCT_SHIFT
"""A tag's integers are 1/32 of a weight where updates go through it at every step: t y3 with y3 = 1
is shifted by 5, and what is left is whole weights."""
FLOAT_OVER_FIXED = 2**PAIR_SHIFT
"""8: the rule u0*x1*y1 learns this much faster in Lava's floating_pt than in its fixed_pt."""

Allowed = Callable[[int, int], bool]
"""Whether a rule can have this mantissa and exponent."""


def realise_online(
    rate: float, unit: float, allowed: Allowed = lambda m, e: True, shift: int = GATE_SHIFT
) -> FixedRate:
    """The nearest online rate: rate = unit gate m 2^e / 1024, or `TAGGED_SHIFT` bits less.

    `unit` is weight_step (float units of one integer weight) x trace_unit (x1 of one spike at the
    epoch's end) x factor_unit (integers of a factor of 1). Of the exponents the lowest that reaches
    the rate is taken: the shift's floor costs up to 2^e of a weight at each update. Raises
    ValueError for a rate out of reach.
    """
    steps = {(m, e): unit * m * 2.0 ** (e - shift) for m, e in _scales(allowed)}
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


def realise_filtered(rate: float, unit: float) -> FixedRate:
    """The nearest rate of tags: rate = unit m 2^e / 32; of the exponents the lowest."""
    steps = {(m, e): unit * m * 2.0 ** (e - TAG_PRODUCT_SHIFT) for m, e in _scales(_any)}
    _check_reach(rate, min(steps.values()), max(steps.values()))
    return _first_good([FixedRate(m, e, 64, 0, float(rate), s) for (m, e), s in steps.items()])


def _any(mantissa: int, exponent: int) -> bool:
    return True


def realise_late(rate: float, unit: float) -> FixedRate:
    """The nearest rate of online updates through the tag: rate = unit m 2^(e - 5) / 8."""
    steps = {(m, e): unit * m * 2.0 ** (e - PAIR_SHIFT - LATE_SHIFT) for m, e in _scales(_any)}
    _check_reach(rate, min(steps.values()), max(steps.values()))
    shift = LATE_SHIFT
    return _first_good([FixedRate(m, e, 64, shift, float(rate), s) for (m, e), s in steps.items()])


def realise_shared(rate: float, unit: float, impulse: int) -> FixedRate:
    """The nearest rate through the tag of weights that many positions share, as accumulated ones.

    Of the tag shifts the largest is taken, so that the tag rounds little, at which four of the
    largest products, of traces of the `impulse`, do not fill it. Raises ValueError for a rate out
    of reach.
    """
    steps = {(m, e): unit * m * 2.0 ** (e - PAIR_SHIFT) for m, e in _scales(_any)}
    _check_reach(rate, min(steps.values()) * 2.0**-TAG_SHIFT_MAX, max(steps.values()))
    found = [
        (step * 2.0**-q, m, e, q)
        for q in range(TAG_SHIFT_MAX, -1, -1)
        for (m, e), step in steps.items()
        if q == 0 or 4 * impulse * TRACE_MAX * m * 2.0 ** (e - PAIR_SHIFT) <= 2**TAG_BITS
    ]
    errors = [abs(realised / rate - 1) for realised, *_ in found]
    good = (i for i, error in enumerate(errors) if error < RATE_TOLERANCE)
    realised, m, e, q = found[next(good, int(np.argmin(errors)))]
    return FixedRate(m, e, tag_shift=q, wanted=float(rate), realised=realised)


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


def constant(value: float) -> tuple[int, int]:
    """Return mantissa 1..7 and exponent -7..0 of a constant of a rule; ValueError for others."""
    for exponent in range(EXPONENT_MIN, 1):
        mantissa = value * 2.0**-exponent
        if mantissa == int(mantissa) and 1 <= mantissa <= MANTISSA_MAX:
            return int(mantissa), exponent
    raise ValueError(
        f"rule: eligibility_decay {1 - value:.6g} is not 1 - m 2^e with m in 1..{MANTISSA_MAX} and "
        f"e in {EXPONENT_MIN}..0, which is what a rule of Lava's holds; use 0.75 or 0.875"
    )
