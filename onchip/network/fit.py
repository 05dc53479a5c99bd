"""Whether the parts of a network fit together: names, shapes, cycles, what leads nowhere."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.network.parts import ALWAYS_ON, INPUT, SOURCES, Connection, Population
from onchip.network.shares import check_shares

Network = Any
"""An `onchip.network.graph.Network`."""


def evaluation_order(network: Network) -> tuple[Population, ...]:
    """Return the populations so that each comes after those it reads from in the same step.

    Raises ValueError for two of one name, for connections of unknown populations and for a cycle of
    connections without delay.
    """
    names = [p.name for p in network.populations]
    _check_names(network, names)
    before = {name: {c.source for c in _into(network, name) if c.source in names} for name in names}
    ordered: list[str] = []
    while len(ordered) < len(names):
        ready = [n for n in names if n not in ordered and before[n] <= set(ordered)]
        ready = [n for n in ready if n != names[-1]] or ready
        if not ready:
            rest = ", ".join(n for n in names if n not in ordered)
            raise ValueError(
                f"network: the connections between {rest} are a cycle without delay; give one of "
                "them delay=1"
            )
        ordered.append(ready[0])
    if ordered[-1] != names[-1]:
        raise ValueError(
            f"population {names[-1]!r} is the last one, the readout, but {ordered[-1]!r} does not "
            "lead to it; connect it or name the readout last"
        )
    return tuple(network.populations[names.index(name)] for name in ordered)


def _into(network: Network, name: str) -> list[Connection]:
    return [c for c in network.connections if c.target == name and not c.delay]


def _check_names(network: Network, names: list[str]) -> None:
    if not names:
        raise ValueError("network: it has no populations; pass at least a readout")
    if len(set(names)) != len(names) or not all(names) or set(names) & set(SOURCES):
        raise ValueError(
            f"network: population names {names} must be distinct, not empty and none of "
            f"{', '.join(SOURCES)}"
        )
    for c in network.connections:
        for end, known in ((c.source, [*names, *SOURCES]), (c.target, names)):
            if end not in known:
                raise ValueError(
                    f"connection {c.source!r} to {c.target!r}: there is no population {end!r}; "
                    f"choose from {', '.join(known)}"
                )


def check_graph(network: Network) -> None:
    """Raise ValueError unless sizes, delays and paths of a network fit together."""
    steps = network.time_steps
    if isinstance(steps, bool) or not isinstance(steps, (int, np.integer)):
        raise ValueError(f"network: time_steps is {steps!r}; it must be an integer")
    require_between("network: time_steps", steps, 1, 1_000_000)
    require_between("network: input_shape's smallest side", min(network.input_shape), 1, 1_000_000)
    for connection in network.connections:
        _check_connection(network, connection)
    _check_paths(network)
    _check_twice(network)
    _check_learning(network)
    check_shares(network)


def _check_connection(network: Network, connection: Connection) -> None:
    where = f"connection {connection.source!r} to {connection.target!r}"
    transform, target = connection.transform, network.population(connection.target)
    if connection.delay not in (0, 1):
        raise ValueError(f"{where}: delay is {connection.delay!r}; it must be 0 or 1")
    size = network.size_of(connection.source)
    if transform.inputs != size:
        raise ValueError(
            f"{where}: weight {transform.weight.shape} reads {transform.inputs} values, but "
            f"{connection.source!r} gives {size}"
        )
    if int(np.prod(transform.output_shape)) != target.size:
        raise ValueError(
            f"{where}: weight {transform.weight.shape} gives {transform.output_shape}, but "
            f"{connection.target!r} has shape {target.shape}"
        )
    if connection.delay and connection.source in SOURCES:
        raise ValueError(f"{where}: only spikes of populations can be delayed; use delay=0")
    if connection.source not in SOURCES:
        source = network.population(connection.source)
        if not source.neuron.spiking and not source.neuron.graded:
            raise ValueError(
                f"{where}: {type(source.neuron).__name__} does not spike, so nothing can read it"
            )


def _check_twice(network: Network) -> None:
    seen = set()
    for c in network.connections:
        key = (c.source, c.target, c.delay)
        if key in seen:
            raise ValueError(
                f"connection {c.source!r} to {c.target!r} with delay {c.delay} is there twice; add "
                "their weights up"
            )
        seen.add(key)


def _check_paths(network: Network) -> None:
    """Everything is reached from the input and leads to the readout."""
    forward = _reached(INPUT, [(c.source, c.target) for c in network.connections])
    last = network.populations[-1].name
    back = [(c.target, c.source) for c in network.connections]
    local = [p.name for p in network.populations if not p.neuron.spiking]
    backward = set().union(*(_reached(name, back) for name in (last, *local)))
    for p in network.populations:
        if not any(c.source not in (ALWAYS_ON, p.name) for c in _into(network, p.name)):
            raise ValueError(f"population {p.name!r} reads nothing without delay; connect it")
        if p.name not in forward:
            raise ValueError(f"population {p.name!r} is not reached from the input; connect it")
        if p.name not in backward:
            raise ValueError(
                f"population {p.name!r} does not lead to the readout {last!r} or to a local one; "
                "connect it or leave it out"
            )


def _reached(start: str, edges: list[tuple[str, str]]) -> set[str]:
    found, waiting = {start}, [start]
    while waiting:
        here = waiting.pop()
        new = {target for source, target in edges if source == here} - found
        found |= new
        waiting.extend(new)
    return found


def _check_learning(network: Network) -> None:
    plastic = [c for c in network.connections if c.plastic]
    if network.learning is None:
        if plastic:
            raise ValueError(
                f"network: connections into {list(network.plastic_names)} are plastic, but there "
                "is no learning section; use onchip.network.learning.with_learning"
            )
        return
    if not plastic:
        raise ValueError("network: it has a learning section, but no connection is plastic")
    for name in network.plastic_names:
        rules = {c.rule for c in plastic if c.target == name}
        if len(rules) > 1:
            raise ValueError(
                f"population {name!r}: the connections into it learn by different rules, but share "
                "its factors; give them the same rule"
            )
        neuron = network.population(name).neuron
        if neuron.engine_only:
            raise ValueError(f"population {name!r}: it cannot learn, {neuron.engine_only}")
        if neuron.spiking and getattr(neuron, "surrogate", True) is None:
            raise ValueError(f"population {name!r}: neurons that learn need a surrogate")
        for rule in rules - {None}:  # integers have theirs elsewhere
            refusal = rule.kind.refusal(neuron)
            if refusal is not None:
                raise ValueError(f"population {name!r}: {refusal}")
    for c in plastic:
        if c.rule is not None and c.rule.kind.variables and c.transform.shares_weights:
            raise ValueError(
                f"connection {c.source!r} to {c.target!r}: its weights are shared between "
                f"positions, but eligibility {type(c.rule.kind).__name__} is kept for each "
                "synapse; learn by a rule that keeps nothing, 'ottt' or 'erbp'"
            )
    _check_objective(network)
    _check_routes(network)


def _check_objective(network: Network) -> None:
    objective = network.learning.objective
    for name in network.readouts:
        neuron = network.population(name).neuron
        if objective.reads_spikes and not neuron.spiking:
            raise ValueError(
                f"population {name!r}: {type(neuron).__name__} does not spike, but objective "
                f"{type(objective).__name__} compares spikes; use LIF or CuBa neurons, or "
                "Regression"
            )


def _check_routes(network: Network) -> None:
    assert network.learning is not None
    names = [p.name for p in network.populations]
    for route in network.learning.routes:
        where = f"feedback from {route.source!r} to {route.target!r}"
        if route.source not in names or route.target not in names[:-1]:
            raise ValueError(f"{where}: both must be populations, and the target not the readout")
        if route.is_error:
            _check_readout(network, route.source, where)
        expected = (network.size_of(route.target), network.size_of(route.source))
        if route.matrix is not None and route.matrix.shape != expected:
            raise ValueError(f"{where}: its matrix has shape {route.matrix.shape}, not {expected}")
        if route.transform is not None:
            sizes = (route.transform.inputs, int(np.prod(route.transform.output_shape)))
            if sizes != expected:
                raise ValueError(f"{where}: its transform joins {sizes}, not {expected} neurons")
            continue
        joined = any(
            (c.source, c.target) == (route.target, route.source) and not c.delay
            for c in network.connections
        )
        if route.matrix is None and not joined:
            raise ValueError(f"{where}: without a matrix it needs a connection the other way")
    reached = {route.target for route in network.learning.routes} | set(network.readouts)
    for name in network.plastic_names:
        if name not in reached:
            raise ValueError(
                f"population {name!r} learns, but no feedback reaches it; use "
                "onchip.network.learning.with_learning"
            )


def _check_readout(network: Network, name: str, where: str) -> None:
    """An error comes from the last population, or from one of as many outputs that is not read."""
    size, last = network.size_of(name), network.populations[-1]
    if size != last.size:
        raise ValueError(
            f"{where}: an error comes from a readout of {last.size} outputs, as {last.name!r} has, "
            f"but {name!r} has {size}"
        )
    read = [c.target for c in network.connections if c.source == name]
    if name != last.name and (read or network.population(name).neuron.spiking):
        raise ValueError(
            f"{where}: {name!r} spikes or is read by others; a local readout has LeakyIntegrator "
            "or LinearReadout neurons, such as onchip.network.readouts.local_readouts makes"
        )
    if any(route.target == name for route in network.learning.routes):
        raise ValueError(f"{where}: {name!r} has an error of its own, so none is fed back to it")
