"""Random networks with convolutions, their biases and dense layers above, for compiled learning."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip import LIF, LeakyIntegrator, Network, Surrogate
from onchip.network.convolution import Convolution
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, Dense


def convolution(rng: np.random.Generator, shape: tuple[int, ...]) -> Convolution:
    """One whose kernel, stride and padding fit the maps; some inputs may be read by no output."""
    kernel = [int(rng.integers(1, min(3, side) + 1)) for side in shape[1:]]
    weight = rng.normal(0.2, 2, (int(rng.integers(1, 12)), shape[0], *kernel))
    stride, padding = (tuple(map(int, rng.integers(low, low + 2, 2))) for low in (1, 0))
    return Convolution(weight / np.sqrt(weight[0].size), shape, stride, padding)


def convolutional(seed: int, depth: int, steps: int, decay: float, **options: Any) -> Network:
    """`depth` convolutions, a hidden dense layer and a readout of three classes.

    `options` are "reset", "surrogate" and those of learning; all that has a feedback learns unless
    `plastic` says otherwise.
    """
    rng = np.random.default_rng(seed)
    surrogate = Surrogate(options.pop("surrogate", "sigmoid"))
    neuron = LIF(decay, 1.0, options.pop("reset", "soft"), surrogate)
    shape: Any = (int(rng.integers(1, 4)), *map(int, rng.integers(4, 8, 2)))
    first, source, populations, connections = shape, INPUT, [], []
    for name in [f"conv{number}" for number in range(depth)]:
        transform = convolution(rng, shape)
        populations.append(Population(name, transform.output_shape, neuron))
        connections.append(Connection(source, name, transform))
        if rng.random() < 0.6:
            bias = Bias(rng.normal(0.1, 0.2, len(transform.weight)), transform.output_shape)
            connections.append(Connection(ALWAYS_ON, name, bias))
        source, shape = name, transform.output_shape
    size = int(np.prod(shape))
    populations += [Population("fc", (9,), neuron), Population("out", (3,), LeakyIntegrator(decay))]
    connections += [
        Connection(source, "fc", Dense(rng.normal(0.1, 2, (9, size)) / np.sqrt(size))),
        Connection("fc", "out", Dense(rng.normal(0, 0.5, (3, 9)))),
    ]
    network = Network(tuple(populations), tuple(connections), first, steps)
    options.setdefault("plastic", [p.name for p in populations])
    return with_learning(network, **options)
