"""Residual, recurrent and delayed networks: equal in every execution, plastic throughout."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import GRAPHS, largest_difference, learned_by_loops, weights_of
from parity_cases import TOLERANCE

from onchip import Engine
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.models.torch_graph import TorchGraph
from onchip.network.learning import with_learning
from onchip.rules.feedback import FEEDBACKS

STEPS, SAMPLES = 20, 10
"""200 steps in all."""


def case(rng, name: str, feedback: str, mode: str):
    network = GRAPHS[name](rng, STEPS)
    network = with_learning(network, learning_rate=0.1, feedback=feedback, mode=mode, seed=1)
    assert set(network.plastic_names) == {p.name for p in network.populations}
    frames = (rng.random((SAMPLES, STEPS, 6)) < 0.5).astype(float)
    return network, frames, rng.integers(0, network.classes, SAMPLES)


def in_lava(network, frames, labels, make):
    with make(network) as execution:
        return execution.learn(frames, labels).outputs, execution.snapshot()


def in_torch(network, frames, labels):
    execution = TorchGraph(network)
    outputs = [execution.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    return np.array(outputs), execution.snapshot()


FAST = FastSimCfg("floating_pt")
EXECUTIONS = {
    "torch": in_torch,
    "lava": lambda *case: in_lava(*case, LavaNetwork),
    "lava-fast": lambda *case: in_lava(*case, lambda n: LavaNetwork(n, run_config=FAST)),
    "lava-fused": lambda *case: in_lava(*case, FusedLavaNetwork),
}


@pytest.mark.parametrize(
    ("feedback", "mode"),
    [(feedback, "online") for feedback in FEEDBACKS] + [("symmetric", "accumulate")],
)
@pytest.mark.parametrize("name", GRAPHS)
def test_all_executions_learn_the_same_over_200_steps(rng, name, feedback, mode):
    network, frames, labels = case(rng, name, feedback, mode)
    expected, learned = learned_by_loops(network, frames, labels)
    assert largest_difference(weights_of(network), learned) > 0.05
    engine = Engine(network)
    outputs = [engine.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    found = {"numpy": (np.array(outputs), engine.snapshot())}
    found |= {kind: run(network, frames, labels) for kind, run in EXECUTIONS.items()}
    for kind, (values, after) in found.items():
        np.testing.assert_allclose(values, expected, atol=TOLERANCE, err_msg=kind)
        assert largest_difference(weights_of(after), learned) < TOLERANCE, kind
