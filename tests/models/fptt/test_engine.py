"""Trained liquid networks in the NumPy engine: every spike and output, and nowhere else."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip import Engine, with_learning
from onchip.deploy import build, quantize, save_spec
from onchip.lava.network import LavaNetwork
from onchip.models.fptt.cells import CELLS
from onchip.models.fptt.config import RunConfig
from onchip.models.fptt.engine import engine_network
from onchip.models.fptt.networks import LiquidNetwork
from onchip.models.fptt.neurons import LiquidGate, LiquidNeuron
from onchip.models.fptt.tasks import AddTask
from onchip.models.fptt.training import train
from onchip.models.torch_graph import TorchGraph
from onchip.network.graph import Network
from onchip.network.parts import INPUT, Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.readouts import LinearReadout

SAMPLES, STEPS = 5, 12


def made(cell, hidden, branches=1, inputs=4):
    """Double precision, every parameter away from its start."""
    torch.manual_seed(3)
    network = LiquidNetwork(inputs, hidden, 3, cell, branches).double()
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(0.4 * torch.randn_like(parameter))
        for layer in network.layers[1:]:
            layer.bias.add_(0.5)
    return network


def recorded(graph, frames):
    """Outputs [samples, T, 3] and the output of every population at every step."""
    seen: dict[str, list[np.ndarray]] = {}
    outputs = Engine(graph).run(frames, lambda name, out: seen.setdefault(name, []).append(out))
    return outputs, {name: np.stack(rows) for name, rows in seen.items()}


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(("hidden", "branches"), [((6,), 1), ((6, 5), 1), ((4, 5), 2), ((4,), 2)])
def test_the_engine_computes_every_spike_and_output_of_the_trained_network(cell, hidden, branches):
    network = made(cell, hidden, branches)
    frames = np.random.default_rng(0).normal(0, 2, (SAMPLES, STEPS, 4))
    outputs, seen = recorded(engine_network(network, STEPS), frames)
    x = torch.from_numpy(frames).transpose(0, 1)
    state = None
    with torch.no_grad():
        for n in range(STEPS):  # part by part, as it was trained
            expected, state = network(x[n : n + 1], state)
            np.testing.assert_allclose(outputs[:, n], expected.numpy(), rtol=0, atol=1e-12)
            for k, after in enumerate(state):
                names = [f"layers.{k}.branch{b}" for b in range(branches)]
                names = names if k == 0 and branches > 1 else [f"layers.{k}"]
                spikes = np.concatenate([seen[name][n] for name in names], axis=1)
                np.testing.assert_array_equal(spikes, after.s.numpy())
    rates = [rows.mean() for rows in seen.values() if set(np.unique(rows)) == {0.0, 1.0}]
    assert len(rates) == len(hidden) - 1 + branches
    assert 0.02 < np.mean(rates) < 0.95


def test_a_network_that_learned_to_add_adds_in_the_engine():
    config = RunConfig(
        steps=20, parts=4, hidden=16, batch=16, updates=300, learning_rate=0.01, target="running"
    )
    network = train(config, lambda line: None).network
    assert network is not None
    batch = AddTask(20).draw(64, torch.Generator().manual_seed(9))
    engine = Engine(engine_network(network, 20))
    answers = engine.run(batch.x.transpose(0, 1).numpy())[:, -1]
    error = float(((answers - batch.target.numpy()) ** 2).mean())
    assert error < 0.05
    with torch.no_grad():
        expected = network.double()(batch.x.double())[0].numpy()
    np.testing.assert_allclose(answers, expected, atol=1e-10)


def test_single_precision_stays_single():
    network = made("ltc-adaptive", (6, 5))
    frames = np.random.default_rng(0).normal(0, 2, (2, STEPS, 4)).astype(np.float32)
    graph = engine_network(network, STEPS)
    engine = Engine(graph, np.float32)
    outputs = engine.run(frames)
    assert outputs.dtype == np.float32
    assert {u.dtype for u in engine.potentials().values()} == {np.dtype(np.float32)}
    with torch.no_grad():
        x = torch.from_numpy(frames).transpose(0, 1)
        expected = network.float()(x)[0].numpy()
    np.testing.assert_allclose(outputs[:, -1], expected, atol=1e-4)


def test_the_engine_holds_copies_of_the_weights():
    network = made("ltc-adaptive", (6,))
    frames = np.random.default_rng(0).normal(0, 2, (2, STEPS, 4))
    graph = engine_network(network, STEPS)
    before = Engine(graph).run(frames)
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
    np.testing.assert_array_equal(Engine(graph).run(frames), before)


@pytest.mark.parametrize("cell", ["ltc", "lif"])
def test_no_other_execution_takes_the_graph_and_each_says_why(cell, tmp_path):
    graph = engine_network(made(cell, (6, 5)), STEPS)
    tasks = {
        "Lava does not run it": lambda: LavaNetwork(graph),
        "torch does not run it": lambda: TorchGraph(graph),
        "cannot build": lambda: build(graph, "lava-fused"),
        "Network: cannot build": lambda: build(graph, "numpy"),
        "cannot quantize": lambda: quantize(graph),
        "cannot save": lambda: save_spec(tmp_path / "network.h5", graph),
    }
    for words, run in tasks.items():
        with pytest.raises(ValueError, match=words) as raised:
            run()
        assert "population 'layers.0'" in str(raised.value)
        assert "its time constants are computed anew" in str(raised.value)
        assert "onchip.Engine" in str(raised.value)
        assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_liquid_neurons_do_not_learn_in_the_engine():
    gate = LiquidGate(None, np.zeros(3))
    graph = Network(
        (Population("one", (3,), LiquidNeuron(gate)), Population("out", (2,), LinearReadout())),
        (
            Connection(INPUT, "one", Dense(np.ones((3, 2)))),
            Connection("one", "out", Dense(np.ones((2, 3)))),
        ),
        (2,),
        4,
    )
    with pytest.raises(ValueError, match="population 'one': it cannot learn, its time constants"):
        with_learning(graph, learning_rate=0.1)
    Engine(with_learning(graph, learning_rate=0.1, plastic=["out"]))
