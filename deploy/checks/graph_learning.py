"""What of a graph's learning Loihi 2 cannot hold: epochs, feedback, traces, rates."""

from __future__ import annotations

from collections.abc import Iterator
from typing import cast

import numpy as np

from onchip.arithmetic.loihi import TAG_BITS
from onchip.deploy.checks.convolutions import plastic_convolution_findings
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
from onchip.deploy.checks.shares import chip_share_findings, share_findings
from onchip.deploy.quantization.graph_factors import is_shared
from onchip.network.graph import Network
from onchip.network.parts import Learning
from onchip.objectives.classification import Classification
from onchip.program.chip_network import ChipConnection, ChipNetwork
from onchip.program.integer_lowering import mode_of

APPROXIMATED = (
    f"expect it to be approximated by a tag of {TAG_BITS} bits and a sign, and updates a step later"
)


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
    yield from share_findings(network)
    yield from plastic_convolution_findings(network)
    needed = {route.target for route in learning.routes} | set(network.plastic_names)
    for population in network.populations:
        if population.name in needed and population.neuron.spiking:
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
        all(r.matrix is not None or r.transform is not None for r in learning.routes),
        "error",
        NETWORK,
        "feedback",
        learning.feedback,
        "fixed weights",
        "use feedback 'symmetric', 'random' or 'direct': no synapse can read another's weight",
    )


def _rules(network: Network) -> Iterator[Finding]:
    """A filtered eligibility lies in the tag of its synapse."""
    for connection in network.connections:
        rule = connection.rule
        if rule is None:
            continue
        if rule.eligibility is not None:
            yield demand(
                False,
                "error",
                connection_name(connection),
                "eligibility",
                type(rule.kind).__name__,
                "none in integers",
                "learn with rule 'ottt', or in floating point",
            )
        limit, remedy = "exact in floating point", APPROXIMATED
        if is_shared(connection):
            limit, remedy = "none where weights are shared", "learn with rule 'ottt'"
        yield demand(
            rule.eligibility_decay == 0,
            "error" if is_shared(connection) else "warning",
            connection_name(connection),
            "eligibility filter",
            rule.eligibility_decay,
            limit,
            remedy,
        )
        if rule.kind.recipe().dd:
            yield demand(
                False,
                "error",
                connection_name(connection),
                "second tag",
                type(rule.kind).__name__,
                "none: on the chip it is the synapse's delay",
                "learn by a rule of one filter, or in the simulator",
            )


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
    yield demand(
        not chip.through_tags,
        "warning",
        NETWORK,
        "update delay in integers",
        learning.update_delay,
        "0: an update acts at once",
        "expect updates a step later: they wait in the synapses' tags, which resolve them finely",
    )
    for name, part in zip(chip.names, chip.connections, strict=True):
        c = cast(ChipConnection, part)
        if c.plasticity is not None:
            decay = max(decay for _, decay in chip.population(c.target).neuron.traces)
            where, mode = connection_name(c), mode_of(chip, c)
            yield from plasticity_findings(where, c.plasticity, decay, mode, schedule)
            yield from chip_share_findings(chip, c, name, where)
