from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip import LIF, Connection, Engine, LeakyIntegrator, Network, Population, Surrogate
from onchip.deploy.files.hdf5 import load_spec, save_spec
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT
from onchip.network.transforms import Dense
from onchip.objectives.spike_trains import SpikeTrains

T, INPUTS, OUTPUTS, KAPPA = 30, 6, 3, 0.875
NEURON = LIF(0.9, surrogate=Surrogate("fast_sigmoid"))


def network(rng, **options) -> Network:
    """One population that learns spike trains by superspike."""
    found = Network(
        (Population("out", (OUTPUTS,), NEURON),),
        (Connection(INPUT, "out", Dense(rng.normal(0.2, 0.4, (OUTPUTS, INPUTS)))),),
        (INPUTS,),
        T,
    )
    return with_learning(found, rule="superspike", **options)


def trains(rng, *shape) -> np.ndarray:
    return (rng.random(shape) < 0.2).astype(float)


def test_the_error_is_the_filtered_difference_worked_by_hand():
    objective, memory, found = SpikeTrains(0.5), None, []
    for s, wanted in ((1, 0), (0, 0), (0, 1), (1, 1)):
        spikes, target = np.full((1, 2), s), np.full((1, 2), wanted)
        error, memory = objective.step(spikes, target, memory, 4)
        found.append(float(error[0, 0]) * 8)
    assert found == [1.0, 0.5, -0.75, -0.375]


class Spike(torch.autograd.Function):
    """A step whose derivative is 1 / (1 + 10 |u - 1|)^2."""

    @staticmethod
    def forward(ctx, u):
        ctx.save_for_backward(u)
        return (u >= 1).to(u)

    @staticmethod
    def backward(ctx, gradient):
        (u,) = ctx.saved_tensors
        return gradient / (1 + 10 * (u - 1).abs()) ** 2


def van_rossum_gradient(weight, frames, targets) -> np.ndarray:
    """Of the whole sample's distance, by autograd; the reset is detached."""
    w = torch.tensor(weight, requires_grad=True)
    u = s = torch.zeros(OUTPUTS, dtype=torch.float64)
    f, loss = torch.zeros(OUTPUTS, dtype=torch.float64), torch.zeros((), dtype=torch.float64)
    for frame, target in zip(torch.tensor(frames), torch.tensor(targets), strict=True):
        u = 0.9 * (u - s.detach()) + w @ frame
        s = Spike.apply(u)
        f = KAPPA * f + s - target
        loss = loss + (f * f).mean() / 2 / T
    loss.backward()
    assert w.grad is not None
    return w.grad.numpy()


def test_superspikes_sum_over_a_sample_is_the_gradient_of_van_rossums_distance(rng):
    spec = network(rng, learning_rate=1.0, mode="accumulate")
    frames, targets = trains(rng, 1, T, INPUTS), trains(rng, 1, T, OUTPUTS)
    before = spec.connections[0].transform.weight
    engine = Engine(spec)
    assert engine.learn(frames, targets).any()
    change = before - engine.snapshot().connections[0].transform.weight
    expected = van_rossum_gradient(before, frames[0], targets[0])
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(change, expected, rtol=0, atol=1e-12)


def test_a_neuron_learns_when_to_spike(rng):
    spec = Network(
        (Population("out", (1,), NEURON),),
        (Connection(INPUT, "out", Dense(rng.uniform(0.05, 0.15, (1, 100)))),),
        (100,),
        200,
    )
    spec = with_learning(spec, learning_rate=0.2, rule="superspike")
    frames = (rng.random((1, 200, 100)) < 0.03).astype(float)
    wanted = np.array([20, 60, 100, 140, 180])
    targets = np.zeros((1, 200, 1))
    targets[0, wanted] = 1
    engine = Engine(spec)
    outputs = [engine.learn(frames, targets)[0, :, 0] for _ in range(400)]
    assert outputs[0].sum() > 8  # it begins with too many
    distances = [distance(output, targets[0, :, 0]) for output in (outputs[0], *outputs[-100:])]
    assert np.mean(distances[1:]) < 0.1 * distances[0]
    # At a constant rate it keeps moving; in many trials every spike is where it should be.
    times = [np.flatnonzero(output) for output in outputs[-100:]]
    matched = [len(t) == len(wanted) and np.abs(t - wanted).max() <= 2 for t in times]
    assert sum(matched) >= 25


