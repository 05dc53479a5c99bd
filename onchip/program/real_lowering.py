"""A network in floating point as the numbers of a program.

    online      dw = u0*x1*y1                               y1 = -eta g
    accumulate  dt = u0*x1*y1 - u0*t*y3,  dw = u0*t*y2      y2 applies the tag, y3 clears it
    filtered    dt = u0*x1*y1 - (1-kappa) u0*t,  dw = u0*t*y3 + u0*x1*y1*y2
                                                y1 = psi, y2 = -eta L, y3 = kappa y2

All products of an epoch read the tag from before it. Where a membrane's trace is the difference of
two exponentials, x2 is the second. On the pipelined schedule x1 already holds the spike of the next
step; the product -x0*y1 takes it back and y1 carries 1/lambda, since a[n] = (x1 - s[n+1]) / lambda
(of two traces of equal impulses the spikes cancel).
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.network.graph import Network
from onchip.network.parts import Connection, Population
from onchip.program.populations import RealPopulation, spread_bias
from onchip.program.rates import constant
from onchip.program.synapses import Plasticity
from onchip.program.teaching import FilteredTeacher, RealTeacher, Teacher, factor_scale, gate_scale
from onchip.program.teaching import lead as trace_lead
from onchip.program.timetable import Schedule, arrival_phase, trace_impulse, trace_time_constant
from onchip.rules.rule import Rule

Traces = Sequence[tuple[float, float]]
"""(amplitude, decay) of each exponential."""


def computes(network: Network, population: Population, bias: np.ndarray | None) -> RealPopulation:
    """Return what a population computes; `bias` [channels] is a constant one."""
    objective = None if network.learning is None else network.learning.objective
    constant = None if bias is None else spread_bias(bias, population.shape)
    return RealPopulation(population.neuron, network.time_steps, objective, constant)


def weights(connection: Connection) -> np.ndarray:
    """Return a connection's weights."""
    return connection.transform.weight


def teacher(network: Network, into: Connection, timetable: Schedule) -> Teacher:
    """Return what a population sends to its plastic synapses, of which `into` is one."""
    assert network.learning is not None and into.rule is not None
    rule, traces = into.rule, network.population(into.target).neuron.traces
    decay = traces[0][1] if len(traces) == 1 else 1.0
    if rule.eligibility_decay:
        gate = gate_scale(timetable)
        ahead = trace_lead(timetable, decay)
        return FilteredTeacher(-rule.learning_rate * gate, ahead * gate, rule.eligibility_decay)
    return RealTeacher(
        scale=factor_scale(timetable, rule.learning_rate, decay),
        gate=gate_scale(timetable),
        accumulate=network.learning.mode == "accumulate",
    )


def synapses(
    network: Network, connection: Connection, timetable: Schedule, number: int, slot: int
) -> Plasticity:
    """Return how the synapses of a plastic connection learn."""
    assert network.learning is not None and connection.rule is not None
    phase = arrival_phase(timetable, timetable.offsets[connection.target])
    traces = network.population(connection.target).neuron.traces
    return plasticity(timetable, network.learning.mode, traces, phase, connection.rule)


def plasticity(
    timetable: Schedule, mode: str, traces: Traces, arrival: int, rule: Rule | None = None
) -> Plasticity:
    """Return how synapses learn whose spikes arrive in phase `arrival` 1..K of the epoch.

    `mode` is "online" or "accumulate", `traces` those of the postsynaptic neurons. Raises
    ValueError for what Lava's traces and products cannot hold.
    """
    kappa = 0.0 if rule is None else rule.eligibility_decay
    gradient = _gradient(timetable, traces)
    if kappa:
        dw, dt = _filtered(gradient, kappa, mode)
    elif mode == "online":
        dw, dt = tuple(gradient), ()
    else:
        dw = (Product(1, 0, ("t", "y2")),)
        dt = (*gradient, Product(-1, 0, ("t", "y3")))
    first, *others = [_trace(timetable, trace, len(traces) > 1, arrival) for trace in traces]
    return Plasticity(
        dw=dw,
        dt=dt,
        impulse=first[0],
        tau=first[1],
        epoch=timetable.period,
        second=others[0] if others else None,
        keeps_tag=bool(kappa),
    )


def _gradient(timetable: Schedule, traces: Traces) -> list[Product]:
    """The products of trace and derivative."""
    if len(traces) == 1:
        taken_back = [Product(-1, 0, ("y1",), "x0")] if timetable.period == 1 else []
        return [Product(1, 0, ("x1", "y1")), *taken_back]
    (first, fast), (second, slow) = _two(traces)
    if timetable.period == 1 and not np.isclose(first / fast, -second / slow, rtol=1e-12):
        raise ValueError(
            f"traces {traces}: on the pipelined schedule two traces must cancel a spike that comes "
            "early; use schedule 'sequenced'"
        )
    signs = (1 if first > 0 else -1, 1 if second > 0 else -1)
    return [Product(sign, 0, (x, "y1")) for sign, x in zip(signs, ("x1", "x2"), strict=True)]


def _two(traces: Traces) -> Traces:
    if len(traces) != 2:
        raise ValueError(f"traces {traces}: Lava's synapses have two traces x at most")
    return traces


def _trace(
    timetable: Schedule, trace: tuple[float, float], several: bool, arrival: int
) -> tuple[float, float]:
    """Impulse and time constant of one trace; with a lead of its own where there are several."""
    amplitude, decay = trace
    size = abs(amplitude) * (trace_lead(timetable, decay) if several else 1.0)
    impulse = size * trace_impulse(decay, timetable.period, arrival)
    return impulse, trace_time_constant(decay, timetable.period)


def _filtered(
    gradient: list[Product], kappa: float, mode: str
) -> tuple[tuple[Product, ...], tuple[Product, ...]]:
    if mode != "online":
        raise ValueError(
            "rule: a filtered eligibility takes the synapses' tag, and so does mode 'accumulate'; "
            "use mode 'online'"
        )
    mantissa, exponent = constant(1 - kappa)
    now = [Product(p.mantissa, p.exponent, (*p.factors, "y2"), p.dependency) for p in gradient]
    dt = (*gradient, Product(-mantissa, exponent, ("t",)))
    return (Product(1, 0, ("t", "y3")), *now), dt
