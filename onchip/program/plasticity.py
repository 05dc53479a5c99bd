"""From a layer and its schedule to plastic synapses: products, trace and learning rate.

    online      dw = m 2^e u0 x1 y1 y3 - m 2^e u0 x1 y2 y3            y1 - y2 = -g, y3 the gate
    accumulate  dt = m 2^e u0 x1 y1 - m 2^e u0 x1 y2 - 2^-1 u0 t y3,  dw = 2^(-1 - q) u0 t y3
    late        dt = m 2^e u0 x1 y2 - m 2^e u0 x1 y1 - 2^5 u0 t y3,  dw = -u0 t y3
    filtered    dt = 2^f u0 x1 y1 - (1 - kappa) u0 t,  dw = m 2^e u0 t y2 - m 2^e u0 t y3

The error comes as two unsigned factors because traces have no sign. y3 is constant while a network
learns online and sets the rate finely; accumulating, it is 64 at the sample's end, applies the tag
and clears it. "late" is online through the tag: a step's gradient waits in the tag, in units of
1/32 of a weight, and one step later (`ChipNetwork.through_tags`) the whole weights in it act: with
y3 = 1 both products of t are floor(-t / 32), so that what is less than a weight stays in the tag,
and no weight is rounded at random. Tags begin at half a weight, so that they round to the nearest.
That resolves products 32 times finer than online, which sums
over many positions need. A filtered eligibility is the tag
itself, psi is y1, and y2 and y3 are the parts of -L of the step before, which it then belongs to.
On the pipelined schedule x1 already holds the next step's spike and the products of x0 take it
back.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

from onchip.arithmetic.accumulator import MANTISSA_MAX, Product
from onchip.arithmetic.loihi import (
    EXPONENT_MAX,
    EXPONENT_MIN,
    TAG_BITS,
    TRACE_MAX,
    largest_impulse,
)
from onchip.neurons.base import Neuron
from onchip.program.integer_layer_spec import FixedFilter, FixedPlasticity
from onchip.program.integer_traces import (
    Impulses,
    impulse_pairs,
    trace_decays,
    trace_unit,
    unit_of_two,
)
from onchip.program.rates import (
    LATE_SHIFT,
    PAIR_SHIFT,
    FixedRate,
    constant,
    pipelined_correction,
    realise_accumulate,
    realise_filtered,
    realise_late,
    realise_online,
    realise_shared,
)
from onchip.program.synapses import IntegerPlasticity
from onchip.program.timetable import (
    Schedule,
    trace_time_constant,
)
from onchip.rules.rule import Rule

SPARED_BITS = 4
"""Bits of a tag that are given up for a lower learning rate."""

LATE = "late"
"""The mode of online updates through the tag."""

CLEARING_GATE = 64
"""y3 that applies and clears a tag exactly: t 64 is shifted right by 5 and left again."""


class Products(NamedTuple):
    """The products of the weights' and of the tags' rule."""

    dw: tuple[Product, ...]
    dt: tuple[Product, ...]


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

    `mode` is "online", "accumulate" or `LATE`; `weight_step` and `factor_unit` (of `FixedFactor`)
    are what one integer of each is worth in the float network; weights that are `shared` take the
    finest tag that holds their sums, and a lower impulse for a lower rate. Raises ValueError for a
    decay without a trace and a rate out of reach.
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
    online, first = mode == "online", held.first

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
    realise = realise_online if online else realise_accumulate
    return FixedPlasticity(first, realise(learning_rate, unit, allowed), held.second)


def make_synapses(
    schedule: Schedule,
    neuron: Neuron,
    plasticity: FixedPlasticity,
    mode: str,
    seed: int,
    weight_exponent: int,
) -> IntegerPlasticity:
    """The plastic synapses of a layer's connection."""
    products = rule_products(schedule, plasticity, mode)
    taus = [min(trace_time_constant(d, schedule.period), 1e9) for d in trace_decays(neuron)]
    return IntegerPlasticity(
        dw=products.dw,
        dt=products.dt,
        impulse=plasticity.impulse,
        tau=taus[0],
        epoch=schedule.period,
        seed=seed,
        second=None if plasticity.second is None else (plasticity.second, taus[1]),
        keeps_tag=plasticity.filter is not None,
        weight_exponent=weight_exponent,
        first_tag=-(2**LATE_SHIFT) // 2 if mode == LATE and plasticity.filter is None else 0,
    )


