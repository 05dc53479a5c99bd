"""Lowering: from a network and the name of a schedule to a program, and learned weights back.

The bias of a population becomes a column of the first dense synapses into it, those of a unit that
is always on; where there are none, a frozen bias is the population's own constant.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import numpy as np

from onchip.network.graph import Network
from onchip.network.partition import trunk_names
from onchip.network.parts import ALWAYS_ON, Connection, Population
from onchip.network.transforms import Dense
from onchip.program import integer_lowering, real_lowering
from onchip.program.ahead import schedule_of_all
from onchip.program.graphs import (
    INTEGERS,
    REAL_NUMBERS,
    AnyNetwork,
    as_graph,
    from_graph,
    numbers_of,
)
from onchip.program.program import FeedbackPath, Neurons, Program, Synapses
from onchip.program.schedules import make_schedule
from onchip.program.shares import shares_of
from onchip.program.timetable import Schedule


def lower(network: AnyNetwork, schedule: str) -> Program:
    """Return the program of a network on the named schedule, all of it on the machine.

    Frozen convolutions, too: they run ahead of what learns. Raises ValueError, with the reason, for
    a network that the schedule cannot execute.
    """
    graph = as_graph(network)
    require_any_machine(graph, "Lava")
    return _Lowering(graph, schedule_of_all(schedule, graph)).program(network)


def require_any_machine(network: AnyNetwork, machine: str) -> None:
    """Raise ValueError for a network with neurons that the engine alone runs."""
    for population in as_graph(network).populations:
        if population.neuron.engine_only:
            raise ValueError(
                f"population {population.name!r}: {machine} does not run it, "
                f"{population.neuron.engine_only}; onchip.Engine does"
            )


def lower_for_engine(network: AnyNetwork, ahead: bool = False) -> Program:
    """Return the program of a network for an engine, which takes an algorithmic step as a whole.

    Integers that learn keep the timetable of their schedule, which their roundings depend on: with
    `ahead` that of a machine that runs the frozen convolutions, too.
    """
    graph = as_graph(network)
    schedule, make = getattr(graph, "schedule", None), schedule_of_all if ahead else make_schedule
    timetable = None if schedule is None else make(schedule, graph)
    return _Lowering(graph, timetable).program(network)


def learned(program: Program, weights: Mapping[str, np.ndarray]) -> Any:
    """Return the program's network with other weights, by the name of synapses as they lay."""
    found = {}
    for synapses in program.synapses:
        if synapses.name not in weights:
            continue
        whole = np.asarray(weights[synapses.name], np.float64)
        found[synapses.name] = whole[:, :-1] if synapses.always_on else whole
        if synapses.always_on:
            found[f"{synapses.target}.bias"] = whole[:, -1]
    return from_graph(program.network, program.graph.with_weights(found))


