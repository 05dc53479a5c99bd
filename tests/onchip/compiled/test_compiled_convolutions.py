"""Compiled learning of convolutions leaves what the NumPy engine leaves, integers in every bit."""

from __future__ import annotations

import numpy as np
import pytest
from compiled_cases import (
    assert_equal_learning,
    assert_near,
    assert_same_integers,
    frames_of,
    has_moved,
)
from compiled_convolutions import convolutional
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onchip import Engine
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.engine.compiled.integer_constants import MOST_POSITIONS, reason_against_integers
from onchip.engine.compiled.wiring import parts_of
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.program.lower import lower_for_engine
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

SLOW = [HealthCheck.too_slow]


def batches(spec, rate: float, seed: int = 0, count: int = 2):
    return [(frames_of(spec, rate, seed + n), np.array([n % 3])) for n in range(count)]


@settings(max_examples=25, suppress_health_check=SLOW)
@given(
    seed=st.integers(0, 10**6),
    depth=st.integers(1, 3),
    steps=st.sampled_from((1, 2, 9, 30)),
    decay=st.sampled_from((1.0, 1 - 1e-12, 0.9, 0.5, 0.1, 1e-9)),
    rate=st.sampled_from((0.0, 0.05, 0.3, 1.0)),
    mode=st.sampled_from(UPDATE_MODES),
    feedback=st.sampled_from(tuple(FEEDBACKS)),
    late=st.integers(0, 1),
    surrogate=st.sampled_from(("sigmoid", "rectangle", "triangle", "fast_sigmoid")),
)
def test_convolutions_learn_as_in_the_engine(
    seed, depth, steps, decay, rate, mode, feedback, late, surrogate
) -> None:
    spec = convolutional(
        seed, depth, steps, decay, learning_rate=0.01, mode=mode, feedback=feedback,
        update_delay=late if mode == "online" else 0, surrogate=surrogate,
    )  # fmt: skip
    assert_equal_learning(spec, batches(spec, rate, seed))


@settings(max_examples=25, suppress_health_check=SLOW)
@given(
    seed=st.integers(0, 10**6),
    depth=st.integers(1, 3),
    steps=st.sampled_from((1, 4, 20)),
    decay=st.sampled_from((0.98, 0.9, 0.5, 0.1)),
    rate=st.sampled_from((0.0, 0.05, 0.4, 1.0)),
    learning_rate=st.sampled_from((0.02, 0.3, 3.0)),
    mode=st.sampled_from(UPDATE_MODES),
    feedback=st.sampled_from(tuple(FEEDBACKS)),
    surrogate=st.sampled_from(("sigmoid", "rectangle", "triangle")),
    reset=st.sampled_from(("soft", "hard")),
)
def test_convolutions_learn_the_same_integers(
    seed, depth, steps, decay, rate, learning_rate, mode, feedback, surrogate, reset
) -> None:
    start = convolutional(
        seed, depth, steps, decay, learning_rate=learning_rate, mode=mode, feedback=feedback,
        surrogate=surrogate, reset=reset,
    )  # fmt: skip
    try:
        spec = quantize(start)
    except ValueError:  # a rate out of the integers' reach
        return
    frames = frames_of(spec, rate, seed, 2)
    assert_same_integers(spec, [(frames, np.arange(2))])


@pytest.mark.parametrize("schedule", ["sequenced", "pipelined"])
def test_frozen_convolutions_below_a_readout_that_learns_are_compiled_whole(schedule) -> None:
    options = {"update_delay": 1} if schedule == "pipelined" else {}
    start = convolutional(2, 2, 9, 0.5, learning_rate=0.3, plastic=["out"], **options)
    assert_equal_learning(start, batches(start, 0.3))
    spec = quantize(start, Quantization(schedule))
    pairs = [(frames_of(spec, 0.3, 0, 2), np.arange(2))]
    assert has_moved(spec, pairs)
    assert_same_integers(spec, pairs)


def test_a_convolution_takes_currents_and_learns_from_them() -> None:
    spec = convolutional(5, 2, 9, 0.5, learning_rate=0.01)
    frames = np.random.default_rng(1).normal(0, 1, (1, 9, *spec.input_shape))
    assert_equal_learning(spec, [(frames, np.array([1])), (frames * 1e-3, np.array([2]))])


def test_an_accumulated_batch_of_convolutions_equals_the_engine() -> None:
    spec = convolutional(3, 2, 9, 0.5, learning_rate=0.01, mode="accumulate")
    assert_equal_learning(spec, [(frames_of(spec, 0.2, 1, 4), np.arange(4) % 3)] * 2)


@pytest.mark.parametrize("integers", [False, True])
def test_shared_weights_stay_the_same_for_kernels_and_steps(integers) -> None:
    """The kernels keep them in an order of their own, so each must take what the other learned."""
    spec = convolutional(7, 2, 9, 0.5, learning_rate=0.3 if integers else 0.01)
    spec = quantize(spec) if integers else spec
    mixed, engine = Engine(spec, compiled=True), Engine(spec)
    for number in range(3):
        frames, label = frames_of(spec, 0.3, number), np.array([number])
        for each in (mixed, engine):
            each.learn(frames, label)
            each.reset(1)
            for frame in frames[0]:
                each.step(frame[np.newaxis], np.eye(3)[label])
            each.finish()
            each.restore(each.state())
    left, right = mixed.state(), engine.state()
    for name, array in right.items():
        assert_near(left[name], array, name, 0.0 if integers else 1e-12)
    assert mixed.snapshot() != spec


def test_maps_whose_products_exceed_32_bits_are_left_to_numpy() -> None:
    side = int(np.sqrt(MOST_POSITIONS)) + 1
    wide = Convolution(np.ones((1, 1, 1, 1)), (1, side, side))
    graph = Network(
        (Population("conv", (1, side, side), LIF()), Population("out", (2,), LeakyIntegrator())),
        (
            Connection("input", "conv", wide),
            Connection("conv", "out", Dense(np.eye(2, side * side))),
        ),
        (1, side, side),
        1,
    )
    program = lower_for_engine(
        quantize(with_learning(graph, learning_rate=0.1, plastic=["conv", "out"]))
    )
    reason = reason_against_integers(program, parts_of(program))
    assert f"products of {side * side} positions exceed 32 bits" in str(reason)
