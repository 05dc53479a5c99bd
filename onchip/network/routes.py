"""The feedback of a graph: which populations need a factor, and how their error comes to them."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np

from onchip.network.graph import Network
from onchip.network.parts import Connection, Route
from onchip.rules.feedback import FeedbackKind


def feedback_routes(
    network: Network, kind: FeedbackKind, plastic: Collection[str], seed: int
) -> list[Route]:
    """Return the routes of a feedback for a network whose populations `plastic` learn.

    `seed` draws random matrices, from the lowest population up.
    """
    rng = np.random.default_rng(seed)
    last, routes = network.populations[-1], []
    for name in _needing(network, plastic):
        if kind.from_output and kind.matrix is not None:
            shape = (network.size_of(name), last.size)
            routes.append(Route(last.name, name, True, kind.matrix(np.zeros(shape), rng)))
            continue
        for above in _undelayed_from(network, name):
            matrix = None if kind.matrix is None else kind.matrix(backward(above), rng)
            routes.append(Route(above.target, name, False, matrix))
    return routes


def backward(connection: Connection) -> np.ndarray:
    """Return the transpose of a connection as a matrix [source, target]."""
    transform = connection.transform
    outputs = int(np.prod(transform.output_shape))
    unit = np.eye(outputs).reshape(outputs, *transform.output_shape)
    rows: np.ndarray = transform.send_back(unit, transform.weight)
    return rows.T


def _undelayed_from(network: Network, name: str) -> list[Connection]:
    return [c for c in network.connections if c.source == name and not c.delay]


def _needing(network: Network, plastic: Collection[str]) -> list[str]:
    """The populations but the readout whose factor is needed: those that learn, and all above."""
    needed: set[str] = set()
    for population in network.populations:
        below = {
            c.source for c in network.connections if c.target == population.name and not c.delay
        }
        if population.name in plastic or below & needed:
            needed.add(population.name)
    return [p.name for p in network.populations[:-1] if p.name in needed]
