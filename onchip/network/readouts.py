"""Local readouts: from each population to the targets without a way through the others.

    r_l[n] = G_l s_l[n],    G_l fixed, uniform in +-scale / sqrt(inputs)

A population that learns from the error of its own readout needs no error from above. Source:
Kaiser, Mostafa and Neftci 2020 (DECOLLE).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onchip.checks import require_between
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection, Population
from onchip.network.routes import readout_of
from onchip.network.transforms import Dense
from onchip.neurons.base import Neuron


def local_readouts(
    network: Network,
    *,
    scale: float = 1.0,
    neuron: Neuron | None = None,
    draw_last: bool = False,
    seed: int = 0,
) -> Network:
    """Return the network with a readout "NAME_readout" for each population that has none.

    A population has one where a readout reads it alone, as the last one does in a chain. The new
    ones have as many outputs as the last population, its neurons or `neuron`, and random weights
    that stay. Inference is what it was, unless `draw_last`, for a network that has not learned yet:
    then the weights into the last population are drawn like these, and its bias is 0.
    `with_learning(..., rule="decolle")` learns from them.
    Raises ValueError for a network with a learning section, and for a last population that spikes
    where no `neuron` is given.
    """
    require_between("local_readouts: scale", scale, 0, 1e6, open_low=True)
    if network.learning is not None:
        raise ValueError(
            "network: it has a learning section, which knows no new readouts; take "
            "onchip.network.learning.without_learning of it first"
        )
    last, rng = network.populations[-1], np.random.default_rng(seed)
    chosen = last.neuron if neuron is None else neuron
    if chosen.spiking:
        raise ValueError(
            f"local_readouts: {type(chosen).__name__} neurons of {last.name!r} spike; give neuron="
            "LeakyIntegrator()"
        )
    populations, connections = list(network.populations[:-1]), list(network.connections)
    if draw_last:
        connections = [_drawn(c, rng, scale) if c.target == last.name else c for c in connections]
    for population in network.populations[:-1]:
        if not population.neuron.spiking or readout_of(network, population.name) is not None:
            continue
        name = f"{population.name}_readout"
        populations.append(Population(name, last.shape, chosen))
        empty = Dense(np.zeros((last.size, population.size)))
        connections.append(_drawn(Connection(population.name, name, empty), rng, scale))
    return replace(network, populations=(*populations, last), connections=tuple(connections))


def _drawn(connection: Connection, rng: np.random.Generator, scale: float) -> Connection:
    """The connection with random weights, a bias with zeros."""
    transform = connection.transform
    shape, limit = transform.weight.shape, scale / np.sqrt(transform.inputs)
    bias = connection.source == ALWAYS_ON
    weight = np.zeros(shape) if bias else rng.uniform(-limit, limit, shape)
    return replace(connection, transform=replace(transform, weight=weight))  # type: ignore[type-var]
