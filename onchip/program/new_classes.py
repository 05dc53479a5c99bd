"""Outputs added to a network that has learned, without touching what it knows.

Old outputs, and everything below them, are what they were: their weights stay, and nothing reads
the new ones. A new output begins as the mean of the old ones, w_new = mean_k w_k (in integers the
even integer below it), so that a linear readout's new output is the mean of the old outputs, never
above the largest of them: no prediction changes before the new class is learned.

A random readout that stays as it is (rule "decolle") could not tell equal outputs apart; there a
new output has the weights of an old one in another order. The feedback grows by the same recipe:

    symmetric, local   the column of B that goes with the new output's row of weights
    random, direct     an old column in another order, so of the same distribution
    the reward's       0: all hear the first output
    exact              none: it reads the live weights

New outputs learn at the whole rate, whatever the shares of the old ones (`onchip.network.shares`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar, cast

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.network.graph import Network
from onchip.network.parts import Connection, Learning, Population, Route
from onchip.network.shares import wider_shares
from onchip.network.transforms import Bias, Dense
from onchip.objectives.base import Objective
from onchip.objectives.integer_base import IntegerObjective
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.chain_classes import add_to_chain
from onchip.program.graphs import INTEGERS, AnyNetwork, numbers_of
from onchip.program.wider import Recipe, floored_bias, mean_of, mixed, scaled_error, zeros_of
from onchip.rules.feedback import FEEDBACKS, GLOBAL, FeedbackKind
from onchip.rules.presets import RULES

AnyKind = TypeVar("AnyKind", bound=AnyNetwork)


def add_classes(network: AnyKind, count: int, *, seed: int = 0) -> AnyKind:
    """Return the network with `count` more outputs, in the form and precision in which it is.

    Its learning section, feedback and local readouts grow with it; `seed` draws what is random.
    Raises ValueError for a readout that is a map or read by other than dense synapses, for one that
    is frozen in a network that learns, since it could not learn a class, and for integers whose
    error is a mean over the outputs (regression, spike trains).
    """
    require_integer("add_classes: count", count, 1, 1_000_000)
    rng = np.random.default_rng(seed)
    if not isinstance(network, Network):
        _require_learnable(network.learning is not None, network.layers[-1])
        return cast(AnyKind, add_to_chain(network, count, rng))
    return cast(AnyKind, _Growth(network, count, rng).network())


def _require_learnable(learns: bool, readout: Any) -> None:
    if learns and not readout.plastic:
        raise ValueError(_frozen(readout.name))


def _frozen(name: str) -> str:
    return (
        f"readout {name!r} is frozen, so it could not learn new classes; let it learn "
        "(onchip.network.learning.with_learning, --plastic)"
    )


class _Growth:
    """A graph and the recipes by which its readouts grow."""

    def __init__(self, graph: Network, count: int, rng: np.random.Generator) -> None:
        self._graph, self._count, self._rng = graph, count, rng
        self._whole = numbers_of(graph) == INTEGERS
        self._kind = None if graph.learning is None else kind_of(graph.learning)
        self._recipes = {name: self._recipe(name) for name in _readouts(graph)}

    def network(self) -> Network:
        """Return the graph with more outputs."""
        graph = self._graph
        return replace(
            graph,
            populations=tuple(map(self._population, graph.populations)),
            connections=tuple(map(self._connection, graph.connections)),
            learning=None if graph.learning is None else self._learning(graph.learning),
        )

    def _recipe(self, name: str) -> Recipe:
        """The mean of what is there, or for a random readout that stays old rows, mixed."""
        into = [c for c in self._graph.connections if c.target == name]
        local = self._kind is not None and self._kind.local
        is_last = name == self._graph.populations[-1].name
        if any(c.plastic for c in into) or self._kind is None:
            return mean_of(self._count, self._whole)
        if local or not is_last:
            return mixed(self._count, self._rng)
        raise ValueError(_frozen(name))

    def _population(self, population: Population) -> Population:
        recipe = self._recipes.get(population.name)
        if recipe is None:
            return population
        if len(population.shape) > 1:
            raise ValueError(
                f"readout {population.name!r} is a map of shape {population.shape}; classes can be "
                "added to one of shape (classes,)"
            )
        changes: Any = {"shape": (population.size + self._count,)}
        bias = getattr(population, "bias", None)
        if bias is not None:
            changes["bias"] = floored_bias(bias, self._count)
        return replace(population, **changes)

    def _connection(self, connection: Connection) -> Connection:
        source, target = (name in self._recipes for name in (connection.source, connection.target))
        if not source and not target:
            return connection
        transform: Any = connection.transform
        weight = transform.weight
        if isinstance(transform, Bias):
            wider = self._recipes[connection.target](weight[:, np.newaxis])[:, 0]
            shape = (len(wider),)
            return replace(connection, transform=Bias(wider, shape))
        if not isinstance(transform, Dense):
            raise ValueError(
                f"connection {connection.source!r} to {connection.target!r}: classes cannot be "
                f"added to synapses of a {type(transform).__name__}; the readout needs dense ones"
            )
        if source:
            weight = np.concatenate([weight, np.zeros((len(weight), self._count))], axis=1)
        if target:
            weight = self._recipes[connection.target](weight)
        return replace(connection, transform=Dense(weight))

    def _learning(self, learning: Learning) -> Learning:
        outputs = self._graph.classes
        objective = _wider_objective(learning.objective, outputs, outputs + self._count)
        return replace(
            learning,
            objective=objective,
            routes=tuple(map(self._route, learning.routes)),
            shares=self._shares(learning),
        )

    def _shares(self, learning: Learning) -> Any:
        """The shares of the rate, those of new outputs 1."""
        pairs = zip(self._graph.names, self._graph.connections, strict=True)
        grown = dict.fromkeys(self._recipes, self._graph.classes + self._count)
        return wider_shares(learning.shares, grown, {name: c.target for name, c in pairs})

    def _route(self, route: Route) -> Route:
        if route.matrix is None or route.source not in self._recipes:
            return route
        matrix: np.ndarray = self._columns(route)(np.asarray(route.matrix).T).T
        return replace(route, matrix=matrix)

    def _columns(self, route: Route) -> Callable[[np.ndarray], np.ndarray]:
        assert self._kind is not None
        if self._kind == GLOBAL:
            return zeros_of(self._count)
        if self._kind in (FEEDBACKS["random"], FEEDBACKS["direct"]):
            return mixed(self._count, self._rng)
        return self._recipes[route.source]


def kind_of(learning: Learning) -> FeedbackKind:
    """Return the feedback that the routes of a learning section were made by."""
    preset = RULES.get(learning.feedback)
    if preset is not None and preset.feedback is not None:
        return preset.feedback
    return FEEDBACKS[learning.feedback]


def _readouts(graph: Network) -> list[str]:
    """The last population and those that answer as it does: local readouts, learning or not."""
    last = graph.populations[-1]
    read = {c.source for c in graph.connections}
    return [
        p.name
        for p in graph.populations
        if p.name in graph.readouts
        or (p.shape == last.shape and not p.neuron.spiking and p.name not in read)
    ]


def _wider_objective(objective: Objective, before: int, after: int) -> Objective:
    if isinstance(objective, IntegerClassification):
        return IntegerClassification(scaled_error(objective.tables, before, after))
    if isinstance(objective, IntegerObjective) and objective.unit(1, before) != objective.unit(
        1, after
    ):
        raise ValueError(
            f"network: an integer of {type(objective).__name__}'s error is worth less with more "
            "outputs, and all rates depend on it; add the outputs to the network in floating point "
            "and quantize it again"
        )
    return objective
