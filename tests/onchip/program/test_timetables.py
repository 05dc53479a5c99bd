"""Timetables of graphs: every factor meets its own trace, whatever the paths."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import (
    GRAPHS,
    largest_difference,
    learned_by_loops,
    random_graphs,
    residual,
    weights_of,
)
from hypothesis import given, settings
from hypothesis import strategies as st
from parity_cases import dense

from onchip import LIF, Engine, LeakyIntegrator, NetworkSpec
from onchip.network.learning import with_learning
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.program.schedules import make_schedule
from onchip.program.timetable import factor_offsets, spike_offsets
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

FEEDBACK, MODE = st.sampled_from(list(FEEDBACKS)), st.sampled_from(UPDATE_MODES)
SEED = st.integers(0, 99)


def events(seed: int, network, samples: int = 2):
    rng = np.random.default_rng(seed)
    shape = (samples, network.time_steps, *network.input_shape)
    frames = (rng.random(shape) < 0.5).astype(float)
    return frames, rng.integers(0, network.classes, samples)


@settings(max_examples=120, deadline=None)
@given(random_graphs(), FEEDBACK, MODE, SEED)
def test_the_engine_learns_as_the_equations_say(network, feedback, mode, seed):
    network = with_learning(network, learning_rate=0.3, feedback=feedback, mode=mode, seed=seed)
    frames, labels = events(seed, network)
    engine = Engine(network)
    outputs = [engine.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    expected, weights = learned_by_loops(network, frames, labels)
    np.testing.assert_allclose(outputs, expected, atol=1e-12)
    assert largest_difference(weights_of(engine.snapshot()), weights) < 1e-12


@settings(max_examples=25, deadline=None)
@given(random_graphs(), FEEDBACK, MODE, SEED)
def test_lava_learns_as_the_equations_say(network, feedback, mode, seed):
    from onchip.lava.network import LavaNetwork

    network = with_learning(network, learning_rate=0.3, feedback=feedback, mode=mode, seed=seed)
    frames, labels = events(seed, network)
    expected, weights = learned_by_loops(network, frames, labels)
    with LavaNetwork(network) as lava:
        outputs = lava.learn(frames, labels).outputs
        learned = lava.snapshot()
    np.testing.assert_allclose(outputs, expected, atol=1e-9)
    assert largest_difference(weights_of(learned), weights) < 1e-9


@settings(max_examples=60, deadline=None)
@given(random_graphs(), st.sampled_from(list(FEEDBACKS)))
def test_offsets_are_the_longest_paths(network, feedback):
    network = with_learning(network, learning_rate=0.3, feedback=feedback)
    offsets, answers = spike_offsets(network), factor_offsets(network)

    def longest(name):
        into = [c.source for c in network.connections if c.target == name and not c.delay]
        return 1 + max(0 if n == INPUT else longest(n) for n in into if n != ALWAYS_ON)

    assert all(offsets[p.name] == longest(p.name) for p in network.populations)
    last = network.populations[-1].name
    for route in network.learning.routes:
        sent = offsets[last] if route.is_error else answers[route.source]
        assert answers[route.target] > sent


@pytest.mark.parametrize("depth", range(1, 9))
@pytest.mark.parametrize("feedback", ["symmetric", "direct"])
def test_a_chain_has_the_epoch_of_its_depth(rng, depth, feedback):
    """K = 2N - lowest + 1 layer by layer, N + 2 by direct feedback, N + 1 without any."""
    names = [f"l{i}" for i in range(1, depth + 1)]
    layers = [dense(rng, name, 3, 3, LIF()) for name in names[:-1]]
    layers.append(dense(rng, names[-1], 3, 3, LeakyIntegrator()))
    for low in range(depth):
        spec = NetworkSpec(tuple(layers), (3,), 4)
        spec = with_learning(spec, learning_rate=0.1, plastic=[names[low]], feedback=feedback)
        schedule = make_schedule("sequenced", spec)
        assert [schedule.offsets[name] for name in names] == list(range(1, depth + 1))
        if low == depth - 1:
            assert schedule.period == depth + 1
        else:
            assert schedule.period == (2 * depth - low if feedback == "symmetric" else depth + 2)


@pytest.mark.parametrize(("feedback", "period"), [("symmetric", 12), ("direct", 8)])
def test_a_residual_network_needs_the_epoch_of_its_longest_path(rng, feedback, period):
    network = with_learning(residual(rng), learning_rate=0.1, feedback=feedback)
    schedule = make_schedule("sequenced", network)
    assert schedule.period == period
    assert {n: schedule.offsets[n] for n in ("stem", "a2", "b2", "out")} == {
        "stem": 1,
        "a2": 3,
        "b2": 5,
        "out": 6,
    }


def test_spikes_that_go_back_are_refused_on_the_pipelined_schedule(rng):
    network = GRAPHS["delayed"](rng)
    network = with_learning(network, learning_rate=0.1, plastic=["out"], update_delay=1)
    with pytest.raises(ValueError, match=r"'three' would come too late to 'one'.*sequenced"):
        make_schedule("pipelined", network)
