"""Dense connections into a map, beside convolutions and a bias of channels: all of them learn."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import Engine
from onchip.deploy import build
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, Dense
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator


def network(rng: np.random.Generator, delay: int) -> Network:
    """`side` sends to the map through dense weights, within the step or a step later."""
    kernels = Convolution(rng.normal(0, 0.6, size=(2, 1, 3, 3)), (1, 4, 4), padding=(1, 1))
    maps = kernels.output_shape
    side, pre = (INPUT, 16) if delay == 0 else ("map", 32)
    return Network(
        (
            *[Population("side", (5,), LIF()), Population("map", maps, LIF())][:: 1 - 2 * delay],
            Population("high", (6,), LIF()),
            Population("out", (3,), LeakyIntegrator()),
        ),
        (
            Connection(side, "side", Dense(rng.normal(0.3, 0.5, size=(5, pre)))),
            Connection("side", "map", Dense(rng.normal(0, 0.5, size=(32, 5))), delay),
            Connection(INPUT, "map", kernels),
            Connection(ALWAYS_ON, "map", Bias(rng.normal(0.1, 0.1, size=2), maps)),
            Connection("map", "high", Dense(rng.normal(0, 0.4, size=(6, 32)))),
            Connection("high", "out", Dense(rng.normal(size=(3, 6)))),
        ),
        (1, 4, 4),
        6,
    )


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("feedback", ["exact", "symmetric", "direct"])
@pytest.mark.parametrize("delay", [0, 1])
def test_engine_and_torch_learn_the_same(rng, delay, feedback, mode):
    """Torch's gradients are autograd's, on weights that lie as the network has them."""
    plastic = ["map", "high", "out"] + ["side"] * (delay == 0)
    graph = with_learning(
        network(rng, delay), learning_rate=0.1, plastic=plastic, feedback=feedback, mode=mode
    )
    frames, labels = (rng.random((6, 6, 1, 4, 4)) < 0.5).astype(np.uint8), np.arange(6) % 3
    engine = Engine(graph)
    outputs = np.concatenate([engine.learn(frames[[i]], labels[[i]]) for i in range(6)])
    learned = engine.snapshot()
    for old, new in zip(graph.connections, learned.connections, strict=True):
        moved = not np.array_equal(old.transform.weight, new.transform.weight)
        assert moved == (old.target in plastic), (old.source, old.target)
    with build(graph, "torch") as execution:
        np.testing.assert_allclose(execution.learn(frames, labels).outputs, outputs, atol=1e-9)
        other = execution.snapshot()
    for ours, theirs in zip(learned.connections, other.connections, strict=True):
        np.testing.assert_allclose(ours.transform.weight, theirs.transform.weight, atol=1e-9)
