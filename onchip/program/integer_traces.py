"""Traces of 7 bits: the impulses of one exponential, or of two whose difference is a trace.

    x1 = I1 sum d1^k s[n-k],   x2 = I2 sum d2^k s[n-k],   x1 - x2 = unit P[n],   d1 > d2

P is the response of a current-based membrane, d1/(d1-d2) d1^k - d2/(d1-d2) d2^k. Spikes arrive in
phase p of K, so that impulses are larger by d^-((K-p)/K): the ratio of I1 and I2 must make up for
that, and whole numbers below 127 (1 - d), at which a trace never saturates, hold it only nearly. On
the pipelined schedule both are equal, and the spike that comes a step early cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from onchip.arithmetic.loihi import (
    EXPONENT_MAX,
    EXPONENT_MIN,
    TRACE_BITS,
    largest_impulse,
    require_integer,
)
from onchip.checks import require_between
from onchip.neurons.base import Neuron
from onchip.program.rates import constant
from onchip.program.timetable import Schedule, arrival_phase, decay_per_lava_step

LEAST_RATIO = 1.3
"""Of two decays: nearer ones leave less of their difference than 7 bits tell from rounding."""

GOOD_RATIO = 0.02
"""Impulses whose ratio is within this of the wanted one are taken, the largest first."""


@dataclass(frozen=True)
class Impulses:
    """Impulses of x1 and, where there are two traces, of x2 (else None)."""

    first: int
    second: int | None = None


@dataclass(frozen=True)
class FixedFilter:
    """The filter of each synapse's eligibility: t = kappa t + 2^exponent x1 psi / 8, in the tag.

    `decay` kappa is 1 - m 2^e with m in 1..7 and e in -7..0, `exponent` in -7..8 says what one of
    the tag's 256 integers is worth.
    """

    decay: float
    exponent: int

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("filter: decay", self.decay, 0, 1, open_low=True)
        require_integer("filter: exponent", self.exponent, EXPONENT_MIN, EXPONENT_MAX)
        constant(1 - self.decay)


def trace_decays(neuron: Neuron) -> tuple[float, ...]:
    """Return the decay of each trace, the slowest first: one, or two.

    Raises ValueError, naming the decays, for what two traces of 7 bits cannot hold.
    """
    traces = sorted(neuron.traces, key=lambda trace: -trace[1])
    decays = tuple(decay for _, decay in traces)
    if len(traces) == 1:
        return decays
    if len(traces) != 2 or not traces[0][0] > 0 > traces[1][0]:
        raise ValueError(
            f"traces {tuple(neuron.traces)} are not the difference of two exponentials, which is "
            "all that integers learn by; learn in floating point"
        )
    if decays[0] < LEAST_RATIO * decays[1]:
        raise ValueError(
            f"decays {decays[0]:.4g} and {decays[1]:.4g} are too near each other for the "
            f"difference of two traces of {TRACE_BITS} bits; let one be {LEAST_RATIO} times the "
            "other at least, or learn in floating point"
        )
    return decays


def impulse_pairs(schedule: Schedule, layer: int, decays: Sequence[float]) -> list[Impulses]:
    """Return impulses of two traces, the best first; ValueError for a decay without a trace.

    Those whose ratio is good come first, from the largest down.
    """
    limits = [largest_impulse(decay) for decay in decays]
    if schedule.period == 1:
        return [Impulses(i, i) for i in range(min(limits), 0, -1)]
    first, second = (decay / _left(schedule, layer, decay) for decay in decays)  # both over d1 - d2
    found = []
    for i in range(limits[0], 0, -1):
        other = round(i * second / first)
        if 1 <= other <= limits[1]:
            found.append((abs(other / i * first / second - 1), i, other))
    if not found:
        raise ValueError(
            f"decays {decays[0]:.4g} and {decays[1]:.4g} leave no two impulses within "
            f"{limits[0]} and {limits[1]} whose traces cancel; let them differ less, or learn in "
            "floating point"
        )
    good = [pair for pair in found if pair[0] < GOOD_RATIO]
    return [Impulses(i, other) for _, i, other in good or [min(found)]]


def trace_unit(schedule: Schedule, layer: int, decay: float, impulse: int) -> float:
    """What x1 holds of one spike when the factor of its own step meets it, in integers.

    The epoch's remaining decay on the sequenced schedule; on the pipelined one a step's decay,
    because the present spike is taken back.
    """
    return impulse * (decay if schedule.period == 1 else _left(schedule, layer, decay))


def unit_of_two(schedule: Schedule, layer: int, decays: Sequence[float], held: Impulses) -> float:
    """What x1 - x2 holds for each unit of P when the factor meets it, in integers.

    With it their sums over all steps agree.
    """
    slow, fast = decays
    if schedule.period == 1:
        return held.first * (slow - fast)
    one = held.first * _left(schedule, layer, slow)
    if slow == 1:  # without an end of the sum: the slow exponential alone
        return one * (slow - fast) / slow
    assert held.second is not None
    return one * (1 - fast) - held.second * _left(schedule, layer, fast) * (1 - slow)


def _left(schedule: Schedule, layer: int, decay: float) -> float:
    """What is left at an epoch's end of an impulse in the phase of arrival."""
    rest = schedule.period - arrival_phase(schedule, layer)
    return math.pow(decay_per_lava_step(decay, schedule.period), rest)
