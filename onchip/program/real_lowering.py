"""A network in floating point as the numbers of a program.

    online      dw = u0*x1*y1                               y1 = -eta g
    accumulate  dt = u0*x1*y1 - u0*t*y3,  dw = u0*t*y2      y2 applies the tag, y3 clears it
    of shares   dw = u0*x1*y1*t                             t the share of each synapse, for good
    filtered    dt = u0*x1*y1 - (1-kappa) u0*t,  dw = u0*t*y3 + u0*x1*y1*y2
                                                y1 = psi, y2 = -eta L, y3 = kappa y2

Other eligibilities bring a recipe of their own (`onchip.rules.eligibilities`,
`onchip.program.recipes`). All products of an epoch read the tag from before it. Where a membrane's
trace is the difference of two exponentials, x2 is the second. On the pipelined schedule x1 already
holds the spike of the next step; the product -x0*y1 takes it back and y1 carries 1/lambda, since
a[n] = (x1 - s[n+1]) / lambda (of two traces of equal impulses the spikes cancel).
"""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.network.graph import Network
from onchip.network.parts import Connection, Population
from onchip.network.shares import by_synapse
from onchip.neurons.base import Neuron
from onchip.program.populations import RealPopulation, spread_bias
from onchip.program.recipes import SPIKES, Moment, Targets, check_decays, realised, scales, two
from onchip.program.shares import require_tags, taught_shares, with_tags
from onchip.program.synapses import Plasticity
from onchip.program.teaching import (
    EligibilityTeacher,
    RealTeacher,
    Teacher,
    factor_scale,
    gate_scale,
)
from onchip.program.teaching import lead as trace_lead
from onchip.program.timetable import Schedule, arrival_phase, trace_impulse, trace_time_constant
from onchip.rules.eligibility import Eligibility, Traces
from onchip.rules.filtered import Filtered, Instantaneous
from onchip.rules.rule import Rule


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
    rule, neuron = into.rule, network.population(into.target).neuron
    moment = _moment(timetable, into.target, rule.kind, neuron)
    recipe, shares = rule.kind.recipe(), taught_shares(network, into.target)
    rate = rule.learning_rate if shares is None else rule.learning_rate * shares
    if rule.kind.variables:
        sent = scales(recipe, moment)
        return EligibilityTeacher(rule.kind, neuron, rate, sent, recipe.factors)
    scale = -rate * scales(recipe, moment)[0]
    if rule.plain and not moment.of_spikes:
        decay = moment.traces[0][1] if len(moment.traces) == 1 else 1.0
        scale = factor_scale(timetable, rate, decay)
    return RealTeacher(
        scale=scale,
        gate=gate_scale(timetable),
        accumulate=network.learning.mode == "accumulate",
        eligibility=None if rule.plain else rule.kind,
    )


def synapses(
    network: Network, connection: Connection, timetable: Schedule, number: int, slot: int
) -> Plasticity:
    """Return how the synapses of a plastic connection learn."""
    assert network.learning is not None and connection.rule is not None
    kind, neuron = connection.rule.kind, network.population(connection.target).neuron
    where = f"connection {connection.source!r} to {connection.target!r}"
    moment = _moment(timetable, connection.target, kind, neuron)
    _check_sign(kind, neuron, where)
    mode, rule = network.learning.mode, connection.rule
    found = plasticity(timetable, mode, moment.traces, moment.arrival, rule)
    if not by_synapse(network, connection.target):
        return found
    require_tags(connection)
    return with_tags(found, where)


def tags(network: Network, connection: Connection, shares: np.ndarray | None) -> np.ndarray | None:
    """Return what the tags of a plastic connection hold of shares that lie as its weights."""
    return shares if by_synapse(network, connection.target) else None


def _moment(timetable: Schedule, target: str, kind: Eligibility, neuron: Neuron) -> Moment:
    phase = arrival_phase(timetable, timetable.offsets[target])
    return Moment(timetable.period, phase, kind.traces(neuron))


def plasticity(
    timetable: Schedule, mode: str, traces: Traces, arrival: int, rule: Rule | None = None
) -> Plasticity:
    """Return how synapses learn whose spikes arrive in phase `arrival` 1..K of the epoch.

    `mode` is "online" or "accumulate", `traces` are what the rule knows of the inputs. Raises
    ValueError for what Lava's traces and products cannot hold.
    """
    kind = Instantaneous() if rule is None else rule.kind
    check_decays(kind)
    targets = realised(kind.recipe(), Moment(timetable.period, arrival, traces))
    if mode == "accumulate":
        targets = _accumulated(kind, targets)
    first, second = None, None
    if tuple(traces) != SPIKES:
        found = [_trace(timetable, trace, len(traces) > 1, arrival) for trace in traces]
        first, second = found[0], two(tuple(found))[1] if len(found) > 1 else None
    impulse, tau = first or (0.0, 1.0)  # of a trace that no product reads
    return Plasticity(
        dw=targets.dw,
        dt=targets.dt,
        dd=targets.dd,
        impulse=impulse,
        tau=tau,
        epoch=timetable.period,
        second=second,
        keeps_tag=bool(kind.variables),
    )


def _check_sign(kind: Eligibility, neuron: Neuron, where: str) -> None:
    negative = kind.needs_positive(neuron)
    if negative is not None:
        raise ValueError(
            f"{where}: {negative}, but the second tag of Lava's synapses, which eligibility "
            f"{type(kind).__name__} takes, holds nothing below 0; use backend numpy, torch or "
            "lava-fused"
        )


def _accumulated(kind: Eligibility, gradient: Targets) -> Targets:
    """The gradient is added up in the tag, which gates apply and clear at the sample's end."""
    if kind.variables:
        said = "a filtered eligibility" if type(kind) is Filtered else type(kind).__name__
        raise ValueError(
            f"rule: {said} takes the synapses' tag, and so does mode 'accumulate'; use mode "
            "'online'"
        )
    cleared = Product(-1, 0, ("t", "y3"))
    return Targets((Product(1, 0, ("t", "y2")),), (*gradient.dw, cleared))


def _trace(
    timetable: Schedule, trace: tuple[float, float], several: bool, arrival: int
) -> tuple[float, float]:
    """Impulse and time constant of one trace; with a lead of its own where there are several."""
    amplitude, decay = trace
    if decay == 0:
        raise ValueError(
            f"trace: amplitude {amplitude:.6g} with decay 0 is no trace of Lava's, which takes the "
            "spike itself by a single one of amplitude 1; use backend numpy"
        )
    size = abs(amplitude) * (trace_lead(timetable, decay) if several else 1.0)
    impulse = size * trace_impulse(decay, timetable.period, arrival)
    return impulse, trace_time_constant(decay, timetable.period)
