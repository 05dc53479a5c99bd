"""The ways of errors as they are counted: each with the weights that it goes back through."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.deploy.costs.counts import RouteCost
from onchip.deploy.costs.operations import synapses_of
from onchip.network.graph import Network
from onchip.network.parts import Route
from onchip.network.transform import Transform
from onchip.network.transforms import Dense
from onchip.program.graphs import INTEGERS, numbers_of
from onchip.program.lower import lower_for_engine

Array = np.ndarray


class Way(NamedTuple):
    """A route's count, its weights as a transform, the connection they live in, its synapses.

    The transform leads from the population that gets the error to that which sends it.
    """

    cost: RouteCost
    transform: Transform
    live: str | None
    synapses: int


def ways_of(network: Network) -> list[Way]:
    """Return the ways of a network that learns."""
    assert network.learning is not None
    program, found = lower_for_engine(network), []
    for route, path in zip(network.learning.routes, program.routes, strict=True):
        transform = _carrier(network, route)
        cost = RouteCost(path.name, route.source, route.target, route.is_error)
        found.append(Way(cost, transform, path.live, synapses_of(transform)))
    return found


def _carrier(network: Network, route: Route) -> Transform:
    if route.matrix is not None:
        return Dense(_held(network, route.matrix.T))
    if route.transform is not None:
        weight = _held(network, route.transform.weight)
        return replace(route.transform, weight=weight)  # type: ignore[type-var]
    ends = (route.target, route.source, 0)
    return next(c.transform for c in network.connections if (c.source, c.target, c.delay) == ends)


def _held(network: Network, weight: Array) -> Array:
    """Weights as synapses of either sign hold them."""
    if numbers_of(network) != INTEGERS:
        return weight
    return drop_lowest_bit(weight.astype(np.int64))
