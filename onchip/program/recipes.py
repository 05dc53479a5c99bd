"""From the recipe of an eligibility to the products of Lava's rule on a schedule.

A recipe is written in the values that the equations have. On the machine they come scaled: y loses
exp(-K / 65535) where it meets u0, at the epoch's end, and exp(-p / 65535) where it meets x0, at the
spikes' phase p; on the pipelined schedule one trace, with the next step's spike taken back, is
lambda a. So y1, y2, y3 are sent, and the tags held, at scales by which every product comes out
right; where there are none the recipe is refused.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from onchip.arithmetic.accumulator import MANTISSA_MAX, Product
from onchip.arithmetic.loihi import EXPONENT_MIN
from onchip.program.synapses import FACTOR_TAU
from onchip.rules.eligibility import SECOND_TAG, TAG, TRACE, Eligibility, Recipe, Term, Traces

FACTORS = ("y1", "y2", "y3")
TAGS = (TAG, SECOND_TAG)
SPIKES = ((1.0, 0.0),)
"""The trace that forgets at once: what is read is the spike, x0."""

SCALED = (*FACTORS, *TAGS)
"""What has a scale of its own."""


class Moment(NamedTuple):
    """When products act: a schedule's period K, the phase of arrival, and the traces of inputs."""

    period: int
    arrival: int
    traces: Traces

    @property
    def of_spikes(self) -> bool:
        """Whether the trace is the spike alone, x0."""
        return tuple(self.traces) == SPIKES

    @property
    def lead(self) -> float:
        """What one trace is too large by on the pipelined schedule: lambda instead of one."""
        early = self.period == 1 and len(self.traces) == 1
        return self.traces[0][1] if early else 1.0


class Targets(NamedTuple):
    """The products of the weight's, the tag's and the second tag's rule."""

    dw: tuple[Product, ...]
    dt: tuple[Product, ...] = ()
    dd: tuple[Product, ...] = ()


def realised(recipe: Recipe, moment: Moment) -> Targets:
    """Return the products of a recipe; ValueError for what the schedule cannot do."""
    _require_own_spikes(moment)
    return Targets(*(tuple(p for t in terms for p in _products(t, moment)) for terms in recipe))


def scales(recipe: Recipe, moment: Moment) -> tuple[float, float, float]:
    """Return what y1, y2, y3 are multiplied by when they are sent, so that all products are right.

    The tags keep their values where that is possible. Raises ValueError where nothing helps.
    """
    _require_own_spikes(moment)
    rows, wanted = zip(*_equations(recipe, moment), strict=True)
    for known in (len(FACTORS), len(SCALED)):
        matrix = np.array(rows)[:, :known]
        logs = np.linalg.lstsq(matrix, np.array(wanted), rcond=None)[0]
        if np.abs(matrix @ logs - wanted).max() < 1e-12:
            first, second, third = np.exp(logs[: len(FACTORS)])
            return float(first), float(second), float(third)
    raise ValueError(
        "rule: a factor meets x0 and u0 in ways that no scale makes up for; write it with one of "
        "them, or use backend numpy"
    )


def _require_own_spikes(moment: Moment) -> None:
    if moment.of_spikes and moment.period == 1:
        raise ValueError(
            "rule: it takes each step's own spikes, but on the pipelined schedule those of the "
            "next have come; use schedule 'sequenced'"
        )


def _equations(recipe: Recipe, moment: Moment) -> Iterator[tuple[list[float], float]]:
    """For each term: how often each scale counts, and the logarithm that they must add up to."""
    for target, terms in ((None, recipe.dw), (TAG, recipe.dt), (SECOND_TAG, recipe.dd)):
        for _, factors in terms:
            counts = [float(factors.count(name) - (name == target)) for name in SCALED]
            met = moment.arrival if TRACE in factors and moment.of_spikes else moment.period
            lost = sum(name in FACTORS for name in factors) * met / FACTOR_TAU
            ahead = math.log(moment.lead) if TRACE in factors else 0.0
            yield counts, lost - ahead


def _products(term: Term, moment: Moment) -> Iterator[Product]:
    scale, factors = term
    others = tuple(name for name in factors if name != TRACE)
    for mantissa, exponent in constants(scale):
        if TRACE not in factors:
            yield Product(mantissa, exponent, others)
            continue
        for sign, names, dependency in _of_inputs(moment):
            yield Product(sign * mantissa, exponent, (*names, *others), dependency)


def _of_inputs(moment: Moment) -> list[tuple[int, tuple[str, ...], str]]:
    """The trace as signed factors of the inputs, each with its dependency."""
    if moment.of_spikes:
        return [(1, (), "x0")]
    if len(moment.traces) == 1:
        taken_back: list[tuple[int, tuple[str, ...], str]] = [(-1, (), "x0")]
        return [(1, ("x1",), "u0"), *(taken_back if moment.period == 1 else [])]
    (first, fast), (second, slow) = two(moment.traces)
    if moment.period == 1 and not np.isclose(first / fast, -second / slow, rtol=1e-12):
        raise ValueError(
            f"traces {moment.traces}: on the pipelined schedule two traces must cancel a spike "
            "that comes early; use schedule 'sequenced'"
        )
    signs = (1 if first > 0 else -1, 1 if second > 0 else -1)
    return [(sign, (x,), "u0") for sign, x in zip(signs, ("x1", "x2"), strict=True)]


def two(traces: Traces) -> Traces:
    """Return two traces; ValueError for more."""
    if len(traces) != 2:
        raise ValueError(f"traces {traces}: Lava's synapses have two traces x at most")
    return traces


def constants(value: float) -> list[tuple[int, int]]:
    """Return signed mantissas and exponents that add up to a value: one product, or two.

    k in (0, 1) that is no m 2^e itself is 1 - (1 - k). Raises ValueError for others.
    """
    sign = -1 if value < 0 else 1
    size = abs(value)
    single = (1, 0) if size == 1 else _constant(size)
    if single is not None:
        return [(sign * single[0], single[1])]
    rest = _constant(1 - size)
    if rest is None:
        raise ValueError(f"rule: {size:.6g} is no constant that a rule of Lava's holds")
    return [(sign, 0), (-sign * rest[0], rest[1])]


def check_decays(kind: Eligibility) -> None:
    """Raise ValueError unless each decay is 1 - m 2^e, which the step of a tag needs."""
    for name, value in kind.decays.items():
        if _constant(1 - value) is None:
            raise ValueError(
                f"rule: {name} {value:.6g} is not 1 - m 2^e with m in 1..{MANTISSA_MAX} and e in "
                f"{EXPONENT_MIN}..0, which is what a rule of Lava's holds; use 0.75 or 0.875"
            )


def _constant(value: float) -> tuple[int, int] | None:
    """Mantissa 1..7 and exponent -7..0, the smallest exponent that does; None for others."""
    for exponent in range(EXPONENT_MIN, 1):
        mantissa = value * 2.0**-exponent
        if mantissa == int(mantissa) and 1 <= mantissa <= MANTISSA_MAX:
            return int(mantissa), exponent
    return None
