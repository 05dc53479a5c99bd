"""Convolutions that learn: engine, torch and the fused network against a loop over positions."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from convolution_cases import SAMPLES, events, learned_by_loops, network
from graph_cases import largest_difference, weights_of
from parity_cases import TOLERANCE

from onchip import Engine
from onchip.deploy import load_spec
from onchip.deploy.backends.table import build
from onchip.deploy.cli import main
from onchip.models import TrainingConfig, build_model, train
from onchip.network.learning import with_learning
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("plastic", [("conv1", "conv2", "out"), ("conv2", "out")])
def test_convolutions_learn_as_their_unrolled_synapses_do_together(rng, plastic, feedback, mode):
    options = {"feedback": feedback, "mode": mode, "plastic": plastic}
    spec = with_learning(network(rng), learning_rate=0.1, **options)
    frames, labels = events(rng)
    expected = learned_by_loops(spec, frames, labels)
    assert largest_difference(weights_of(spec), expected) > 1e-3
    for backend in ("numpy", "torch", "lava", "lava-fast", "lava-fused"):
        with build(spec, backend) as execution:
            execution.learn(frames, labels)
            learned = weights_of(execution.snapshot())
        assert largest_difference(learned, expected) < TOLERANCE, backend


def test_a_batch_learns_by_the_mean_of_its_gradients(rng):
    options = {"mode": "accumulate", "plastic": ("conv1", "conv2", "out")}
    spec = with_learning(network(rng), learning_rate=0.1, **options)
    frames, labels = events(rng)
    engine = Engine(spec)
    engine.learn(frames, labels)
    moves = []
    for i in range(SAMPLES):
        one = Engine(spec)
        one.learn(frames[[i]], labels[[i]])
        pairs = zip(weights_of(one.snapshot()), weights_of(spec), strict=True)
        moves.append([after - before for after, before in pairs])
    mean = [np.mean(m, axis=0) for m in zip(*moves, strict=True)]
    pairs = zip(weights_of(engine.snapshot()), weights_of(spec), strict=True)
    assert largest_difference([after - before for after, before in pairs], mean) < 1e-12


def test_each_population_may_have_a_rate_of_its_own(rng):
    rates = {"conv2": 0.01, "out": 0.2}
    spec = with_learning(network(rng), learning_rate=rates, plastic=rates)
    frames, labels = events(rng)
    engine = Engine(spec)
    engine.learn(frames[:1], labels[:1])
    for i in range(1, SAMPLES):
        engine.learn(frames[[i]], labels[[i]])
    expected = learned_by_loops(spec, frames, labels)
    assert largest_difference(weights_of(engine.snapshot()), expected) < TOLERANCE
    with pytest.raises(ValueError, match="rates of conv2 were given, but conv2, out learn"):
        with_learning(network(rng), learning_rate={"conv2": 1.0}, plastic=rates)


def test_a_checkpoints_network_is_exported_with_plastic_convolutions(tmp_path):
    model = build_model("convnet", input_shape=(2, 16, 16), classes=3, time_steps=4, seed=0)
    images = np.random.default_rng(0).random((6, 4, 2, 16, 16)) < 0.3
    data = SimpleNamespace(frames=images.astype(np.uint8), labels=np.arange(6) % 3, classes=3)
    train(model, data, data, TrainingConfig(epochs=1), out=tmp_path / "model.pt", progress=False)
    words = ["export", str(tmp_path / "model.pt"), "--out", str(tmp_path / "network.h5")]
    assert main([*words, "--plastic", "conv2,fc1,readout", "--feedback", "symmetric"]) == 0
    spec = load_spec(tmp_path / "network.h5")
    assert spec.plastic_names == ("conv2", "fc1", "readout")
    found = []
    for backend in ("numpy", "lava-fused"):
        with build(spec, backend) as execution:
            execution.learn(data.frames[:2], data.labels[:2])
            found.append(weights_of(execution.snapshot()))
    assert largest_difference(*found) < TOLERANCE
    assert largest_difference(found[0], weights_of(spec)) > 0
