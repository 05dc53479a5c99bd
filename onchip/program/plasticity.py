"""From a layer and its schedule to plastic synapses: products, trace and learning rate.

    online      dw = m 2^e u0 x1 y1 y3 - m 2^e u0 x1 y2 y3            y1 - y2 = -g, y3 the gate
    accumulate  dt = m 2^e u0 x1 y1 - m 2^e u0 x1 y2 - 2^-1 u0 t y3,  dw = 2^(-1 - q) u0 t y3
    late        dt = m 2^e u0 x1 y2 - m 2^e u0 x1 y1 - 2^5 u0 t y3,  dw = -u0 t y3
    tagged      dw = m 2^e u0 x1 y1 t - m 2^e u0 x1 y2 t            t the share of each synapse
    filtered    dt = 2^f u0 x1 y1 - (1 - kappa) u0 t,  dw = m 2^e u0 t y2 - m 2^e u0 t y3

The error comes as two unsigned factors because traces have no sign. y3 is constant while a network
learns online and sets the rate finely; accumulating, it is 64 at the sample's end, applies the tag
and clears it. "late" is online through the tag: a step's gradient waits in the tag, in units of
1/32 of a weight, and one step later (`ChipNetwork.through_tags`) the whole weights in it act: with
y3 = 1 both products of t are floor(-t / 32), so that what is less than a weight stays in the tag,
and no weight is rounded at random. Tags begin at half a weight, so that they round to the nearest.
That resolves products 32 times finer than online, which sums
over many positions need. "tagged" is online with a share of the rate for each synapse
(`onchip.program.shares`) in the place of y3; nothing changes the tag. A filtered eligibility is the
tag itself, psi is y1, and y2 and y3 are the parts of -L of the step before, which it then belongs
to.
On the pipelined schedule x1 already holds the next step's spike and the products of x0 take it
back.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.loihi import TRACE_MAX
from onchip.neurons.base import Neuron
from onchip.program.integer_layer_spec import FixedPlasticity
from onchip.program.integer_traces import FixedFilter, trace_decays
from onchip.program.rates import LATE_SHIFT, FixedRate, constant, pipelined_correction
from onchip.program.synapses import IntegerPlasticity
from onchip.program.timetable import (
    Schedule,
    trace_time_constant,
)

LATE = "late"
"""The mode of online updates through the tag."""

TAGGED = "tagged"
"""The mode of online updates where the tag holds each synapse's share of the rate."""

CLEARING_GATE = 64
"""y3 that applies and clears a tag exactly: t 64 is shifted right by 5 and left again."""


class Products(NamedTuple):
    """The products of the weights' and of the tags' rule."""

    dw: tuple[Product, ...]
    dt: tuple[Product, ...]


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
    rate, online = plasticity.rate, mode in ("online", TAGGED)
    gate = ("t",) if mode == TAGGED else ("y3",) if online else ()
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


def gate_value(rate: FixedRate, mode: str) -> int:
    """y3 of an open gate."""
    if mode == LATE:
        return 1
    return rate.gate if mode in ("online", TAGGED) else CLEARING_GATE


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