@dataclass
class _Lowering:
    """One lowering: the graph, its timetable, and the numbers that it is written in."""

    graph: Network
    timetable: Schedule | None

    def __post_init__(self) -> None:
        self._integers = numbers_of(self.graph) == INTEGERS
        self._numbers: ModuleType = integer_lowering if self._integers else real_lowering
        self._named = list(zip(self.graph.connections, self.graph.names, strict=True))
        trunk = trunk_names(self.graph)
        machine = [p.name for p in self.graph.populations if p.name not in trunk]
        self._numbered = dict.fromkeys(trunk, 0) | {n: i for i, n in enumerate(machine, start=1)}
        self._last_slot = 2 * len(machine) + 2
        self._stride = sum(c.target not in trunk for c in self.graph.connections)

    def program(self, network: AnyNetwork) -> Program:
        """The whole program."""
        populations = tuple(self._neurons(p) for p in self.graph.populations)
        synapses = tuple(s for p in self.graph.populations for s in self._into(p.name))
        return Program(
            INTEGERS if self._integers else REAL_NUMBERS,
            network,
            self.graph,
            self.timetable,
            populations,
            synapses,
            self._routes(),
        )

    def _neurons(self, population: Population) -> Neurons:
        name, timetable = population.name, self.timetable
        bias = self._bias(name)
        constant = None
        if bias is not None and self._bias_column(name) is None:
            constant = self._constant(bias)
        plastic = [c for c, _ in self._named if c.target == name and c.plastic]
        learns = timetable is not None and plastic and self.graph.learning is not None
        return Neurons(
            name,
            population.shape,
            population.neuron.spiking,
            self._numbers.computes(self.graph, population, constant),
            self._numbered[name],
            0 if timetable is None else timetable.offsets[name],
            None if timetable is None else timetable.answers.get(name),
            self._numbers.teacher(self.graph, plastic[0], timetable) if learns else None,
        )

    def _constant(self, bias: Connection) -> np.ndarray | None:
        """A bias that stays; None for one that has synapses of its own."""
        if bias.plastic and self._integers and not self._bias_of_map(bias.target):
            raise ValueError(
                f"population {bias.target!r}: its bias learns, which needs a dense connection into "
                "it without delay that learns too in integers; leave it out or freeze it"
            )
        return None if bias.plastic else bias.transform.weight

    def _bias_of_map(self, name: str) -> bool:
        """Whether its bias is one of channels, which integers learn as shared weights."""
        return self._integers and len(self.graph.population(name).shape) > 1

    def _bias(self, name: str) -> Connection | None:
        biases = (c for c in self.graph.connections if c.target == name and c.source == ALWAYS_ON)
        return next(biases, None)

    def _bias_column(self, name: str) -> str | None:
        """The name of the synapses that take the bias of a population as their last column.

        None on a map: its bias is one of channels.
        """
        bias = self._bias(name)
        if bias is None or len(self.graph.population(name).shape) > 1:
            return None
        for connection, synapses in self._named:
            fits = connection.target == name and type(connection.transform) is Dense
            same = connection.plastic == bias.plastic and not connection.delay
            if fits and same and connection.source != ALWAYS_ON:
                return synapses
        return None

    def _into(self, target: str) -> list[Synapses]:
        """The synapses into a population: those without delay first, the bias a column."""
        column = self._bias_column(target)
        named = [(c, name) for c, name in self._named if c.target == target]
        own = not self._integers or self._bias_of_map(target)
        alone = column is None and (self.timetable is None or own)
        named = [
            pair for pair in named if pair[0].source != ALWAYS_ON or (alone and pair[0].plastic)
        ]
        named.sort(key=lambda pair: (pair[0].source == ALWAYS_ON, pair[0].delay))
        return [self._synapses(c, name, name == column, i) for i, (c, name) in enumerate(named)]

    def _synapses(self, connection: Connection, name: str, has_bias: bool, index: int) -> Synapses:
        weights, bias = self._numbers.weights(connection), None
        if has_bias:
            bias = self._bias(connection.target)
            assert bias is not None
            weights = np.concatenate((weights, self._numbers.weights(bias)[:, np.newaxis]), axis=1)
        shares, plasticity, tags = shares_of(self.graph, connection, name, bias), None, None
        if connection.plastic and self.timetable is not None:
            plasticity = self._numbers.synapses(
                self.graph,
                connection,
                self.timetable,
                self._numbered[connection.target],
                self._slot(connection, name, index),
            )
            tags = self._numbers.tags(self.graph, connection, shares)
        return Synapses(
            name,
            connection.source,
            connection.target,
            connection.transform,
            weights,
            getattr(connection, "exponent", 0),
            connection.delay,
            has_bias,
            connection.plastic,
            connection.rule,
            plasticity,
            self._traces(connection) if connection.plastic else (),
            shares,
            tags,
        )

    def _traces(self, connection: Connection) -> tuple[tuple[float, float], ...]:
        neuron, rule = self.graph.population(connection.target).neuron, connection.rule
        return neuron.traces if rule is None else rule.kind.traces(neuron)

    def _slot(self, connection: Connection, name: str, index: int) -> int:
        """Which of the seeds it has: 0 the first into its population, 1 its own recurrence.

        Those of others are the same with and without what lies below on the host.
        """
        if name.endswith(".synapses"):
            return 0
        if connection.source == connection.target:
            return 1
        number = self._numbered[connection.target]
        return self._last_slot + self._stride * number + index - 2 * number

    def _routes(self) -> tuple[FeedbackPath, ...]:
        learning = self.graph.learning
        if learning is None:
            return ()
        found = []
        for route in learning.routes:
            several = sum(r.target == route.target for r in learning.routes) > 1
            name = f"{route.target}.feedback" + f"_from_{route.source}" * several
            matrix = None if route.matrix is None else self._matrix(route.matrix)
            fixed = matrix is not None or route.transform is not None
            live = None if fixed else self._live(route.source, route.target)
            ends = (route.source, route.target, route.is_error)
            found.append(FeedbackPath(name, *ends, matrix, live, route.transform))
        return tuple(found)

    def _matrix(self, matrix: np.ndarray) -> np.ndarray:
        return matrix.astype(np.int64) if self._integers else matrix

    def _live(self, above: str, below: str) -> str:
        """The synapses from `below` to `above`, whose present weights carry the error back."""
        return next(
            name
            for c, name in self._named
            if (c.source, c.target) == (below, above) and not c.delay
        )
