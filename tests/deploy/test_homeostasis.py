"""Biases that go back to the firing rates of deployment, without labels."""

from __future__ import annotations

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.deploy import build
from onchip.deploy.lifelong.homeostasis import adapt, firing_rates
from onchip.deploy.quantization.network import quantize
from onchip.network.learning import with_learning, without_learning
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


def spikes_with_thresholds(weights, thresholds, frames, reset):
    """A dense layer of LIF neurons, each with a threshold of its own, by a loop."""
    u = spikes = np.zeros(len(weights))
    found = []
    for frame in frames:
        past = u - thresholds * spikes if reset == "soft" else u * (1 - spikes)
        u = 0.5 * past + weights @ frame
        spikes = (u >= thresholds).astype(float)
        found.append(spikes)
    return np.array(found)


@pytest.mark.parametrize("reset", ["soft", "hard"])
def test_weights_carry_a_threshold_for_each_neuron_exactly(reset):
    rng = np.random.default_rng(3)
    weights = rng.normal(0.2, 0.3, (8, 12))
    layers = (
        DenseSpec("hidden", weights, LIF(reset=reset)),
        DenseSpec("readout", rng.normal(0, 0.3, (2, 8)), LeakyIntegrator()),
    )
    spec = NetworkSpec(layers, (12,), 30)
    bright, dim = ((rng.random((60, 30, 12)) < rate).astype(np.uint8) for rate in (0.5, 0.3))
    found = adapt(spec, dim, firing_rates(spec, bright), batch=10, form="thresholds")
    thresholds = found.thresholds["hidden"]
    assert found.distance[-1] < 0.6 * found.distance[0] and np.ptp(thresholds) > 0.1
    with build(found.network, record=True) as execution:
        ours = execution.run(dim[:10]).spikes["hidden"]
    for spikes, frames in zip(ours, dim, strict=False):
        expected = spikes_with_thresholds(weights, thresholds, frames, reset)
        np.testing.assert_array_equal(spikes, expected)
        assert not np.array_equal(spikes, spikes_with_thresholds(weights, 1.0, frames, reset))


def test_a_batch_divides_thresholds_by_what_rates_lack_and_no_more_than_a_fifth(network):
    frozen = without_learning(as_graph(network))
    dim = frames(0.3, 20, seed=2)
    wanted = firing_rates(frozen, frames(0.5)) | {"fc": np.array([1.0, 0, 0, 0, 0, 0])}
    found = adapt(frozen, dim, wanted, gain=0.4, batch=20, form="thresholds")
    rates = firing_rates(frozen, dim)
    conv = 0.4 * (wanted["conv"] - rates["conv"])
    assert np.abs(conv).max() < 0.2  # none is cut
    np.testing.assert_allclose(1 / found.thresholds["conv"], 1 + conv)
    assert 1 / found.thresholds["fc"][0] == pytest.approx(1.2)
    for name, axes in (("conv", (1, 1, 1)), ("fc", (1,))):
        before, after = (
            [c.transform.weight for c in g.connections if c.target == name]
            for g in (frozen, found.network)
        )
        scale = 1 / found.thresholds[name]
        np.testing.assert_allclose(after[0], before[0] * scale.reshape(-1, *axes))
        for old, new in zip(before[1:], after[1:], strict=True):  # a bias is a current, too
            np.testing.assert_allclose(new, old * scale)


def test_integers_and_lava_run_what_was_adapted(network):
    frozen = without_learning(as_graph(network))
    wanted = firing_rates(frozen, frames(0.5))
    adapted = adapt(frozen, frames(0.3, 40), wanted, batch=20, form="thresholds").network
    shown, whole = frames(0.3, 4, seed=5), quantize(adapted)
    for spec in (adapted, whole):
        with build(spec, "numpy") as engine, build(spec, "lava-fused") as lava:
            np.testing.assert_allclose(lava.run(shown).outputs, engine.run(shown).outputs)


def test_thresholds_of_what_learns_and_unknown_forms_are_refused(network):
    shown = frames(0.4, 10)
    wanted = firing_rates(network, shown)
    with pytest.raises(ValueError, match=r"thresholds of 'fc' are carried .* but it learns"):
        adapt(network, shown, {"fc": wanted["fc"]}, batch=5, form="thresholds")
    with pytest.raises(ValueError, match="homeostasis: form"):
        adapt(network, shown, wanted, batch=5, form="gains")
