"""What of a graph's learning Loihi 2 cannot hold: epochs, feedback, traces, rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from onchip.deploy.checks.findings import NETWORK, Finding, compare, demand, layer_name
from onchip.deploy.checks.graph import connection_name
from onchip.deploy.checks.integers import odd_weights, worst_of
from onchip.deploy.checks.learning import (
    error_process,
    planned_for_graph,
    surrogate_finding,
    trace_findings,
)
from onchip.deploy.checks.plasticity import plasticity_findings
from onchip.network.graph import Network
from onchip.network.parts import Learning
from onchip.neurons.lif import LIF
from onchip.objectives.classification import Classification
from onchip.program.chip_network import ChipConnection, ChipNetwork
from onchip.rules.eligibility import Eligibility


def graph_learning_findings(network: Network, chip: ChipNetwork | None) -> Iterator[Finding]:
    """Findings about a float graph's learning section, on the schedule that it needs."""
    learning = network.learning
    assert learning is not None
    name = (None if chip is None else chip.schedule) or _schedule_name(learning)
    schedule = planned_for_graph(network, name, network.time_steps)
    if schedule.period > 1:
        yield compare("learning epoch", NETWORK, schedule.period)
    else:
        yield _pipelined(network)
    yield _update_delay(learning, name)
    yield _feedback(learning)
    usual = isinstance(learning.objective, Classification)
    yield error_process("softmax" if usual else type(learning.objective).__name__)
    yield from _rules(network)
    needed = {route.target for route in learning.routes} | set(network.plastic_names)
    for population in network.populations:
        if population.name in needed and isinstance(population.neuron, LIF):
            yield surrogate_finding(population)
        if population.name in network.plastic_names:
            yield from trace_findings(population, schedule)


def _schedule_name(learning: Learning) -> str:
    return "pipelined" if learning.update_delay else "sequenced"


def _pipelined(network: Network) -> Finding:
    below = [name for name in network.plastic_names if name != network.populations[-1].name]
    return demand(
        not below,
        "error",
        NETWORK,
        "pipelined schedule",
        f"{', '.join(below) or 'no hidden population'} plastic",
        "only the last population plastic",
        "set update_delay=0 and use schedule 'sequenced', or let the last population alone learn",
    )


def _update_delay(learning: Learning, name: str) -> Finding:
    """An online update on the pipelined schedule acts one step late; the network must say so."""
    said = learning.update_delay
    needed = int(name == "pipelined") if learning.mode == "online" else said
    return demand(
        said == needed,
        "error",
        NETWORK,
        "update delay",
        said,
        f"{needed} on schedule {name!r}",
        f"set update_delay={needed} and train again, or use another schedule",
    )


def _feedback(learning: Learning) -> Finding:
    return demand(
        all(route.matrix is not None for route in learning.routes),
        "error",
        NETWORK,
        "feedback",
        learning.feedback,
        "fixed matrices",
        "use feedback 'symmetric', 'random' or 'direct': no synapse can read another's weight",
    )


def _rules(network: Network) -> Iterator[Finding]:
    """Integers have no place for an eligibility of each synapse."""
    for connection in network.connections:
        if connection.rule is not None:
            yield demand(
                connection.rule.eligibility_decay == 0,
                "error",
                connection_name(connection),
                "eligibility filter",
                connection.rule.eligibility_decay,
                "none in integers",
                "learn with rule 'ottt', or in floating point",
            )
            if connection.rule.eligibility is not None:
                yield from _eligibility(connection_name(connection), connection.rule.eligibility)


def _eligibility(where: str, kind: Eligibility) -> Iterator[Finding]:
    """One that is more than a filter has no integer form, and maybe a tag that is none there."""
    name, remedy = type(kind).__name__, "learn with rule 'ottt', or in floating point"
    yield demand(False, "error", where, "eligibility", name, "a trace in integers", remedy)
    if kind.recipe().dd:
        limit = "none: on the chip it is the synapse's delay"
        yield demand(False, "error", where, "second tag", name, limit, remedy)


def chip_learning_findings(chip: ChipNetwork) -> Iterator[Finding]:
    """Findings about the learning of a graph in integers."""
    learning = chip.learning
    assert learning is not None
    name = chip.schedule or _schedule_name(learning)
    schedule = planned_for_graph(chip, name, chip.time_steps)
    for route in learning.routes:
        if route.matrix is not None:
            where, matrix = layer_name(chip.population(route.target)), route.matrix.astype(np.int64)
            yield compare("feedback weight", where, worst_of([matrix]))
            yield odd_weights(where, "odd feedback weights", [matrix])
    for c in chip.connections:
        plasticity = cast(ChipConnection, c).plasticity
        if plasticity is not None:
            decay = chip.population(c.target).neuron.decay
            where = connection_name(c)
            yield from plasticity_findings(where, plasticity, decay, learning.mode, schedule)
