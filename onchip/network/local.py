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
from onchip.network.parts import Connection, Population
from onchip.network.routes import readout_of
from onchip.network.transforms import Dense
from onchip.neurons.base import Neuron


def local_readouts(
    network: Network, *, scale: float = 1.0, neuron: Neuron | None = None, seed: int = 0
) -> Network:
    """Return the network with a readout "NAME_readout" for each population that has none.

    A population has one where a readout reads it alone, as the last one does in a chain. The new
    ones have as many outputs as the last population, its neurons or `neuron`, and random weights
    that stay. Inference is what it was; `with_learning(..., rule="decolle")` learns from them.
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
    for population in network.populations[:-1]:
        if not population.neuron.spiking or readout_of(network, population.name) is not None:
            continue
        name, limit = f"{population.name}_readout", scale / np.sqrt(population.size)
        weight = rng.uniform(-limit, limit, (last.size, population.size))
        populations.append(Population(name, last.shape, chosen))
        connections.append(Connection(population.name, name, Dense(weight)))
    return replace(network, populations=(*populations, last), connections=tuple(connections))
