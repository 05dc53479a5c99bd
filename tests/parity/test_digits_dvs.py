"""Torch, the engine and Lava learn the same from event data: 80 or 200 steps of online learning.

Two hidden plastic layers on digits-dvs (16x16), float64; every spike of every layer at every step,
and every weight after every sample.
"""

from __future__ import annotations

import numpy as np
import pytest
from parity_cases import TOLERANCE, dense, sample_counts, weight_error

from onchip import LIF, Engine, LeakyIntegrator, NetworkSpec
from onchip.lava.network import LavaNetwork
from onchip.models.data import load_dataset
from onchip.models.torch_network import TorchNetwork
from onchip.network.learning import with_learning

SAMPLES, TIME_STEPS = 20, 10
INPUTS = (2, 16, 16)


@pytest.fixture(scope="module")
def events(tmp_path_factory):
    train, _ = load_dataset(
        "digits-dvs", size=16, limit=SAMPLES, cache_dir=tmp_path_factory.mktemp("cache")
    )
    assert train.frames.shape == (SAMPLES, TIME_STEPS, *INPUTS)
    return train.frames, train.labels


def network(rng, hidden=(32, 24)):
    layers = [
        dense(rng, "fc1", hidden[0], int(np.prod(INPUTS)), LIF()),
        dense(rng, "fc2", hidden[1], hidden[0], LIF()),
        dense(rng, "readout", 10, hidden[1], LeakyIntegrator()),
    ]
    return NetworkSpec(tuple(layers), INPUTS, TIME_STEPS)


def learn_in_process(execution, frames, labels):
    """Spikes of each layer [samples, T, neurons] and the spec after each sample."""
    recorded, specs = {}, []

    def recorder(name, output):
        recorded.setdefault(name, []).append(np.array(output).reshape(-1))

    for i in range(len(frames)):
        execution.learn(frames[i : i + 1], labels[i : i + 1], recorder)
        specs.append(execution.snapshot())
    shape = (len(frames), TIME_STEPS, -1)
    return {name: np.array(steps).reshape(shape) for name, steps in recorded.items()}, specs


def assert_all_equal(spec, frames, labels, schedule):
    expected, specs = learn_in_process(Engine(spec), frames, labels)
    assert expected["fc1"].any()
    assert expected["fc2"].any()
    assert weight_error(spec, specs[-1]) > 1e-2
    spikes, torch_specs = learn_in_process(TorchNetwork(spec), frames, labels)
    errors = [weight_error(a, b) for a, b in zip(specs, torch_specs, strict=True)]
    assert max(errors) < TOLERANCE
    with LavaNetwork(spec, schedule, record=True) as lava:
        result = lava.learn(frames, labels)
        assert weight_error(specs[-1], lava.snapshot()) < TOLERANCE
    for name in ("fc1", "fc2"):
        assert np.array_equal(expected[name], spikes[name])
        assert np.array_equal(expected[name], result.spikes[name])
    assert np.abs(expected["readout"] - result.outputs).max() < TOLERANCE


@pytest.mark.parametrize("samples", sample_counts(8, SAMPLES))
@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("feedback", ["exact", "symmetric", "direct"])
def test_two_hidden_plastic_layers_learn_alike_everywhere(rng, events, feedback, mode, samples):
    rate = 0.1 if mode == "online" else 0.05
    spec = with_learning(network(rng), learning_rate=rate, feedback=feedback, mode=mode)
    assert_all_equal(spec, *(part[:samples] for part in events), "sequenced")


@pytest.mark.parametrize("mode", ["online", "accumulate"])
def test_a_plastic_last_layer_learns_alike_on_the_pipelined_schedule(rng, events, mode):
    spec = with_learning(
        network(rng),
        learning_rate=0.1,
        plastic=["readout"],
        mode=mode,
        update_delay=int(mode == "online"),
    )
    assert_all_equal(spec, *events, "pipelined")
