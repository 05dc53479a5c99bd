"""Compiled learning of all rules of the table in floating point is the NumPy engine's."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from compiled_cases import assert_equal_learning, assert_near, frames_of, has_moved
from compiled_convolutions import convolutional
from graph_cases import dense
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onchip import (
    ALIF,
    LIF,
    Connection,
    CuBa,
    Engine,
    LeakyIntegrator,
    LinearReadout,
    Network,
    Population,
    Surrogate,
    with_learning,
)
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.readouts import local_readouts
from onchip.network.transforms import Bias
from onchip.objectives.regression import Regression
from onchip.objectives.reward import Reward
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.filtered import Filtered
from onchip.rules.presets import RULES
from onchip.rules.rule import UPDATE_MODES, Rule

OUTPUTS, INPUTS = 4, 12
NEURONS = {"lif": LIF, "cuba": CuBa, "alif": ALIF}
SURROGATE = Surrogate("fast_sigmoid")
KEPT = [name for name in RULES if name not in ("ottt", "decolle")]


def network(
    seed: int, rule: str, steps: int = 20, neuron: str = "lif", readout: Any = LeakyIntegrator,
    reset: str = "soft", **options: Any,
) -> Network:  # fmt: skip
    """Two hidden populations, one of them recurrent and with a bias, all plastic."""
    rng = np.random.default_rng(seed)
    tested = NEURONS[neuron](0.8, reset=reset, surrogate=SURROGATE)
    trains = isinstance(RULES[rule].objective, SpikeTrains)
    last = LIF(0.8, surrogate=SURROGATE) if trains else readout(0.8)
    sizes = {INPUT: INPUTS, "one": 9, "two": 8, "out": OUTPUTS}
    edges = ((INPUT, "one"), ("one", "two"), ("two", "out"))
    connections = [Connection(a, b, dense(rng, sizes[b], sizes[a])) for a, b in edges]
    connections.append(Connection("one", "one", dense(rng, 9, 9, 0.5), 1))
    connections.append(Connection(ALWAYS_ON, "one", Bias(rng.normal(0.1, 0.2, 9), (9,))))
    populations = (
        Population("one", (9,), tested),
        Population("two", (8,), LIF(0.7, reset=reset, surrogate=SURROGATE)),
        Population("out", (OUTPUTS,), last),
    )
    spec = Network(populations, tuple(connections), (INPUTS,), steps)
    if rule == "decolle":
        spec = local_readouts(spec)
    if RULES[rule].feedback is not None:
        options.pop("feedback", None)
    options.setdefault("learning_rate", 3e-4)
    return with_learning(spec, rule=rule, **options)


def batches(spec: Network, rate: float, seed: int = 0, count: int = 3, size: int = 1):
    """Frames, and what the network's objective learns from."""
    rng, whole = np.random.default_rng(seed), (size, spec.time_steps)
    objective, found = spec.learning.objective, []
    for _ in range(count):
        wanted: Any = rng.integers(0, OUTPUTS, size)
        if isinstance(objective, SpikeTrains):
            wanted = (rng.random((*whole, OUTPUTS)) < 0.2).astype(float)
        elif isinstance(objective, Reward):
            wanted = rng.normal(0, 0.3, (*whole, 1))
        elif isinstance(objective, Regression):
            wanted = rng.normal(0, 1, (*whole, OUTPUTS))
        found.append(((rng.random((*whole, INPUTS)) < rate).astype(np.uint8), wanted))
    return found


@settings(max_examples=30, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    rule=st.sampled_from(tuple(RULES)),
    neuron=st.sampled_from(tuple(NEURONS)),
    steps=st.sampled_from((1, 2, 15, 16, 17, 40)),
    rate=st.sampled_from((0.0, 0.03, 0.3, 1.0)),
    mode=st.sampled_from(UPDATE_MODES),
    feedback=st.sampled_from(tuple(FEEDBACKS)),
    update_delay=st.integers(0, 1),
    reset=st.sampled_from(("soft", "hard")),
    readout=st.sampled_from((LeakyIntegrator, LinearReadout)),
    size=st.sampled_from((1, 3)),
)
def test_every_rule_learns_as_in_the_engine(
    seed, rule, neuron, steps, rate, mode, feedback, update_delay, reset, readout, size
) -> None:
    if rule == "diagonal-rtrl" and neuron == "alif":  # it has no carry
        neuron = "lif"
    options = {"mode": mode, "feedback": feedback, "reset": reset, "readout": readout}
    if mode == "online":
        options, size = options | {"update_delay": update_delay}, 1
    spec = network(seed, rule, steps, neuron, **options)
    assert_equal_learning(spec, batches(spec, rate, seed, size=size))


