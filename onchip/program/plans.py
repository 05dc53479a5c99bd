"""Plans of learning in integers: impulses, rates and filters for a wanted learning rate.

`onchip.program.plasticity` has the rules that they are for.
"""

from __future__ import annotations

import math

from onchip.arithmetic.accumulator import MANTISSA_MAX
from onchip.arithmetic.loihi import (
    EXPONENT_MAX,
    EXPONENT_MIN,
    TAG_BITS,
    TRACE_MAX,
    largest_impulse,
)
from onchip.neurons.base import Neuron
from onchip.program.integer_layer_spec import FixedPlasticity
from onchip.program.integer_traces import (
    FixedFilter,
    Impulses,
    impulse_pairs,
    trace_decays,
    trace_unit,
    unit_of_two,
)
from onchip.program.plasticity import LATE, TAGGED
from onchip.program.rates import (
    GATE_SHIFT,
    PAIR_SHIFT,
    TAGGED_SHIFT,
    pipelined_correction,
    realise_accumulate,
    realise_filtered,
    realise_late,
    realise_online,
    realise_shared,
)
from onchip.program.timetable import Schedule
from onchip.rules.rule import Rule

NEAR_RATE = 0.125
"""A rate of tags this near to the wanted one is worth more than another bit of the tag; mantissas
of 1 to 7 hold none nearer for some."""

SPARED_BITS = 4
"""Bits of a tag that are given up for a lower learning rate."""


def plan_plasticity(
    schedule: Schedule,
    layer: int,
    neuron: Neuron,
    mode: str,
    learning_rate: float,
    weight_step: float,
    factor_unit: float,
    shared: bool = False,
) -> FixedPlasticity:
    """Impulse and realised rate of layer 1..N for a wanted `learning_rate` (float units).

    `mode` is "online", "accumulate", `LATE` or `TAGGED`; `weight_step` and `factor_unit` (of
    `FixedFactor`) are what one integer of each is worth in the float network; weights that are
    `shared` take the finest tag that holds their sums, and a lower impulse for a lower rate. Raises
    ValueError for a decay without a trace and a rate out of reach.
    """
    decays, fine = trace_decays(neuron), shared and mode != "online"
    step, plans, refusal = weight_step / factor_unit, [], None
    for held in _impulses(schedule, layer, decays, fine):
        try:
            plans.append(_plan(schedule, layer, decays, mode, learning_rate, step, held, fine))
        except ValueError as error:
            refusal = refusal or error
            continue
        if fine and abs(plans[-1].rate.realised / learning_rate - 1) < GOOD_RATE:
            break
    if refusal is not None and not plans:
        raise refusal
    errors = [abs(plan.rate.realised / learning_rate - 1) for plan in plans]
    good = (plan for plan, error in zip(plans, errors, strict=True) if error < GOOD_RATE)
    return next(good, plans[errors.index(min(errors))])


GOOD_RATE = 0.05
"""The largest impulse is taken whose rate is realised to this, on the pipelined schedule and for
shared weights."""


def _impulses(
    schedule: Schedule, layer: int, decays: tuple[float, ...], fine: bool
) -> list[Impulses]:
    """The largest impulse, or with `fine` all below it too; of two traces those that cancel well.

    On the pipelined schedule those that can be taken back exactly: multiples of 8 whose odd part a
    mantissa holds, the largest first. Two traces take the spike back themselves.
    """
    if len(decays) > 1:
        pairs = impulse_pairs(schedule, layer, decays)
        return pairs if fine or schedule.period == 1 else pairs[:1]
    largest = largest_impulse(decays[0])
    if schedule.period > 1:
        return [Impulses(i) for i in range(largest, 0 if fine else largest - 1, -1)]
    if largest < 8:
        raise ValueError(
            f"trace: decay {decays[0]:.4g} leaves an impulse below 8, but the pipelined schedule "
            "needs a multiple of 8; use the sequenced one or a smaller decay"
        )
    eighths = range(largest // 8, 0, -1)
    return [Impulses(8 * n) for n in eighths if n // (n & -n) <= MANTISSA_MAX]


def _plan(
    schedule: Schedule,
    layer: int,
    decays: tuple[float, ...],
    mode: str,
    learning_rate: float,
    step_per_factor: float,
    held: Impulses,
    fine: bool,
) -> FixedPlasticity:
    online, first = mode in ("online", TAGGED), held.first

    def allowed(mantissa: int, exponent: int) -> bool:
        if schedule.period > 1 or held.second is not None:
            return True
        return pipelined_correction(mantissa, exponent, first, online) is not None

    if held.second is None:
        unit = trace_unit(schedule, layer, decays[0], first)
    else:
        unit = unit_of_two(schedule, layer, decays, held)
    unit *= step_per_factor
    if mode == LATE:
        return FixedPlasticity(first, realise_late(learning_rate, unit), held.second)
    if fine:
        return FixedPlasticity(first, realise_shared(learning_rate, unit, first), held.second)
    if online:
        shift = TAGGED_SHIFT if mode == TAGGED else GATE_SHIFT
        rate = realise_online(learning_rate, unit, allowed, shift)
        return FixedPlasticity(first, rate, held.second)
    return FixedPlasticity(first, realise_accumulate(learning_rate, unit, allowed), held.second)


def plan_filtered(
    schedule: Schedule,
    layer: int,
    neuron: Neuron,
    rule: Rule,
    weight_step: float,
    derivative_unit: float,
    signal_unit: float,
) -> FixedPlasticity:
    """As `plan_plasticity` for a `rule` with a filter of eligibilities.

    `derivative_unit` and `signal_unit` are what y1 = 1 and L = 1 are worth. One of the tag's
    integers is chosen so that a full derivative at every step, on a full impulse, nearly fills it;
    where the rate is too low for that, up to four bits of the tag are left unused.
    """
    decays, kappa = trace_decays(neuron), rule.eligibility_decay
    held = _impulses(schedule, layer, decays, False)[0]
    unit = trace_unit(schedule, layer, decays[0], held.first)
    if held.second is not None:
        unit = unit_of_two(schedule, layer, decays, held)
    largest = unit * TRACE_MAX / (1 - kappa) / 2**PAIR_SHIFT
    fills = min(max(math.floor(math.log2(2**TAG_BITS / largest)), EXPONENT_MIN), EXPONENT_MAX)
    plans, refusal = [], None
    for exponent in range(fills, max(EXPONENT_MIN, fills - SPARED_BITS) - 1, -1):
        tag_unit = 2.0 ** (PAIR_SHIFT - exponent) * derivative_unit / unit
        try:
            rate = realise_filtered(rule.learning_rate, weight_step / (tag_unit * signal_unit))
        except ValueError as error:
            refusal = refusal or error
            continue
        plan = FixedPlasticity(held.first, rate, held.second, FixedFilter(kappa, exponent))
        plans.append((abs(rate.realised / rate.wanted - 1), plan))
    if refusal is not None and not plans:
        raise refusal
    good = (plan for error, plan in plans if error < NEAR_RATE)
    return next(good, min(plans, key=lambda pair: pair[0])[1])
