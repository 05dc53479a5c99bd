"""Filtered eligibilities and other objectives than classes, compiled in integers: every bit."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from compiled_cases import assert_same_integers, has_moved
from graph_cases import CLASSES
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from integer_cases import INPUTS, network

from onchip import LIF, Engine, LeakyIntegrator, LinearReadout, Surrogate, with_learning
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.objectives.regression import Regression
from onchip.objectives.spike_trains import SpikeTrains
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.presets import RULES
from onchip.rules.rule import UPDATE_MODES

FAST = Surrogate("fast_sigmoid")
REACH = {"e-prop": 0.1, "reward-modulated": 0.02, "superspike": 2.0}
"""Rules that integers filter by, and rates that their weights hold."""


def chip(
    seed: int, rule: str, steps: int = 6, surrogate: str = "triangle", schedule: str = "sequenced",
    rate: float = 1.0, **options: Any,
) -> Any:  # fmt: skip
    """A recurrent network in integers; "readout" is the kind of a readout that does not spike."""
    trains = isinstance(RULES[rule].objective or options.get("objective"), SpikeTrains)
    hidden = LIF(0.7, surrogate=FAST if trains else Surrogate(surrogate))
    readout = options.pop("readout", LeakyIntegrator)(0.8)
    start = network(np.random.default_rng(seed), hidden, hidden if trains else readout)
    if RULES[rule].feedback is not None:
        options.pop("feedback", None)
    options["learning_rate"] = rate * REACH.get(rule, 0.2)
    spec = with_learning(replace(start, time_steps=steps), rule=rule, **options)
    return quantize(spec, Quantization(schedule))


def batches(spec: Any, events: float = 0.5, seed: int = 0) -> list[tuple[np.ndarray, np.ndarray]]:
    """Two batches of samples, and what the network's objective learns from."""
    rng, found = np.random.default_rng(seed), []
    for _ in range(2):
        frames = (rng.random((2, spec.time_steps, INPUTS)) < events).astype(np.uint8)
        wanted: Any = rng.integers(0, CLASSES, 2)
        kind = type(spec.learning.objective).__name__
        if kind == "IntegerSpikeTrains":
            wanted = rng.integers(0, 2, (2, spec.time_steps, CLASSES))
        elif kind == "IntegerReward":
            wanted = rng.uniform(-1, 1, (2, spec.time_steps, 1))
        elif kind == "IntegerRegression":
            wanted = rng.normal(0, 1, (2, spec.time_steps, CLASSES))
        found.append((frames, wanted))
    return found


@settings(max_examples=14, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    rule=st.sampled_from(tuple(REACH)),
    steps=st.sampled_from((1, 2, 20)),
    events=st.sampled_from((0.0, 0.05, 0.5, 1.0)),
    feedback=st.sampled_from(tuple(FEEDBACKS)),
    surrogate=st.sampled_from(("triangle", "rectangle", "sigmoid", "fast_sigmoid")),
    readout=st.sampled_from((LeakyIntegrator, LinearReadout)),
    rate=st.sampled_from((0.3, 1.0, 3.0)),
)
def test_filtered_eligibilities_are_the_engines(
    seed, rule, steps, events, feedback, surrogate, readout, rate
) -> None:
    options = {"feedback": feedback, "readout": readout, "rate": rate}
    try:
        spec = chip(seed, rule, steps, surrogate, **options)
    except ValueError:  # a rate out of the integers' reach
        return
    assert_same_integers(spec, batches(spec, events, seed))


@pytest.mark.parametrize("rule", REACH)
def test_each_rule_moves_weights_as_in_the_engine(rule) -> None:
    spec = chip(3, rule, 30)
    assert has_moved(spec, batches(spec))
    assert_same_integers(spec, batches(spec))


@pytest.mark.parametrize("objective", [SpikeTrains(0.875), Regression()])
@pytest.mark.parametrize("how", [*UPDATE_MODES, "pipelined"])
def test_other_objectives_are_the_engines(objective, how) -> None:
    options: dict[str, Any] = {"mode": how, "feedback": "symmetric"}
    if how == "pipelined":
        options = {"plastic": ["out"], "update_delay": 1, "schedule": how}
    rate = 10.0 if isinstance(objective, SpikeTrains) else 1.0
    spec = chip(5, "ottt", 12, objective=objective, rate=rate, **options)
    assert has_moved(spec, batches(spec))
    assert_same_integers(spec, batches(spec))


def test_to_compile_changes_nothing() -> None:
    spec = chip(6, "e-prop", feedback="symmetric")
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    compiled.compile()
    assert compiled.snapshot() == engine.snapshot()
    for frames, wanted in batches(spec):
        assert np.array_equal(compiled.learn(frames, wanted), engine.learn(frames, wanted))
    assert compiled.snapshot() == engine.snapshot()


def test_tags_that_a_state_brings_along_are_gone_on_from() -> None:
    """The least tags too, which an epoch without a product does not pass through."""
    spec = chip(4, "e-prop", feedback="symmetric")
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    (frames, wanted), *_ = batches(spec)
    state = engine.state()
    for name in state:
        if name.endswith("tag") and not state[name].any():  # those of filters begin with 0
            lowest = np.resize((-257, 255, 0, 3), state[name].shape)
            state[name] = lowest.astype(state[name].dtype)
    for each in (compiled, engine):
        each.restore(state)
        each.learn(frames, wanted)
    left, right = compiled.state(), engine.state()
    assert all(np.array_equal(left[name], right[name]) for name in right)
