"""Shares of the learning rate: of each neuron, or of each synapse.

    dW[i, j] = -eta r[i] M[i, j] (gradient of W[i, j]),        r and M in 0..1

r is by the name of a population: its neurons learn at rates of their own, as new classes do that
shall learn faster than known ones. M is by the name of a connection: synapses that matter to what
is known move less. Errors that are sent on are not scaled. On a machine r goes into the factors
that each neuron sends to its synapses, M into the tag of each synapse, which every product of the
rule is multiplied by; where there is an M the tags hold r M.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeVar

import numpy as np

from onchip.network.parts import Connection, checked_shares
from onchip.network.transforms import Bias, Dense

Network = Any
"""An `onchip.network.graph.Network`."""

AnyGraph = TypeVar("AnyGraph", bound=Network)


def with_shares(network: AnyGraph, shares: Mapping[str, np.ndarray] | None) -> AnyGraph:
    """Return a network that learns with these shares in the place of those that it had.

    `shares` are by the name of a population [neurons] or of a connection of `network.names`
    [*weight shape]; what is not named learns at the whole rate, None removes all. Of a network in
    floating point or in integers. Raises ValueError for a network that does not learn, for what
    does not learn in it, for other shapes and for shares outside of 0..1.
    """
    if network.learning is None:
        raise ValueError(
            "shares: the network has no learning section; use "
            "onchip.network.learning.with_learning first"
        )
    return replace(network, learning=replace(network.learning, shares=shares))


def check_shares(network: Network) -> None:
    """Raise ValueError unless the shares of a learning section fit what learns in its network."""
    shares = None if network.learning is None else network.learning.shares
    if shares is None:
        return
    named = zip(network.names, network.connections, strict=True)
    plastic = {name: c for name, c in named if c.plastic}
    shapes = {name: c.transform.weight.shape for name, c in plastic.items()}
    shapes |= {name: network.population(name).shape for name in network.plastic_names}
    for name, held in shares.items():
        if name not in shapes:
            raise ValueError(
                f"shares of {name!r}: nothing of that name learns; choose from {', '.join(shapes)}"
            )
        at_map = name not in plastic and len(shapes[name]) > 1
        if held.shape != shapes[name] or at_map:
            raise ValueError(
                f"shares of {name!r} have shape {held.shape}, but it has {shapes[name]}; give them "
                "that shape, and none to the neurons of a map"
            )
    for name, connection in plastic.items():
        kind = type(connection.transform)
        if by_synapse(network, connection.target) and kind not in (Dense, Bias):
            raise ValueError(
                f"shares of synapses into {connection.target!r}: those of {name!r}, a "
                f"{kind.__name__}, have none; use dense synapses, or shares of the neurons"
            )


def by_synapse(network: Network, target: str) -> bool:
    """Whether a population's synapses have shares of their own, beside those of its neurons."""
    shares = None if network.learning is None else network.learning.shares
    pairs = zip(network.names, network.connections, strict=True)
    return any(name in (shares or {}) for name, c in pairs if c.target == target)


def neuron_shares(network: Network, target: str) -> np.ndarray | None:
    """Return r [neurons] of a population; None for 1."""
    shares = None if network.learning is None else network.learning.shares
    return None if shares is None else shares.get(target)


def synapse_shares(network: Network, name: str, connection: Connection) -> np.ndarray | None:
    """Return r M of a connection that learns [*weight shape]; None where r alone holds."""
    if not connection.plastic or not by_synapse(network, connection.target):
        return None
    assert network.learning is not None and network.learning.shares is not None
    weight = connection.transform.weight
    held = network.learning.shares.get(name)
    found = np.ones(weight.shape) if held is None else np.array(held)
    neurons = neuron_shares(network, connection.target)
    if neurons is not None:
        found *= neurons.reshape(-1, *(1,) * (weight.ndim - 1))
    return found


def weight_shares(network: Network, name: str, connection: Connection) -> np.ndarray | None:
    """Return the shares of a connection's weights, which they broadcast to; None for 1."""
    found = synapse_shares(network, name, connection)
    if found is not None or not connection.plastic:
        return found
    neurons, rank = neuron_shares(network, connection.target), connection.transform.weight.ndim
    return None if neurons is None else neurons.reshape(-1, *(1,) * (rank - 1))


def wider_shares(
    shares: Mapping[str, np.ndarray] | None, sizes: Mapping[str, int], names: Mapping[str, str]
) -> dict[str, np.ndarray] | None:
    """Return shares for populations that have grown to `sizes`: what is new has a share of 1.

    `names` are the populations by the names of the connections into them.
    """
    if shares is None:
        return None
    found = {}
    for name, held in shares.items():
        size = sizes.get(names.get(name, name), len(held))
        new = np.ones((size - len(held), *held.shape[1:]))
        found[name] = checked_shares(name, np.concatenate([held, new]))
    return found
