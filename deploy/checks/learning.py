"""What of a network's learning Loihi 2 cannot hold: epochs, feedback, traces, rates."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onchip.arithmetic.integer_surrogates import FIXED_SURROGATES
from onchip.arithmetic.loihi import TRACE_MAX, largest_impulse
from onchip.deploy.checks.findings import NETWORK, Finding, compare, demand, layer_name
from onchip.deploy.checks.integers import odd_weights, worst_of
from onchip.deploy.checks.limits import CONSTANTS
from onchip.deploy.checks.plasticity import plasticity_findings
from onchip.network.chain import graph_of
from onchip.network.graph import Network
from onchip.network.layer_spec import DenseSpec
from onchip.network.learning import with_learning
from onchip.network.parts import Population
from onchip.network.spec import NetworkSpec, is_convolution
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.timetable import Schedule, factor_offsets, spike_offsets, trace_time_constant

IMPULSE_STEP = 8
"""The pipelined schedule needs an impulse that is a multiple of this."""


def learning_findings(spec: NetworkSpec, fixed: FixedNetworkSpec | None) -> Iterator[Finding]:
    """Findings about a float network's learning section, on the schedule that it needs."""
    schedule = planned_schedule(spec, _schedule_name(spec, fixed))
    if schedule.period > 1:
        yield compare("learning epoch", NETWORK, schedule.period)
    else:
        yield _pipelined_layers(spec)
    yield _update_delay(spec, fixed)
    yield _feedback(spec)
    yield error_process("softmax")
    for layer in spec.learning_layers:
        if isinstance(layer.neuron, LIF):
            yield surrogate_finding(layer)
        if layer.plastic:
            yield from trace_findings(layer, schedule)


def planned_schedule(spec: NetworkSpec | FixedNetworkSpec, name: str) -> Schedule:
    """The named schedule, also where its epoch is longer than the chip's longest one."""
    return planned_for_graph(graph_of(_skeleton(spec)), name, spec.time_steps)


def planned_for_graph(graph: Network, name: str, time_steps: int) -> Schedule:
    """The same for a graph."""
    depth = spike_offsets(graph)[graph.populations[-1].name]
    period = 1 if name == "pipelined" else 1 + max(depth, *factor_offsets(graph).values())
    return Schedule(name, period, time_steps, time_steps, depth)


def _skeleton(spec: NetworkSpec | FixedNetworkSpec) -> NetworkSpec:
    """The same dense layers with one neuron each: a schedule depends on nothing else.

    What is checked may hold anything, which a network would refuse.
    """
    dense = [layer for layer in spec.layers if not is_convolution(layer)]
    one = np.zeros((1, 1))
    hidden = [DenseSpec(layer.name, one, LIF()) for layer in dense[:-1]]
    readout = DenseSpec(dense[-1].name, one, LeakyIntegrator())
    found = NetworkSpec((*hidden, readout), (1,), 1)
    if spec.learning is None:
        return found
    plastic = [layer.name for layer in dense if layer.plastic]
    kind = spec.learning.feedback
    return with_learning(found, learning_rate=1, plastic=plastic, feedback=kind)


def _schedule_name(spec: NetworkSpec, fixed: FixedNetworkSpec | None) -> str:
    """The schedule of the integers, or the one whose update delay the network has."""
    if fixed is not None and fixed.learning is not None:
        return fixed.learning.schedule
    assert spec.learning is not None
    return "pipelined" if spec.learning.update_delay else "sequenced"


def _pipelined_layers(spec: NetworkSpec) -> Finding:
    below = [layer.name for layer in spec.layers[:-1] if layer.plastic]
    return demand(
        not below,
        "error",
        NETWORK,
        "pipelined schedule",
        f"{', '.join(below) or 'no hidden layer'} plastic",
        "only the last layer plastic",
        "set update_delay=0 and use schedule 'sequenced', or make the last layer alone plastic",
    )


def _update_delay(spec: NetworkSpec, fixed: FixedNetworkSpec | None) -> Finding:
    """An online update on the pipelined schedule acts one step late; the network must say so."""
    assert spec.learning is not None
    said, online = spec.learning.update_delay, spec.learning.mode == "online"
    integers = None if fixed is None else fixed.learning
    needed = said if integers is None or not online else integers.update_delay
    name = _schedule_name(spec, fixed)
    return demand(
        said == needed,
        "error",
        NETWORK,
        "update delay",
        said,
        f"{needed} on schedule {name!r}",
        f"set update_delay={needed} and train again, or use another schedule",
    )


def _feedback(spec: NetworkSpec) -> Finding:
    """A readout that learns alone needs no feedback, so 'exact' asks for nothing there."""
    assert spec.learning is not None
    kind = spec.learning.feedback
    return demand(
        kind != "exact" or len(spec.learning_layers) == 1,
        "error",
        NETWORK,
        "feedback",
        kind,
        "fixed matrices",
        "use feedback 'symmetric', 'random' or 'direct': no synapse can read another's weight",
    )


def error_process(error: str) -> Finding:
    """The finding that the error of the output is not made by neurons."""
    return demand(
        False,
        "warning",
        NETWORK,
        "error process",
        error,
        "neurons add and shift",
        "run the error on the host or on an embedded processor",
    )


def surrogate_finding(layer: DenseSpec | Population) -> Finding:
    """The finding about the surrogate of a layer of spiking neurons that learns."""
    surrogate = getattr(layer.neuron, "surrogate", None)
    name = "none" if surrogate is None else surrogate.name
    return demand(
        name in FIXED_SURROGATES,
        "error",
        layer_name(layer),
        "surrogate",
        name,
        "one with an integer form",
        f"train with {', '.join(FIXED_SURROGATES)}",
    )


def trace_findings(layer: DenseSpec | Population, schedule: Schedule) -> Iterator[Finding]:
    """Whether 7 bits hold the trace of a decay, and the time constant that it needs."""
    where, decay = layer_name(layer), layer.neuron.decay
    smallest = 1 if schedule.period > 1 else IMPULSE_STEP
    impulse = _impulse(decay)
    yield demand(
        impulse >= smallest,
        "error",
        where,
        "trace decay",
        decay,
        f"at most {1 - smallest / TRACE_MAX:.4g}",
        "use a smaller decay: a trace of 7 bits has no room for a spike",
        CONSTANTS,
    )
    if 0 < decay <= 1:
        tau = trace_time_constant(decay, schedule.period)
        yield compare("trace time constant", where, tau)


def _impulse(decay: float) -> int:
    try:
        return largest_impulse(decay)
    except ValueError:
        return 0


# -- integers -----------------------------------------------------------------------------------


def integer_learning_findings(fixed: FixedNetworkSpec) -> Iterator[Finding]:
    """Findings about the learning section of an integer network."""
    assert fixed.learning is not None
    schedule = planned_schedule(fixed, fixed.learning.schedule)
    for layer in fixed.learning_layers:
        where = layer_name(layer)
        factor = fixed.learning.factors.get(layer.name)
        if factor is not None and factor.matrix is not None:
            yield compare("feedback weight", where, worst_of([factor.matrix]))
            yield odd_weights(where, "odd feedback weights", [factor.matrix])
        if layer.plasticity is not None:
            decay, mode = layer.neuron.decay, fixed.learning.mode
            yield from plasticity_findings(where, layer.plasticity, decay, mode, schedule)
