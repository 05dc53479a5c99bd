"""Networks that are no chains: residual sums, a bias, and feedback from above a step later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, Dense, OneToOne
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator

WIDTH = 8


def residual_network(
    rng: np.random.Generator,
    input_shape: tuple[int, ...] = (6,),
    classes: int = 3,
    time_steps: int = 9,
    metadata: Mapping[str, Any] | None = None,
) -> Network:
    """Two residual blocks of 8 neurons, the first with dense synapses, the second one to one.

    The last block reaches the first population one step later.
    """
    inputs = int(np.prod(input_shape))

    def dense(post: int, pre: int, scale: float = 0.6) -> Dense:
        return Dense(rng.normal(0, scale, size=(post, pre)))

    names = ("stem", "a1", "a2", "b1", "b2")
    populations = (
        *(Population(name, (WIDTH,), LIF()) for name in names),
        Population("out", (classes,), LeakyIntegrator()),
    )
    inside = [("stem", "a1"), ("a1", "a2"), ("stem", "a2"), ("a2", "b1"), ("b1", "b2")]
    connections = (
        Connection(INPUT, "stem", dense(WIDTH, inputs, 1.5 * inputs**-0.5)),
        *(Connection(source, target, dense(WIDTH, WIDTH)) for source, target in inside),
        Connection("a2", "b2", OneToOne(np.ones(WIDTH))),
        Connection("b2", "out", dense(classes, WIDTH)),
        Connection("b2", "stem", dense(WIDTH, WIDTH, 0.2), delay=1),
        Connection(ALWAYS_ON, "a1", Bias(rng.normal(0, 0.2, size=WIDTH), (WIDTH,))),
    )
    return Network(populations, connections, input_shape, time_steps, None, metadata or {})


def learning_residual(rng: np.random.Generator, **options: Any) -> Network:
    """`residual_network(rng)`, all of whose dense synapses learn by random feedback."""
    network = with_learning(residual_network(rng, **options), learning_rate=0.05, feedback="random")
    frozen = (
        replace(c, rule=None) if isinstance(c.transform, OneToOne) else c
        for c in network.connections
    )
    return replace(network, connections=tuple(frozen))


def convolutional_residual(rng: np.random.Generator) -> Network:
    """A convolution below a residual sum of dense populations."""
    kernels = Convolution(rng.normal(0, 0.8, size=(2, 1, 3, 3)), (1, 4, 4), padding=(1, 1))
    network = Network(
        (
            Population("conv", kernels.output_shape, LIF()),
            Population("low", (5,), LIF()),
            Population("high", (5,), LIF()),
            Population("out", (3,), LeakyIntegrator()),
        ),
        (
            Connection(INPUT, "conv", kernels),
            Connection("conv", "low", Dense(rng.normal(0, 0.4, size=(5, 32)))),
            Connection("low", "high", Dense(rng.normal(0, 0.9, size=(5, 5)))),
            Connection("conv", "high", Dense(rng.normal(0, 0.3, size=(5, 32)))),
            Connection("high", "out", Dense(rng.normal(size=(3, 5)))),
        ),
        (1, 4, 4),
        5,
    )
    names = ["low", "high", "out"]
    return with_learning(network, learning_rate=0.05, plastic=names, feedback="direct")


def with_other_weight(network: Network, name: str) -> Network:
    """The network with the first weight of a connection a unit in the last place larger."""
    found = dict(zip(network.names, network.connections, strict=True))[name].transform.weight
    changed = np.array(found)
    changed.flat[0] = np.nextafter(changed.flat[0], 99)
    return network.with_weights({name: changed})