def distance(spikes, wanted) -> float:
    """Van Rossum's, of one output."""
    f, total = 0.0, 0.0
    for one, other in zip(spikes, wanted, strict=True):
        f = KAPPA * f + one - other
        total += f * f
    return total


def test_steps_without_a_target_leave_the_filter_as_it_was(rng):
    spec = network(rng, learning_rate=0.5)
    frames, targets = trains(rng, T, INPUTS), trains(rng, T, OUTPUTS)
    engine = Engine(spec)
    w = np.array(spec.connections[0].transform.weight)
    u, s, f = np.zeros(OUTPUTS), np.zeros(OUTPUTS), np.zeros(OUTPUTS)
    a, e = np.zeros(INPUTS), np.zeros_like(w)
    for n in range(T):
        a = 0.9 * a + frames[n]
        u = 0.9 * (u - s) + w @ frames[n]
        s = (u >= 1) * 1.0
        e = KAPPA * e + np.outer(1 / (1 + 10 * np.abs(u - 1)) ** 2, a)
        taught = n % 3 != 1
        if taught:
            f = KAPPA * f + s - targets[n]
            w = w - 0.5 * (f / (OUTPUTS * T))[:, np.newaxis] * e
        engine.step(frames[[n]], targets[[n]] if taught else None)
    engine.finish()
    learned = engine.snapshot().connections[0].transform.weight
    assert np.abs(learned - spec.connections[0].transform.weight).max() > 0.01
    np.testing.assert_allclose(learned, w, atol=1e-12)


@pytest.mark.parametrize("mode", ["online", "accumulate"])
def test_a_batch_learns_by_the_mean_of_its_samples(rng, mode):
    spec = network(rng, learning_rate=0.1, mode=mode)
    if mode == "online":
        frames = np.repeat(trains(rng, 1, T, INPUTS), 3, axis=0)
        targets = np.repeat(trains(rng, 1, T, OUTPUTS), 3, axis=0)
        engines = Engine(spec), Engine(spec)
        engines[0].learn(frames, targets)
        engines[1].learn(frames[:1], targets[:1])
        weights = [engine.snapshot().connections[0].transform.weight for engine in engines]
        np.testing.assert_allclose(weights[0], weights[1], atol=1e-14)
        return
    frames, targets = trains(rng, 3, T, INPUTS), trains(rng, 3, T, OUTPUTS)
    before = spec.connections[0].transform.weight
    engine = Engine(spec)
    engine.learn(frames, targets)
    change = before - engine.snapshot().connections[0].transform.weight
    pairs = zip(frames, targets, strict=True)
    expected = np.mean([van_rossum_gradient(before, *pair) for pair in pairs], axis=0)
    np.testing.assert_allclose(change, 0.1 * expected, atol=1e-13)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            np.zeros((2, OUTPUTS)),
            r"shape \(2, 3\); they must be \[samples, T, outputs\] = \(2, 30, 3\)",
        ),
        (np.zeros((2, 1, OUTPUTS)), "a spike has a time"),
        (np.full((2, T, OUTPUTS), 0.5), "hold 0.5; they must be 0 and 1"),
        (np.full((2, T, OUTPUTS), np.nan), "not a finite number"),
    ],
)
def test_targets_that_are_no_spike_trains_are_refused(rng, given, message):
    with pytest.raises(ValueError, match=message):
        Engine(network(rng, learning_rate=1.0)).learn(trains(rng, 2, T, INPUTS), given)


def test_a_decay_out_of_range_is_named():
    with pytest.raises(ValueError, match=r"spike trains: decay is 1.5; it must lie in \[0, 1\]"):
        SpikeTrains(1.5)


def test_a_file_brings_it_back(rng, tmp_path):
    spec = network(rng, learning_rate=0.5)
    save_spec(tmp_path / "network.h5", spec)
    loaded = load_spec(tmp_path / "network.h5")
    assert loaded == spec and loaded.learning.objective == SpikeTrains(KAPPA)


def test_a_file_with_a_readout_that_does_not_spike_is_refused(rng):
    spec = network(rng, learning_rate=0.5)
    with pytest.raises(ValueError, match="LeakyIntegrator does not spike, but objective SpikeTr"):
        Network(
            (Population("out", (OUTPUTS,), LeakyIntegrator()),),
            spec.connections,
            spec.input_shape,
            T,
            spec.learning,
        )
