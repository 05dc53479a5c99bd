"""The Lava network makes the engine's spikes and the engine's updates, on every schedule."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from parity_cases import (
    TOLERANCE,
    dense,
    engine_reference,
    random_events,
    two_hidden_layers,
    weight_error,
)

from onchip import LIF, DenseSpec, Engine, LinearReadout, NetworkSpec, Surrogate
from onchip.lava.network import LavaNetwork
from onchip.network.learning import with_learning
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

INPUTS = (2, 5, 5)


def assert_parity(
    spec: NetworkSpec, frames: np.ndarray, labels: np.ndarray, schedule: str = "sequenced"
) -> None:
    expected, learned = engine_reference(spec, frames, labels)
    with LavaNetwork(spec, schedule, record=True) as network:
        result = network.learn(frames, labels)
        assert weight_error(learned, network.snapshot()) < TOLERANCE
    assert weight_error(learned, spec) > 1e-3  # it did learn something
    assert np.abs(result.outputs - expected.outputs).max() < TOLERANCE
    for name, spikes in result.spikes.items():
        assert spikes.any()
        assert np.array_equal(spikes, expected.spikes[name])


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_sequenced_learning_equals_the_engine(rng, feedback, mode):
    spec = two_hidden_layers(rng, INPUTS, recurrent=True)
    spec = with_learning(spec, learning_rate=0.3, feedback=feedback, mode=mode)
    assert_parity(spec, *random_events(rng, 4, INPUTS))


@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_pipelined_learning_of_the_last_layer_equals_the_engine(rng, mode):
    spec = two_hidden_layers(rng, INPUTS, recurrent=True)
    spec = with_learning(
        spec, learning_rate=0.3, plastic=["readout"], mode=mode, update_delay=int(mode == "online")
    )
    assert_parity(spec, *random_events(rng, 4, INPUTS), "pipelined")


@pytest.mark.parametrize("plastic", [["fc1"], ["fc2"], ["readout"], ["fc1", "readout"]])
def test_any_subset_of_layers_may_learn(rng, plastic):
    spec = with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.3, plastic=plastic)
    assert_parity(spec, *random_events(rng, 3, INPUTS))


def test_hard_reset_thresholds_surrogates_and_layers_without_bias(rng):
    hard = LIF(decay=0.8, v_threshold=0.7, reset="hard", surrogate=Surrogate("triangle", 2.0))
    layers = (
        replace(dense(rng, "fc1", 20, 50, hard), bias=None),
        dense(rng, "fc2", 12, 20, LIF(0.6, 1.3, surrogate=Surrogate("rectangle", 1.5)), True),
        replace(dense(rng, "readout", 10, 12, LinearReadout(0.4)), bias=None),
    )
    spec = with_learning(NetworkSpec(layers, INPUTS, 10), learning_rate=0.3)
    assert_parity(spec, *random_events(rng, 3, INPUTS))


def test_a_spiking_readout_learns_as_the_engine(rng):
    layers = (dense(rng, "fc1", 20, 50, LIF()), dense(rng, "readout", 10, 20, LIF()))
    spec = with_learning(NetworkSpec(layers, INPUTS, 10), learning_rate=0.5)
    assert_parity(spec, *random_events(rng, 3, INPUTS))


def test_running_leaves_the_weights_and_learning_can_be_switched_without_a_rebuild(rng):
    spec = with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.3)
    frames, labels = random_events(rng, 4, INPUTS)
    engine = Engine(spec)
    with LavaNetwork(spec) as network:
        before = network.run(frames)
        assert np.abs(before.outputs - engine.run(frames)).max() < TOLERANCE
        assert weight_error(spec, network.snapshot()) == 0
        network.learn(frames[:2], labels[:2])
        between = network.run(frames)
        network.learn(frames[2:], labels[2:])
        after = network.snapshot()
    for i in range(2):
        engine.learn(frames[i : i + 1], labels[i : i + 1])
    assert np.abs(between.outputs - engine.run(frames)).max() < TOLERANCE
    for i in range(2, 4):
        engine.learn(frames[i : i + 1], labels[i : i + 1])
    assert weight_error(engine.snapshot(), after) < TOLERANCE


def test_samples_do_not_see_each_other(rng):
    spec = with_learning(two_hidden_layers(rng, INPUTS, recurrent=True), learning_rate=0.3)
    frames, _ = random_events(rng, 3, INPUTS)
    with LavaNetwork(spec) as network:
        together = network.run(frames).outputs
        alone = [network.run(frames[i : i + 1]).outputs[0] for i in (2, 0, 1)]
    assert np.array_equal(together[[2, 0, 1]], np.array(alone))


def test_a_network_without_learning_runs_on_both_schedules(rng):
    spec = two_hidden_layers(rng, INPUTS, recurrent=True)
    frames, _ = random_events(rng, 2, INPUTS)
    for schedule in ("sequenced", "pipelined"):
        with LavaNetwork(spec, schedule) as network:
            outputs = network.run(frames).outputs
            with pytest.raises(ValueError, match="no learning section"):
                network.learn(frames, np.zeros(2, int))
        assert np.abs(outputs - Engine(spec).run(frames)).max() < TOLERANCE


def test_event_counts_are_refused_by_binary_synapses(rng):
    spec = with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.3)
    frames, _ = random_events(rng, 1, INPUTS)
    with LavaNetwork(spec) as network, pytest.raises(ValueError, match=r"value 3.*binary=True"):
        network.run(frames * 3)
    with LavaNetwork(spec) as network, pytest.raises(ValueError, match=r"value 0\.5"):
        network.run(np.where(frames == 0, 0.5, frames))


def test_a_snapshot_keeps_the_frozen_layers_untouched(rng):
    spec = with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.3, plastic=["readout"])
    with LavaNetwork(spec) as network:
        network.learn(*random_events(rng, 2, INPUTS))
        learned = network.snapshot()
    assert [a == b for a, b in zip(spec.layers, learned.layers, strict=True)] == [True, True, False]
    assert isinstance(learned.layers[-1], DenseSpec)
