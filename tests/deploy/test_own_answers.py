"""Few labels, and a network's own answers to samples that have none."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LinearReadout, NetworkSpec
from onchip.deploy import build
from onchip.deploy.lifelong.own_answers import OwnAnswers, learn_from_few, surest
from onchip.deploy.quantization.network import quantize
from onchip.network.learning import with_learning

STEPS, SIDE, CLASSES = 4, 4, 3
QUICK = OwnAnswers(passes=3, rounds=3, share=0.7, repeats=1)


@pytest.fixture(scope="module")
def data():
    """Three classes of frames around centres of their own: uint8 [samples, T, 1, side, side]."""
    rng = np.random.default_rng(1)
    centres = rng.random((CLASSES, 1, 1, SIDE, SIDE)) ** 2
    labels = rng.permutation(np.repeat(np.arange(CLASSES), 60))
    chance = centres[labels] * rng.uniform(0.4, 1.0, (len(labels), 1, 1, 1, 1))
    shape = (len(labels), STEPS, 1, SIDE, SIDE)
    return (rng.random(shape) < chance).astype(np.uint8), labels


@pytest.fixture(scope="module")
def spec():
    """A frozen convolution and a readout that knows nothing and learns."""
    rng = np.random.default_rng(2)
    layers = (
        ConvSpec("conv", rng.normal(0.3, 0.5, (4, 1, 2, 2)), LIF(), (1, SIDE, SIDE)),
        DenseSpec("readout", rng.normal(0, 0.01, (CLASSES, 36)), LinearReadout()),
    )
    network = NetworkSpec(layers, (1, SIDE, SIDE), STEPS)
    return with_learning(network, learning_rate=0.1, plastic=["readout"])


def test_the_surest_of_each_class_are_kept_with_their_answers():
    outputs = np.array([[5, 1, 0], [3, 2.5, 0], [0, 4, 3.9], [9, 0, 8], [0, 1, 0.2], [2, 6, 1]])
    # margins: class 0 has 4, 0.5 and 1; class 1 has 0.1, 0.8 and 4; class 2 none
    chosen, answers = surest(outputs, 0.6)  # ceil(1.8) = 2 of each
    assert chosen.tolist() == [0, 3, 5, 4] and answers.tolist() == [0, 0, 1, 1]
    assert surest(outputs, 0.01)[0].tolist() == [0, 5]
    assert sorted(surest(outputs, 1.0)[0].tolist()) == list(range(6))


def test_labels_alone_once_through_are_a_plain_stream(data, spec):
    frames, labels = data
    once = OwnAnswers(passes=1, rounds=0)
    found = learn_from_few(spec, frames[:9], labels[:9], frames[9:], [0.1], [0.1], once, "numpy")
    with build(spec, "numpy") as network:
        for sample, label in zip(frames[:9], labels[:9], strict=True):
            network.learn(sample[np.newaxis], np.array([label]))
        expected = network.snapshot()
    assert found == expected != spec


def test_a_round_learns_from_its_own_answers_and_never_sees_other_labels(data, spec):
    """By hand: three labelled samples, then the one of each answer that it is surest of."""
    frames, labels = data
    three = [int(np.flatnonzero(labels == c)[0]) for c in range(CLASSES)]
    few, rest = frames[three], frames[100:130]
    settings = OwnAnswers(passes=1, rounds=1, share=1e-6, repeats=1, seed=4)
    found = learn_from_few(spec, few, labels[three], rest, [0.1], [0.05], settings, "numpy")
    with build(spec, "numpy") as network:
        network.learn(few, labels[three])
        outputs = network.run(rest).outputs.sum(axis=1)
        network.set_learning_rate(0.05)
        margins = np.sort(outputs, axis=1)[:, -1] - np.sort(outputs, axis=1)[:, -2]
        answers = outputs.argmax(axis=1)
        own = [max(np.flatnonzero(answers == c), key=margins.__getitem__) for c in set(answers)]
        shown = np.concatenate([rest[own], few])
        given = np.concatenate([answers[own], labels[three]])
        network.learn(shown, given)
        expected = network.snapshot()
    np.testing.assert_allclose(
        found.layers[1].weight, expected.layers[1].weight, rtol=1e-12, atol=1e-15
    )
    assert found.layers[0] == spec.layers[0]


def test_own_answers_bring_more_than_the_few_labels(data, spec):
    frames, labels = data
    few = np.concatenate([np.flatnonzero(labels == c)[:1] for c in range(CLASSES)])
    tests = np.arange(120, len(labels))
    rates = ([0.1, 0.05], [0.05])
    accuracy = {}
    for rounds in (0, 3):
        settings = replace(QUICK, rounds=rounds)
        learned = learn_from_few(
            spec, frames[few], labels[few], frames[:120], *rates, settings, "numpy"
        )
        with build(learned, "numpy") as network:
            accuracy[rounds] = network.evaluate(frames[tests], labels[tests])
    assert accuracy[3] > accuracy[0] + 0.1


def test_integers_in_lava_learn_what_the_engine_learns(data, spec):
    frames, labels = data
    whole = quantize(spec)
    given = (whole, frames[:6], labels[:6], frames[6:40], [0.1], [0.05], QUICK)
    engine, lava = (learn_from_few(*given, backend) for backend in ("numpy", "lava-fused"))
    assert engine == lava and engine.layers[1] != whole.layers[1]


def test_what_does_not_fit_is_refused(data, spec):
    frames, labels = data
    with pytest.raises(ValueError, match="own answers: share"):
        OwnAnswers(share=0)
    with pytest.raises(ValueError, match="own answers: rounds is -1"):
        OwnAnswers(rounds=-1)
    rates = ([0.1], [0.1])
    with pytest.raises(ValueError, match="no learning section"):
        learn_from_few(
            replace(spec, learning=None), frames[:3], labels[:3], frames, *rates, backend="numpy"
        )
    targets = np.zeros((3, STEPS, CLASSES))
    targets[:, :, 0] = 1
    with pytest.raises(ValueError, match=r"labels"):
        learn_from_few(spec, frames[:3], targets, frames, *rates, backend="numpy")
