"""The feedback of a graph: which populations need a factor, and how their error comes to them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

import numpy as np

from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection, Route
from onchip.rules.feedback import FeedbackKind


def feedback_routes(
    network: Network, kind: FeedbackKind, plastic: Collection[str], seed: int
) -> list[Route]:
    """Return the routes of a feedback for a network whose populations `plastic` learn.

    `seed` draws random matrices, from the lowest population up.
    """
    if kind.local:
        return [_local_route(network, kind, name) for name in _hidden(network, plastic)]
    rng = np.random.default_rng(seed)
    last, routes = network.populations[-1], []
    for name in _needing(network, plastic):
        if kind.from_output and kind.matrix is not None:
            shape = (network.size_of(name), last.size)
            routes.append(Route(last.name, name, True, kind.matrix(np.zeros(shape), rng)))
            continue
        for above in _undelayed_from(network, name):
            routes.append(_route(above, name, kind, rng))
    return routes


def _route(above: Connection, name: str, kind: FeedbackKind, rng: np.random.Generator) -> Route:
    """The route back along a connection; through a convolution by kernels of the same shape."""
    if kind.matrix is None:
        return Route(above.target, name)
    if not isinstance(above.transform, Convolution):
        return Route(above.target, name, False, kind.matrix(backward(above), rng))
    kernels = above.transform.weight
    flat = kernels.reshape(len(kernels), -1)
    fixed = kind.matrix(flat.T, rng).T.reshape(kernels.shape)
    return Route(above.target, name, transform=replace(above.transform, weight=fixed))


def _hidden(network: Network, plastic: Collection[str]) -> list[str]:
    """The populations that learn and are no readouts."""
    last = network.populations[-1]
    return [
        p.name
        for p in network.populations
        if p.name in plastic and p is not last and p.neuron.spiking
    ]


def _local_route(network: Network, kind: FeedbackKind, name: str) -> Route:
    """The route from a population's own readout, which nothing else leads to."""
    local = readout_of(network, name)
    if local is None:
        raise ValueError(
            f"population {name!r} learns from a readout of its own, but has none; make one with "
            "onchip.network.readouts.local_readouts"
        )
    assert kind.matrix is not None
    matrix = kind.matrix(backward(local), np.random.default_rng(0))
    return Route(local.target, name, True, matrix)


def readout_of(network: Network, name: str) -> Connection | None:
    """Return the connection from a population to a readout that reads nothing else, if any."""
    for c in network.connections:
        into = [o for o in network.connections if o.target == c.target and o.source != ALWAYS_ON]
        readout = network.population(c.target)
        if c.source == name and not readout.neuron.spiking and into == [c]:
            return c
    return None


def backward(connection: Connection) -> np.ndarray:
    """Return the transpose of a connection as a matrix [source, target]."""
    transform = connection.transform
    outputs = int(np.prod(transform.output_shape))
    unit = np.eye(outputs).reshape(outputs, *transform.output_shape)
    rows: np.ndarray = transform.send_back(unit, transform.weight)
    return rows.T


def _undelayed_from(network: Network, name: str) -> list[Connection]:
    """The connections from a population that lead to the readout within the step."""
    heard = _heard(network)
    return [
        c for c in network.connections if c.source == name and not c.delay and c.target in heard
    ]


def _heard(network: Network) -> set[str]:
    """The readout and all whose spikes come to it within the step: an error goes no other way."""
    found = {network.populations[-1].name}
    for population in reversed(network.populations):
        if population.name in found:
            found |= {
                c.source for c in network.connections if c.target == population.name and not c.delay
            }
    return found


def _needing(network: Network, plastic: Collection[str]) -> list[str]:
    """The populations but the readout whose factor is needed: those that learn, and all above."""
    needed: set[str] = set()
    heard = _heard(network)
    for population in network.populations:
        below = {
            c.source for c in network.connections if c.target == population.name and not c.delay
        }
        if population.name in plastic or (population.name in heard and below & needed):
            needed.add(population.name)
    return [p.name for p in network.populations[:-1] if p.name in needed]