def rule_products(schedule: Schedule, plasticity: FixedPlasticity, mode: str) -> Products:
    """The products of the rule in `mode`."""
    if plasticity.filter is not None:
        return _filtered_products(plasticity, plasticity.filter)
    rate, online = plasticity.rate, mode == "online"
    gate = ("y3",) if online else ()
    gradient = _signed_pair(rate.mantissa, rate.exponent, ("x1",), gate, "u0")
    if plasticity.second is not None:
        gradient += _signed_pair(-rate.mantissa, rate.exponent, ("x2",), gate, "u0")
    elif schedule.period == 1:
        gradient += _correction(rate, plasticity.impulse, gate)
    if online:
        return Products(gradient, ())
    if mode == LATE:
        whole = ("t", "y3")  # of both the same floor, so that the tag loses what the weight gains
        against = tuple(replace(p, mantissa=-p.mantissa) for p in gradient)
        return Products((Product(-1, 0, whole),), (*against, Product(-1, rate.tag_shift, whole)))
    return Products(
        dw=(Product(1, -1 - rate.tag_shift, ("t", "y3")),),
        dt=(*gradient, Product(-1, -1, ("t", "y3"))),
    )


def _filtered_products(plasticity: FixedPlasticity, held: FixedFilter) -> Products:
    mantissa, exponent = constant(1 - held.decay)
    traces = ["x1"] if plasticity.second is None else ["x1", "x2"]
    gradient = [
        Product(sign, held.exponent, (trace, "y1"))
        for sign, trace in zip((1, -1), traces, strict=False)
    ]
    rate = plasticity.rate
    return Products(
        dw=(
            Product(rate.mantissa, rate.exponent, ("t", "y2")),
            Product(-rate.mantissa, rate.exponent, ("t", "y3")),
        ),
        dt=(*gradient, Product(-mantissa, exponent, ("t",))),
    )


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
    refusal = None
    for exponent in range(fills, max(EXPONENT_MIN, fills - SPARED_BITS) - 1, -1):
        tag_unit = 2.0 ** (PAIR_SHIFT - exponent) * derivative_unit / unit
        try:
            rate = realise_filtered(rule.learning_rate, weight_step / (tag_unit * signal_unit))
        except ValueError as error:
            refusal = refusal or error
            continue
        return FixedPlasticity(held.first, rate, held.second, FixedFilter(kappa, exponent))
    assert refusal is not None
    raise refusal


def gate_value(rate: FixedRate, mode: str) -> int:
    """y3 of an open gate."""
    if mode == LATE:
        return 1
    return rate.gate if mode == "online" else CLEARING_GATE


def connection_seed(seed: int, number: int, slot: int) -> int:
    """Lava's rng_seed of a connection into population 1..N; each uses four seeds from it on.

    `slot` is 0 for the first connection into it, 1 for its recurrence.
    """
    return seed + 4 * (2 * number + slot)


def _signed_pair(
    mantissa: int, exponent: int, pre: tuple[str, ...], gate: tuple[str, ...], dependency: str
) -> tuple[Product, ...]:
    return (
        Product(mantissa, exponent, (*pre, "y1", *gate), dependency),
        Product(-mantissa, exponent, (*pre, "y2", *gate), dependency),
    )


def _correction(rate: FixedRate, impulse: int, gate: tuple[str, ...]) -> tuple[Product, ...]:
    found = pipelined_correction(rate.mantissa, rate.exponent, impulse, bool(gate))
    if found is None:
        raise ValueError(
            f"rate {rate.mantissa} 2^{rate.exponent} with impulse {impulse} cannot be corrected "
            f"on the pipelined schedule (impulse a multiple of 8 up to {TRACE_MAX}); plan it anew"
        )
    mantissa, exponent = found
    return _signed_pair(-mantissa, exponent, (), gate, "x0")
