"""Samples streamed through one running network, learning and inference mixed."""

from __future__ import annotations

import numpy as np
import pytest
from parity_cases import random_events, two_hidden_layers

from onchip import Engine
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.processes.fused import FusedNetworkModel
from onchip.lava.processes.lif import LIFLayerModel
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.network.learning import with_learning, without_learning

INPUTS = (2, 5, 5)
NETWORKS = {LavaNetwork: LIFLayerModel, FusedLavaNetwork: FusedNetworkModel}


@pytest.fixture
def spec(rng):
    return with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.1)


@pytest.fixture(params=NETWORKS, ids=lambda kind: kind.__name__)
def kind(request):
    return request.param


def mixed(frames, labels):
    """Every sample twice: first with learning off."""
    for frame, label in zip(frames, labels, strict=True):
        yield frame, None
        yield frame, int(label)


def test_learning_and_inference_may_be_mixed_in_one_stream(rng, spec, kind):
    frames, labels = random_events(rng, 5, INPUTS)
    engine, expected = Engine(spec), []
    for i in range(5):
        expected.append(engine.run(frames[i : i + 1])[0])
        expected.append(engine.learn(frames[i : i + 1], labels[i : i + 1])[0])
    finished = []
    with kind(spec) as network:
        found = network.stream(mixed(frames, labels), 10, lambda: finished.append(1))
    np.testing.assert_allclose(found.outputs, expected, rtol=1e-9, atol=1e-12)
    assert len(finished) == 10


def test_samples_are_taken_as_the_network_gets_to_them(rng, spec, kind):
    """At most those in the pipes and the one at work are ahead of those finished."""
    frames, labels = random_events(rng, 30, INPUTS)
    taken = finished = worst = 0

    def samples():
        nonlocal taken, worst
        for pair in zip(frames, labels, strict=True):
            taken += 1
            worst = max(worst, taken - finished)
            yield pair

    def on_sample():
        nonlocal finished
        finished += 1

    with kind(spec) as network:
        network.stream(samples(), 30, on_sample)
    assert taken == finished == 30
    assert 2 <= worst <= 6


def test_a_network_streams_again_after_a_stream(rng, spec, kind):
    frames, _ = random_events(rng, 3, INPUTS)
    with kind(spec) as network:
        first = network.run(frames).outputs
        assert np.array_equal(network.run(frames).outputs, first)


def test_a_stream_that_ends_early_is_an_error_and_closes_the_network(rng, spec, kind):
    frames, labels = random_events(rng, 2, INPUTS)
    with kind(spec) as network:
        with pytest.raises(ValueError, match="2 were given, but the stream was to have 3"):
            network.stream(zip(frames, labels, strict=True), 3)
        with pytest.raises(RuntimeError, match="closed"):
            network.run(frames)


def test_arrays_are_checked_before_anything_runs(rng, spec, kind):
    frames, labels = random_events(rng, 2, INPUTS)
    with kind(without_learning(spec)) as network:
        if kind is LavaNetwork:
            with pytest.raises(ValueError, match="frames hold the value 2"):
                network.run(2 * frames)
        with pytest.raises(ValueError, match="no learning section"):
            network.learn(frames, labels)
        assert network.run(frames).outputs.shape == (2, 10, 10)


def test_labels_and_frames_of_a_stream_are_checked(rng, spec, kind):
    frames, _ = random_events(rng, 1, INPUTS)
    for sample, message in (
        ((frames[0], 10), "label 10 is out of range"),
        ((frames[0], -1), "label -1 is out of range"),
        ((frames[0][:5], 1), "frames have shape"),
    ):
        with kind(spec) as network, pytest.raises(ValueError, match=message):
            network.stream([sample], 1)


def test_a_fused_network_takes_event_counts_as_the_engine_does(rng, spec):
    frames = rng.integers(0, 4, (2, 10, *INPUTS))
    with FusedLavaNetwork(spec) as network:
        np.testing.assert_allclose(
            network.run(frames).outputs, Engine(spec).run(frames), rtol=1e-9, atol=1e-12
        )


def test_a_model_that_fails_in_the_middle_of_a_stream_reaches_the_caller(
    rng, spec, kind, monkeypatch
):
    model = NETWORKS[kind]
    original = model.run_spk

    def fails_late(self):
        if self.time_step == 15:
            raise KeyError("no such synapse")
        original(self)

    monkeypatch.setattr(model, "run_spk", fails_late)
    frames, labels = random_events(rng, 20, INPUTS)
    with pytest.raises(LavaExecutionError, match="no such synapse"), kind(spec) as network:
        network.learn(frames, labels)
