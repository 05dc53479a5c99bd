"""Learning from a stream in stages, against one engine that is told the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from onchip import Engine, NetworkSpec
from onchip.deploy.backends.online import learn_in_stages, recovery
from onchip.deploy.backends.rates import at_rate
from onchip.deploy.quantization.network import quantize
from onchip.network.learning import with_learning, without_learning

RATES = (0.3, 0.1)


def test_stages_learn_what_an_engine_learns_that_is_handed_from_rate_to_rate(
    dense: NetworkSpec, samples, rng: np.random.Generator
) -> None:
    frames, labels = samples(dense, 7, rng)
    spec, expected = dense, []
    for rate, part in zip(RATES, ((0, 1, 2, 3), (4, 5, 6)), strict=True):
        engine = Engine(replace(spec, learning=replace(spec.learning, learning_rate=rate)))
        for place, i in enumerate(part):
            if place % 2 == 0:
                predicted = engine.run(frames[i : i + 1]).sum(1).argmax()
                expected.append((i, predicted == labels[i]))
            engine.learn(frames[i : i + 1], labels[i : i + 1])
        spec = engine.snapshot()
    found = learn_in_stages(dense, frames, labels, RATES, "numpy", measure=2)
    assert found.spec == spec
    assert list(zip(found.positions.tolist(), found.correct.tolist(), strict=True)) == expected
    assert found.seconds > 0


def test_without_measuring_nothing_is_predicted(dense, samples, rng) -> None:
    found = learn_in_stages(dense, *samples(dense, 3, rng), RATES, "numpy", measure=0)
    assert len(found.positions) == len(found.correct) == 0
    assert np.any(found.spec.layers[0].weight != dense.layers[0].weight)


def test_integers_learn_in_stages(dense: NetworkSpec, samples, rng) -> None:
    names = [layer.name for layer in dense.layers if layer.name != "first"]
    fixed = quantize(with_learning(dense, learning_rate=0.1, plastic=names, feedback="symmetric"))
    frames, labels = samples(fixed, 4, rng)
    found = learn_in_stages(fixed, frames, labels, (0.25,), "numpy", measure=0)
    engine = Engine(at_rate(fixed, 0.25))
    for i in range(4):
        engine.learn(frames[i : i + 1], labels[i : i + 1])
    for ours, theirs in zip(found.spec.layers, engine.snapshot().layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)


def test_more_stages_than_samples_are_refused(dense, samples, rng) -> None:
    with pytest.raises(ValueError, match="1 samples do not fill 2 stages"):
        learn_in_stages(dense, *samples(dense, 1, rng), RATES, "numpy")
    with pytest.raises(ValueError, match="do not fill 0 stages"):
        learn_in_stages(dense, *samples(dense, 1, rng), (), "numpy")


def test_a_rate_changes_nothing_else(dense: NetworkSpec) -> None:
    changed = at_rate(dense, 0.7)
    assert changed.learning.learning_rate == 0.7
    assert at_rate(changed, dense.learning.learning_rate) == dense
    with pytest.raises(ValueError, match="no learning section"):
        at_rate(without_learning(dense), 0.7)


def test_recovery_is_the_share_of_the_fall() -> None:
    assert recovery(0.9, 0.5, 0.8) == pytest.approx(0.75)
    assert recovery(0.9, 0.5, 0.4) == pytest.approx(-0.25)
    assert recovery(0.5, 0.6, 0.9) == 0.0
