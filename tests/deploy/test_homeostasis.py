"""Biases that go back to the firing rates of deployment, without labels."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy import build
from onchip.deploy.lifelong.homeostasis import adapt, firing_rates
from onchip.network.learning import with_learning
from onchip.program.graphs import as_graph

STEPS, SIDE = 5, 5


@pytest.fixture
def network():
    rng = np.random.default_rng(0)
    layers = (
        ConvSpec("conv", rng.normal(0.15, 0.2, (3, 1, 3, 3)), LIF(), (1, SIDE, SIDE), None),
        DenseSpec("fc", rng.normal(0.1, 0.3, (6, 27)), LIF(), rng.normal(0, 0.1, 6)),
        DenseSpec("readout", rng.normal(0, 0.3, (3, 6)), LeakyIntegrator()),
    )
    return with_learning(NetworkSpec(layers, (1, SIDE, SIDE), STEPS), learning_rate=0.1)


def frames(rate, samples=60, seed=1):
    rng = np.random.default_rng(seed)
    return (rng.random((samples, STEPS, 1, SIDE, SIDE)) < rate).astype(np.uint8)


def test_rates_are_spikes_per_neuron_and_step(network):
    shown = frames(0.4, 7)
    with build(network, record=True) as execution:
        spikes = execution.run(shown).spikes
    found = firing_rates(network, shown)
    assert set(found) == {"conv", "fc"}
    conv = spikes["conv"].reshape(7, STEPS, 3, -1)
    for channel in range(3):
        assert found["conv"][channel] == pytest.approx(conv[:, :, channel].mean())
    np.testing.assert_allclose(found["fc"], spikes["fc"].mean(axis=(0, 1)))


def test_a_batch_moves_each_bias_by_what_its_rate_lacks(network):
    bright, dim = frames(0.5), frames(0.3, 20, seed=2)
    wanted = firing_rates(network, bright)
    adapted = adapt(network, dim, wanted, gain=0.8, batch=20).network
    missing = {name: wanted[name] - firing_rates(network, dim)[name] for name in wanted}
    biases = {c.target: c.transform.weight for c in adapted.connections if c.source == "always_on"}
    np.testing.assert_allclose(biases["conv"], 0.8 * missing["conv"])  # it had none
    before = as_graph(network).connections[2].transform.weight
    np.testing.assert_allclose(biases["fc"], before + 0.8 * missing["fc"])
    assert adapted.learning is not None
    others = [c for c in adapted.connections if c.source != "always_on"]
    for ours, theirs in zip(
        others, [as_graph(network).connections[i] for i in (0, 1, 3)], strict=True
    ):
        np.testing.assert_array_equal(ours.transform.weight, theirs.transform.weight)


def test_rates_come_back_on_a_dimmer_sensor_and_stay_where_nothing_drifted(network):
    bright, dim = frames(0.5), frames(0.3, 200, seed=2)
    wanted = firing_rates(network, bright)
    course = adapt(network, dim, wanted, batch=20).distance
    assert course[-1] < 0.3 * course[0]
    still = adapt(network, frames(0.5, 200, seed=3), wanted, batch=20).distance
    assert still.max() < 0.4 * course[0]


def test_what_does_not_fit_is_refused_by_name(network):
    shown = frames(0.4, 10)
    wanted = firing_rates(network, shown)
    with pytest.raises(ValueError, match="10 samples are fewer than a batch of 25"):
        adapt(network, shown, wanted)
    with pytest.raises(ValueError, match="rates of 'readout' of shape"):
        adapt(network, shown, {"readout": np.ones(3)}, batch=5)
    with pytest.raises(ValueError, match=r"rates of 'conv' of shape \(4,\)"):
        adapt(network, shown, {"conv": np.ones(4)}, batch=5)
    with pytest.raises(ValueError, match="gain"):
        adapt(network, shown, wanted, gain=0, batch=5)
