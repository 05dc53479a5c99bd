"""Objectives in integers: their errors in closed form, and networks that learn by them.

Engine, Lava with stock LearningDense, the fast models and the fused network against a slow loop.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import pytest
from graph_cases import CLASSES
from integer_cases import STEPS, assert_the_loops, events, network

from onchip import LIF, Engine, LeakyIntegrator, Surrogate
from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
from onchip.deploy.quantization.network import quantize
from onchip.network.learning import with_learning
from onchip.objectives.base import Objective
from onchip.objectives.integer_regression import IntegerRegression
from onchip.objectives.integer_reward import IntegerReward
from onchip.objectives.integer_spike_trains import IntegerSpikeTrains
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.rule import UPDATE_MODES

NEURON = LIF(0.7, surrogate=Surrogate("triangle"))


def rounded(value: Fraction) -> int:
    """To the nearest, halves upwards, in 7 bits and a sign."""
    return max(-127, min(127, (value + Fraction(1, 2)).__floor__()))


def test_regression_is_the_scaled_distance(rng):
    objective = IntegerRegression(1 / 1025, reach=0.5)
    outputs = rng.integers(-(2**23) + 1, 2**23, 200) // 2 ** rng.integers(0, 16, 200)
    given = rng.normal(0, 1, 200)
    targets = objective.targets(given[np.newaxis, np.newaxis], 1, 1, 200)[0, 0]
    assert targets.tolist() == [round(1025 * y) for y in given.tolist()]
    multiplier = round(Fraction(127 * 2**20) / Fraction(1025) * 2)
    expected = [
        rounded(Fraction(int(o - y) * multiplier, 2**20))
        for o, y in zip(outputs, targets, strict=True)
    ]
    assert objective.error(outputs, targets, 1).tolist() == expected
    real = 127 * (outputs / 1025 - given) / 0.5
    near = np.abs(real) < 126
    assert near.sum() > 20
    np.testing.assert_allclose(np.array(expected)[near], real[near], atol=0.8)
    assert objective.unit(4, 200) == 0.5 / (127 * 200 * 4)


def test_regression_of_spikes_tells_fractions(rng):
    objective = IntegerRegression(1.0, 127)
    targets = objective.targets(np.array([[[0.25, 1.0, -0.5]]]), 1, 1, 3)[0, 0]
    assert targets.tolist() == [32, 127, -64]
    assert objective.error(np.array([1, 0, 1]), targets, 1).tolist() == [95, -127, 127]


def test_spike_trains_are_filtered_and_truncated(rng):
    objective, memory, by_hand = IntegerSpikeTrains(0.875, 4.0), None, [0, 0]
    assert objective.unit(6, 2) == 4 / (127 * 2 * 6)
    for _ in range(60):
        spikes, wanted = rng.integers(0, 2, 2), rng.integers(0, 2, 2)
        error, memory = objective.step(spikes, wanted, memory, 6)
        kept = [int(Fraction(7 * f, 8)) for f in by_hand]  # int() truncates
        by_hand = [f + 4096 * int(d) for f, d in zip(kept, spikes - wanted, strict=True)]
        assert memory.tolist() == by_hand
        multiplier = round(Fraction(127 * 256, 4))
        assert error.tolist() == [rounded(Fraction(f * multiplier, 2**20)) for f in by_hand]
        real = np.clip(127 * memory / 4096 / 4, -127, 127)
        np.testing.assert_allclose(error, real, atol=0.51)


def test_rewards_are_rounded_once(rng):
    objective = IntegerReward(2.0)
    targets = objective.targets(np.array([2.0, -0.5]), 2, 3, 2)
    assert targets[:, 0, 0].tolist() == [127, -32]
    assert objective.error(None, targets[0, 0], 3).tolist() == [-127, -127]
    with pytest.raises(
        ValueError, match=r"rewards hold 2\.5; integers of this network hold up to 2"
    ):
        objective.targets(np.array([2.5]), 1, 1, 1)


def given(kind: str, rng, samples: int) -> np.ndarray:
    if kind == "regression":
        return rng.normal(0, 0.5, (samples, STEPS, CLASSES))
    if kind == "spike trains":
        return rng.integers(0, 2, (samples, STEPS, CLASSES))
    return rng.uniform(-1, 1, (samples, STEPS, 1))


CASES = {
    "regression": (Regression(), LeakyIntegrator(0.8), 30.0),
    "regression of spikes": (Regression(), NEURON, 5.0),
    "spike trains": (SpikeTrains(0.875), NEURON, 5.0),
    "reward": (Reward(), LeakyIntegrator(0.8), 0.05),
}


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("case", CASES)
def test_every_execution_is_the_loop_over_synapses(rng, case, mode):
    objective, readout, rate = CASES[case]
    spec = network(rng, NEURON, readout)
    options = {"objective": objective, "feedback": "direct", "mode": mode}
    chip = quantize(with_learning(spec, learning_rate=rate, **options))
    frames, _ = events(rng)
    assert_the_loops(chip, frames, given(case.removesuffix(" of spikes"), rng, len(frames)))


def test_regression_in_integers_learns_what_floats_learn(rng):
    spec = with_learning(
        network(rng, NEURON), learning_rate=1.0, plastic=["out"], objective=Regression()
    )
    frames, _ = events(rng)
    frames, targets = np.repeat(frames, 40, axis=0), np.full(CLASSES, 0.5)
    targets = np.broadcast_to(targets, (len(frames), CLASSES))
    losses = []
    for version in (spec, quantize(spec)):
        engine = Engine(version)
        unit = getattr(engine.spec.populations[-1], "membrane_unit", 1.0)
        before = unit * engine.run(frames[::40].astype((version is spec and float) or int))
        for frame, target in zip(frames, targets, strict=True):
            engine.learn(frame[np.newaxis], target[np.newaxis])
        after = unit * engine.run(frames[::40])
        losses.append([((o - 0.5) ** 2).mean() for o in (before, after)])
    (float_before, float_after), (before, after) = losses
    assert before == pytest.approx(float_before, rel=0.1)
    assert after < 0.4 * before and after < float_after + 0.1 * float_before


def test_files_bring_integer_objectives_back(rng, tmp_path):
    for objective, readout, rate in CASES.values():
        spec = with_learning(network(rng, NEURON, readout), learning_rate=rate, objective=objective)
        chip = quantize(spec)
        save_bundle(tmp_path / "n.h5", Bundle(spec, chip))
        assert load_bundle(tmp_path / "n.h5").fixed == chip


@dataclass(frozen=True)
class Own(Objective):
    """One that has no integer form."""

    def targets(self, given, samples, time_steps, outputs):
        return np.zeros((samples, time_steps, outputs))

    def error(self, output, target, time_steps):
        return output


def test_an_objective_without_an_integer_form_is_refused_by_name(rng):
    spec = with_learning(network(rng, NEURON), learning_rate=0.1, objective=Own())
    with pytest.raises(ValueError, match="objective Own has no integer form; use one of Classific"):
        quantize(spec)
    for make in (
        lambda: IntegerRegression(0.0),
        lambda: IntegerSpikeTrains(0.3),
        lambda: IntegerSpikeTrains(1.0),
        lambda: IntegerReward(0),
    ):
        with pytest.raises(ValueError, match=r"reg|spike trains|reward") as error:
            make()
        assert "\n" not in str(error.value)
