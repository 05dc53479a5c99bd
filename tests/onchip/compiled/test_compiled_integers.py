"""Compiled learning in integers is the NumPy engine's in every bit."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from compiled_cases import assert_same_integers, frames_of, has_moved, network
from graph_cases import GRAPHS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cases import draw_case

from onchip import LIF, Engine, LeakyIntegrator, LinearReadout, Surrogate
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.engine.compiled.integer_constants import reason_against_integers
from onchip.engine.compiled.wiring import parts_of
from onchip.network.learning import with_learning
from onchip.network.readouts import local_readouts
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.lower import lower_for_engine
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

PIPELINED = {"plastic": ["fc2"], "update_delay": 1}


def batches(spec, rate: float, seed: int = 0, count: int = 3):
    frames = frames_of(spec, rate, seed, count)
    return [(frames, np.arange(seed, seed + count) % spec.classes)]


def test_random_networks_learn_the_same_integers() -> None:
    """Both schedules, frozen layers, convolutions below, rates, decays near 0 and 1."""
    compared = 0
    for number in range(140):
        case, _ = draw_case(13, number)
        spec = case.network()
        if isinstance(spec, FixedNetworkSpec) and spec.learning is not None:
            compared += 1
            assert_same_integers(spec, [(case.frames, case.labels)])
    assert compared > 40


@settings(max_examples=40, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    decay=st.sampled_from((0.98, 0.9, 0.5, 0.1, 1 / 4096)),
    steps=st.sampled_from((1, 2, 14, 40)),
    rate=st.sampled_from((0.0, 0.05, 0.4, 1.0)),
    learning_rate=st.sampled_from((0.02, 0.3, 3.0)),
    mode=st.sampled_from(UPDATE_MODES),
    feedback=st.sampled_from(tuple(FEEDBACKS)),
    pipelined=st.booleans(),
    reset=st.sampled_from(("soft", "hard")),
    surrogate=st.sampled_from(("sigmoid", "triangle", "rectangle")),
    readout=st.sampled_from((LeakyIntegrator, LinearReadout, LIF)),
    recurrent=st.booleans(),
)
def test_learning_equals_the_engine(
    seed, decay, steps, rate, learning_rate, mode, feedback, pipelined, reset, surrogate, readout,
    recurrent,
) -> None:  # fmt: skip
    options = dict(PIPELINED) if pipelined else {"feedback": feedback}
    if mode == "accumulate":
        options.pop("update_delay", None)
    options |= {"learning_rate": learning_rate, "mode": mode, "reset": reset, "decay": decay}
    options |= {"surrogate": Surrogate(surrogate), "readout": readout, "recurrent": recurrent}
    start = network(seed, steps, **options)
    try:
        spec = quantize(start, Quantization("pipelined" if pipelined else "sequenced"))
    except ValueError:  # a rate or a decay out of the integers' reach
        return
    assert_same_integers(spec, batches(spec, rate, seed % 100))


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_learn_the_same_integers(rng, name, mode) -> None:
    start = with_learning(GRAPHS[name](rng), learning_rate=0.1, feedback="symmetric", mode=mode)
    spec = quantize(start)
    pairs = batches(spec, 0.5)
    assert has_moved(spec, pairs)
    assert_same_integers(spec, pairs)


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("name", GRAPHS)
def test_local_readouts_learn_the_same_integers(rng, name, mode) -> None:
    """Each has an error of its own, and recorders hear its membrane."""
    graph = local_readouts(GRAPHS[name](rng), seed=2)
    spec = quantize(with_learning(graph, learning_rate=0.1, rule="decolle", mode=mode))
    pairs = batches(spec, 0.5)
    assert has_moved(spec, pairs)
    assert_same_integers(spec, pairs)


@pytest.mark.parametrize("schedule", ["sequenced", "pipelined"])
def test_factors_that_decay_in_a_long_sample_are_the_engines(schedule) -> None:
    """One number in five hundred lets the factors y lose one: of 3000 some do."""
    options = PIPELINED if schedule == "pipelined" else {"feedback": "symmetric"}
    start = network(3, 1000, learning_rate=0.5, **options)
    spec = quantize(start, Quantization(schedule))
    assert_same_integers(spec, batches(spec, 0.3, count=1))


def test_tags_at_their_lower_limit_are_the_engines() -> None:
    """A fast rate drives tags to -257, which an epoch with a carry lifts to -256."""
    start = network(5, 500, learning_rate=60.0, mode="accumulate", feedback="symmetric")
    spec = quantize(start)
    frames, labels = frames_of(spec, 0.9, 0), np.array([1])
    engine = Engine(spec)
    engine.reset(1)
    lowest = 0
    for frame in frames[0]:
        engine.step(frame[np.newaxis], np.eye(spec.classes)[labels])
        tags = [engine.synapses(layer.name).tag.min() for layer in spec.layers]
        lowest = min(lowest, *map(int, tags))
    assert lowest == -257
    assert_same_integers(spec, [(frames, labels)] * 3)


def test_a_state_with_traces_and_tags_is_gone_on_from() -> None:
    """A sample that is dropped in its middle leaves its random numbers used up."""
    spec = quantize(network(4, mode="accumulate", feedback="symmetric", learning_rate=1.0))
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    frames, labels = frames_of(spec, 0.4, 0, 2), np.array([1, 3])
    for each in (compiled, engine):
        each.learn(frames, labels)
        each.reset(1)
        for frame in frames[0, :5]:
            each.step(frame[np.newaxis], np.eye(spec.classes)[labels[:1]])
        each.learn(frames, labels)
        each.run(frames)
        state = {name: array.copy() for name, array in each.state().items()}
        x1 = next(name for name in state if name.endswith(".x1"))
        state[x1] = np.full_like(state[x1], 90)
        each.restore(state)
        each.learn(frames, labels)
    left, right = compiled.state(), engine.state()
    assert all(np.array_equal(left[name], right[name]) for name in right)
    assert np.array_equal(compiled.synapses("fc0").weights, engine.synapses("fc0").weights)
    assert all(
        np.array_equal(compiled.potentials()[name], u) for name, u in engine.potentials().items()
    )


def test_targets_and_frames_are_refused_as_by_the_engine() -> None:
    spec = quantize(network(9, feedback="symmetric"))
    compiled = Engine(spec, compiled=True)
    frames = frames_of(spec, 0.3, 0)
    with pytest.raises(ValueError, match="frames hold the value 2"):
        compiled.learn(frames * 2, np.array([0]))
    targets = np.full((1, spec.time_steps, spec.classes), 0.2)
    with pytest.raises(ValueError, match="they must be one-hot"):
        compiled.learn(frames, targets)
    assert compiled.compiled.active


def test_products_of_another_rule_have_no_kernel() -> None:
    program = lower_for_engine(quantize(network(9, feedback="symmetric")))
    assert reason_against_integers(program, parts_of(program)) is None
    synapses = program.synapses[0]
    odd = replace(synapses.plasticity, dw=synapses.plasticity.dw[:1])
    changed = (replace(synapses, plasticity=odd), *program.synapses[1:])
    other = replace(program, synapses=changed)
    assert "products have no kernel" in str(reason_against_integers(other, parts_of(other)))
