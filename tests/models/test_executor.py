"""The trainer's updates against the NumPy engine's: every spike, and every weight to 1e-9."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import Engine
from onchip.models.description import describe_model
from onchip.models.torch_network import TorchNetwork
from onchip.network.learning import with_learning, without_learning

FEEDBACKS = ("exact", "symmetric", "random", "direct")


def learn_alike(spec, rng, batches=4, samples=2):
    """Both executions learn from the same batches; -> (engine, torch network, largest error)."""
    shape = (batches, samples, spec.time_steps, *spec.input_shape)
    frames = (rng.random(shape) < 0.4).astype(np.uint8)
    labels = rng.integers(0, spec.classes, (batches, samples))
    runs = []
    for execution in (Engine(spec), TorchNetwork(spec)):
        seen = []
        outputs = [
            execution.learn(x, y, lambda name, out, seen=seen: seen.append((name, out.copy())))
            for x, y in zip(frames, labels, strict=True)
        ]
        runs.append((execution, seen, outputs))
    (engine, engine_seen, engine_out), (network, torch_seen, torch_out) = runs
    spiking = {
        layer.name for layer in spec.layers if isinstance(layer.neuron, type(spec.layers[0].neuron))
    }
    for (name, ours), (other, theirs) in zip(engine_seen, torch_seen, strict=True):
        assert name == other
        if name in spiking:
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(torch_out, engine_out, atol=1e-11)
    return engine.snapshot(), network.snapshot()


def assert_same_weights(engine, network, start):
    for ours, theirs, before in zip(engine.layers, network.layers, start.layers, strict=True):
        for name in ("weight", "bias", "recurrent_weight"):
            expected = getattr(ours, name, None)
            if expected is None:
                assert getattr(theirs, name, None) is None
                continue
            scale = max(abs(expected).max(), 1e-12)
            assert abs(getattr(theirs, name) - expected).max() / scale < 1e-9
            moved = abs(expected - getattr(before, name)).max()
            assert moved > 1e-3 if ours.plastic else moved == 0


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_two_hidden_plastic_layers_learn_as_in_the_engine(make_mlp, rng, feedback, mode, delay):
    spec = with_learning(
        describe_model(make_mlp()),
        learning_rate=0.3,
        feedback=feedback,
        mode=mode,
        update_delay=delay,
    )
    assert_same_weights(*learn_alike(spec, rng), spec)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("plastic", [("fc1",), ("fc1", "readout"), ("fc2",), ("readout",)])
def test_any_subset_of_plastic_layers_learns_as_in_the_engine(make_mlp, rng, plastic, feedback):
    spec = describe_model(make_mlp())
    spec = with_learning(spec, learning_rate=0.3, feedback=feedback, plastic=plastic)
    assert_same_weights(*learn_alike(spec, rng), spec)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("readout", ["leaky", "linear", "lif"])
def test_recurrent_layers_learn_as_in_the_engine(make_mlp, rng, readout, feedback):
    model = make_mlp(recurrent=True, readout=readout, decay=0.7, reset="hard", weight_gain=2.0)
    spec = with_learning(describe_model(model), learning_rate=0.3, feedback=feedback)
    assert_same_weights(*learn_alike(spec, rng), spec)


@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_the_dense_head_behind_a_frozen_trunk_learns_as_in_the_engine(make_convnet, rng, feedback):
    spec = with_learning(describe_model(make_convnet()), learning_rate=0.3, feedback=feedback)
    assert_same_weights(*learn_alike(spec, rng), spec)


def test_inference_gives_the_engine_s_outputs(make_convnet, rng):
    spec = without_learning(describe_model(make_convnet()))
    frames = (rng.random((3, spec.time_steps, *spec.input_shape)) < 0.4).astype(np.uint8)
    outputs = TorchNetwork(spec).run(frames)
    np.testing.assert_allclose(outputs, Engine(spec).run(frames), atol=1e-12)
    assert abs(outputs).max() > 0.1
    with pytest.raises(ValueError, match="no learning section"):
        TorchNetwork(spec).learn(frames, np.zeros(3, int))


def test_learning_with_the_wrong_feedback_is_noticed(make_mlp, rng):
    """The comparison of this file fails where the two sides differ by their feedback's seed."""
    ours, theirs = (
        with_learning(describe_model(make_mlp()), learning_rate=0.3, feedback="random", seed=seed)
        for seed in (0, 1)
    )
    frames = (rng.random((2, 6, 2, 4, 4)) < 0.4).astype(np.uint8)
    engine, network = Engine(ours), TorchNetwork(theirs)
    for execution in (engine, network):
        execution.learn(frames, np.array([0, 1]))
    with pytest.raises(AssertionError):
        assert_same_weights(engine.snapshot(), network.snapshot(), ours)


def test_frames_and_labels_that_do_not_fit_are_refused(make_mlp):
    network = TorchNetwork(with_learning(describe_model(make_mlp()), learning_rate=0.1))
    with pytest.raises(ValueError, match="frames have shape"):
        network.run(np.zeros((1, 3, 2, 4, 4)))
    with pytest.raises(ValueError, match="label 9 is out of range"):
        network.learn(np.zeros((1, 6, 2, 4, 4)), np.array([9]))
