"""One sample watched Lava step by Lava step."""

from __future__ import annotations

import numpy as np

from onchip.lava.network import LavaNetwork


def watch_sample(
    network: LavaNetwork, frames: np.ndarray, label: int | None = None
) -> dict[str, np.ndarray]:
    """What `network.state` holds after every Lava step of a sample: name -> [steps, ...].

    `frames` [T, *input_shape]; the network learns from the sample if it has a `label`. The traces
    are zeroed between samples, so after a sample's last step they are zero. Everything is kept:
    weights take steps x post x pre numbers. Raises ValueError for frames or a label that do not
    fit.
    """
    network.supervisor.require_runtime()
    network.send_sample(frames, label)
    states = []
    for _ in range(network.steps_per_sample):
        network.supervisor.run(1)
        states.append(network.state())
    network.receive_sample()
    return {name: np.stack([state[name] for state in states]) for name in states[0]}
