"""The head of prototypes: its rule by hand, in floating point and in integers."""

from __future__ import annotations

import numpy as np
import pytest

from onchip.deploy.lifelong.integer_prototypes import (
    IntegerPrototypes,
    calibrate,
    whole_factors,
)
from onchip.deploy.lifelong.prototypes import Prototypes, base_prototypes
from onchip.program.prototypes import FLOOR

STEPS, FEATURES = 5, 24


def spikes_of(rng, centre):
    """A sample whose inputs spike with the probabilities `centre`."""
    return (rng.random((STEPS, FEATURES)) < centre).astype(np.uint8)


@pytest.fixture
def rng():
    return np.random.default_rng(4)


@pytest.fixture
def centres(rng):
    return rng.random((3, FEATURES)) ** 2


def base_of(rng, centres, samples=20):
    spikes = np.array([spikes_of(rng, c) for c in centres for _ in range(samples)])
    labels = np.repeat(np.arange(len(centres)), samples)
    counts = spikes.sum(axis=1)
    return counts, labels, base_prototypes(counts, labels, range(len(centres)))


def test_the_first_sample_of_a_class_becomes_its_prototype(rng, centres):
    _, _, weights = base_of(rng, centres[:2])
    head, sample = Prototypes(weights, [0, 1], [20, 20]), spikes_of(rng, centres[2])
    assert head.learn(sample, 2) == 2
    counts = sample.sum(axis=0)
    np.testing.assert_allclose(head.weights[2], counts / np.sqrt((counts**2).sum()))
    np.testing.assert_array_equal(head.weights[:2], weights)


def test_later_samples_move_it_as_written(rng, centres):
    head, w, seen = Prototypes(np.zeros((0, FEATURES)), [], []), np.zeros(FEATURES), 0
    for _ in range(30):
        sample = spikes_of(rng, centres[0])
        head.learn(sample, 7)
        u = [0.0] * FEATURES
        norm = sum(int(sample[:, i].sum()) ** 2 for i in range(FEATURES)) ** 0.5
        for i in range(FEATURES):
            u[i] = sample[:, i].sum() / norm
        similar = sum(w[i] * u[i] for i in range(FEATURES)) if seen else 0.0
        seen += 1
        alpha = max(1 / seen, FLOOR)
        w = np.array([w[i] + alpha * (u[i] - similar * w[i]) for i in range(FEATURES)])
    np.testing.assert_allclose(head.weights[0], w, rtol=1e-12)
    assert np.linalg.norm(w) == pytest.approx(1, abs=0.05)


@pytest.mark.parametrize("start", [0.2, 3.0])
def test_a_prototype_of_any_length_goes_to_length_one(start):
    sample = np.zeros((STEPS, FEATURES), np.uint8)
    sample[:, :6] = 1
    unit = sample.sum(axis=0) / np.linalg.norm(sample.sum(axis=0))
    head = Prototypes(start * unit[np.newaxis], [0], [1000])
    for _ in range(200):
        head.learn(sample, 0)
    assert np.linalg.norm(head.weights[0]) == pytest.approx(1, abs=1e-3)


def test_what_resembles_no_neuron_of_its_class_gets_a_new_one(rng):
    left, right = np.zeros((2, STEPS, FEATURES), np.uint8)
    left[:, :8], right[:, 16:] = 1, 1
    known = (np.zeros((0, FEATURES)), [], [])
    one, several = Prototypes(*known), Prototypes(*known, novelty=0.5)
    for head in (one, several):
        for sample in (left, right, left):
            head.learn(sample, 5)
    assert one.labels == [5] and several.labels == [5, 5]
    assert several.seen == [2, 1]
    assert several.predict(np.array([right.sum(axis=0)])).tolist() == [5]


def test_samples_without_spikes_and_full_heads_are_told(rng, centres):
    head = Prototypes(np.eye(2, FEATURES), [0, 1], [1, 1], limit=2)
    before = head.weights
    assert head.learn(np.zeros((STEPS, FEATURES), np.uint8), 0) == -1
    np.testing.assert_array_equal(head.weights, before)
    with pytest.raises(ValueError, match="class 4 needs a neuron, but all 2 are taken"):
        head.learn(spikes_of(rng, centres[0]), 4)
    with pytest.raises(ValueError, match="one of each"):
        Prototypes(np.eye(2), [0], [1, 1])
    with pytest.raises(ValueError, match="no sample of class 1 has a spike"):
        base_prototypes(np.array([[1, 2], [0, 0]]), np.array([0, 1]), [0, 1])


def test_integers_follow_the_floats_within_their_roundings(rng, centres):
    counts, _, weights = base_of(rng, centres[:2])
    known = (weights, [0, 1], [20, 20])
    scales = calibrate(weights, counts, STEPS)
    floats, integers = Prototypes(*known), IntegerPrototypes(*known, scales, limit=8)
    assert np.abs(integers.weights / scales.norm - weights).max() <= 1.01 / scales.norm
    samples = [(spikes_of(rng, centres[k]), k) for k in rng.integers(0, 3, 60)]
    for sample, label in samples:
        assert floats.learn(sample, label) == integers.learn(sample, label)
    found = integers.weights
    assert found.dtype.kind == "i" and 0 <= found.min() and found.max() <= 255
    for ours, theirs in zip(floats.weights, found / scales.norm, strict=True):
        assert np.corrcoef(ours, theirs)[0, 1] > 0.99
        assert np.linalg.norm(theirs) == pytest.approx(np.linalg.norm(ours), abs=0.06)


def test_a_sample_that_does_not_fit_an_epoch_is_refused(rng, centres):
    counts, _, weights = base_of(rng, centres[:2])
    for steps in (63, 64):
        told = f"{steps} steps does not fit into a learning epoch of 63, whose last step"
        with pytest.raises(ValueError, match=told):
            calibrate(weights, counts, steps)
    assert calibrate(weights, counts, 62).plasticity.epoch == 63


def test_factors_are_whole_near_what_is_wanted_and_in_proportion():
    rng = np.random.default_rng(0)
    worst = []
    for wanted, ratio in zip(rng.uniform(4, 100, 200), rng.uniform(0.3, 1.1, 200), strict=True):
        first, second = whole_factors(wanted, ratio)
        assert type(first) is int and abs(first / wanted - 1) <= 0.2
        assert second == round(first * ratio)
        worst.append(abs(second / (first * ratio) - 1))
    assert np.mean(worst) < 0.02  # rounding both by themselves is off by twice as much
    assert whole_factors(90.2, 0.0) == (90, 0)
    assert whole_factors(200.0, 0.0) == (127, 0) and whole_factors(0.3, 1.0) == (1, 1)
