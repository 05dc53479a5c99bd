"""What single samples do to the weights of a network, in floating point or in integers."""

from __future__ import annotations

import numpy as np

from onchip import Engine
from onchip.program.chip_network import ChipConnection


def gradients(network, frames, labels) -> dict[str, np.ndarray]:
    """What each sample alone does to each connection's weights, in the float network's unit."""
    moves: dict[str, list[np.ndarray]] = {name: [] for name in network.names}
    for i in range(len(frames)):
        engine = Engine(network)
        engine.learn(frames[[i]], labels[[i]])
        after = engine.snapshot().connections
        for name, old, new in zip(network.names, network.connections, after, strict=True):
            unit = 1.0
            if isinstance(old, ChipConnection):
                unit = old.weight_step(network.population(old.target).membrane_unit)
            moves[name].append((new.transform.weight - old.transform.weight).ravel() * unit)
    return {name: np.concatenate(moved) for name, moved in moves.items()}
