"""Heads that learn by the rule of a way, with local readouts where the rule needs them.

DECOLLE's hidden populations learn from readouts of their own. In a head of a hidden population and
a readout, the readout that was trained reads the hidden population alone, so it would be its local
readout, and the rule the same as with feedback through frozen transposes. Here each hidden
population that learns gets a random one beside it, which stays as it is: its error alone teaches
the population, and the trained readout learns from its own error.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.deploy.lifelong.ways import Way
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.network.transforms import Dense
from onchip.rules.presets import RULES


def learning_network(network: Network, way: Way, seed: int = 0) -> Network:
    """Return a network in floating point with the learning section of a three-factor way."""
    options: dict[str, Any] = {"plastic": way.plastic, "learning_rate": way.rate}
    if RULES[way.rule].feedback is None:
        options["feedback"] = way.feedback
    else:
        network = with_random_readouts(network, way.plastic, way.local_scale, seed)
    return with_learning(network, rule=way.rule, mse_weight=0.0, **options)


def with_random_readouts(
    network: Network, names: Collection[str], scale: float, seed: int = 0
) -> Network:
    """Return a network without learning with a readout "NAME_readout" for spiking ones of `names`.

    Each has the neurons and as many outputs as the last population, and weights that are uniform in
    +-scale / sqrt(inputs). They come first among the readouts of their population, so that rule
    "decolle" learns from them. Raises ValueError for a scale that is not above 0.
    """
    require_between("local readouts: scale", scale, 0, 1e6, open_low=True)
    last, rng = network.populations[-1], np.random.default_rng([seed, 6])
    populations, connections = [], []
    for name in names:
        source = network.population(name)
        if not source.neuron.spiking:
            continue
        limit = scale / np.sqrt(source.size)
        weight = rng.uniform(-limit, limit, (last.size, source.size))
        populations.append(Population(f"{name}_readout", last.shape, last.neuron))
        connections.append(Connection(name, f"{name}_readout", Dense(weight)))
    return replace(
        network,
        populations=(*network.populations[:-1], *populations, last),
        connections=(*connections, *network.connections),
    )