@pytest.mark.parametrize("rule", KEPT)
def test_weights_are_the_engines_to_twelve_digits_after_200_steps(rule) -> None:
    """All that changes, without an allowance for what the network makes of rounding errors."""
    neuron = {"e-prop": "alif", "superspike-double": "cuba"}.get(rule, "lif")
    spec = network(3, rule, 200, neuron, update_delay=1)
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    assert compiled.compiled.active and has_moved(spec, batches(spec, 0.3))
    for frames, wanted in batches(spec, 0.3):
        assert_near(compiled.learn(frames, wanted), engine.learn(frames, wanted), "outputs")
    left = compiled.state()
    for name, array in engine.state().items():
        assert_near(left[name], array, name)


def test_inputs_that_are_forgotten_and_come_back_learn_as_in_the_engine() -> None:
    """Of a filter of 1e-3 nothing is left between two spikes of an input."""
    spec = network(4, "ottt", 200, eligibility=Filtered(1e-3), learning_rate=0.01)
    pairs = batches(spec, 0.01)
    assert has_moved(spec, pairs)
    assert_equal_learning(spec, pairs)


@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_eligibilities_are_learned_beside_a_convolution_that_learns(mode) -> None:
    """And beside dense connections without one: each by kernels of its own."""
    spec = convolutional(2, 1, 12, 0.6, learning_rate=0.01, mode=mode)
    filtered = [
        replace(c, rule=Rule(0.01, 0.5)) if c.target == "fc" else c for c in spec.connections
    ]
    spec = replace(spec, connections=tuple(filtered))
    pairs = [(frames_of(spec, 0.4, n), np.array([n])) for n in range(3)]
    moved = Engine(spec)
    for frames, labels in pairs:
        moved.learn(frames, labels)
    after = moved.snapshot().connections
    assert all(
        np.any(c.transform.weight != old.transform.weight)
        for c, old in zip(after, spec.connections, strict=True)
    )
    assert_equal_learning(spec, pairs)


def test_kernels_steps_and_other_engines_go_on_from_each_other() -> None:
    """What synapses keep is handed to and fro in a batch and within a sample."""
    spec = network(5, "superspike-double", mode="accumulate")
    mixed, engine = Engine(spec, compiled=True), Engine(spec)
    for frames, wanted in batches(spec, 0.3, size=2):
        assert_near(mixed.learn(frames, wanted), engine.learn(frames, wanted), "outputs")
        for each in (mixed, engine):
            each.reset(2)
            for n in range(5):
                each.step(frames[:, n], wanted[:, n])
            each.finish()
    left = mixed.state()
    assert left["one.inner"].shape == (2, 9, INPUTS) and left["one.inner"].any()
    for name, array in engine.state().items():
        assert_near(left[name], array, name)


@pytest.mark.parametrize("delay", [0, 1])
def test_diverging_is_told_as_the_engine_tells_it(delay) -> None:
    options = {"eligibility": Filtered(0.5), "plastic": ["out"], "update_delay": delay}
    spec = network(8, "ottt", 200, learning_rate=1e6, mse_weight=1.0, **options)
    (frames, wanted), *_ = batches(spec, 0.9)
    for compiled in (False, True):
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="diverged"):
            Engine(spec, compiled=compiled).learn(frames, wanted)


@pytest.mark.parametrize("delay", [0, 1])
def test_inputs_of_any_value_are_taken(delay) -> None:
    spec = network(2, "superspike-double", update_delay=delay)
    pairs = batches(spec, 0.5)
    rng = np.random.default_rng(5)
    pairs = [(frames * rng.normal(0, 1, frames.shape), wanted) for frames, wanted in pairs]
    assert has_moved(spec, pairs)
    assert_equal_learning(spec, pairs)


@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_to_compile_changes_nothing(mode) -> None:
    spec = network(3, "e-prop", mode=mode)
    engine = Engine(spec, compiled=True)
    engine.compile()
    assert engine.snapshot() == spec
    assert_equal_learning(engine.snapshot(), batches(spec, 0.3))


def test_regression_learns_as_in_the_engine() -> None:
    spec = network(9, "ottt", objective=Regression(), learning_rate=0.05)
    pairs = batches(spec, 0.3)
    assert has_moved(spec, pairs)
    assert_equal_learning(spec, pairs)


def test_targets_are_refused_as_by_the_engine() -> None:
    spec = network(9, "superspike")
    (frames, wanted), *_ = batches(spec, 0.3)
    for compiled in (False, True):
        with pytest.raises(ValueError, match="target spike trains hold 2"):
            Engine(spec, compiled=compiled).learn(frames, 2 * wanted)


@pytest.mark.long
@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_single_precision_keeps_eligibilities_of_its_own_type(mode) -> None:
    spec = network(6, "e-prop", neuron="alif", mode=mode)
    compiled, engine = Engine(spec, np.float32, compiled=True), Engine(spec, np.float32)
    for frames, wanted in batches(spec, 0.3):
        assert_near(compiled.learn(frames, wanted), engine.learn(frames, wanted), "outputs", 1e-5)
    left = compiled.state()
    for name, array in engine.state().items():
        assert_near(left[name], array, name, 1e-5)
