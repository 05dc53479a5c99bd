"""Compiled learning in floating point leaves what the NumPy engine leaves."""

from __future__ import annotations

import numpy as np
import pytest
from compiled_cases import (
    assert_equal_learning,
    assert_near,
    frames_of,
    has_moved,
    network,
)
from graph_cases import GRAPHS, random_graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from random_cases import draw_case

from onchip import LIF, Engine, LeakyIntegrator, LinearReadout, Network, NetworkSpec, Surrogate
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.network.readouts import local_readouts
from onchip.network.transforms import Dense, OneToOne
from onchip.neurons.surrogates import SURROGATES
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

SLOW = [HealthCheck.too_slow]


def batches(spec, rate: float, seed: int = 0, count: int = 3, size: int = 1):
    return [
        (frames_of(spec, rate, seed + n, size), (np.arange(size) + n) % spec.classes)
        for n in range(count)
    ]


@settings(max_examples=60, suppress_health_check=SLOW)
@given(
    seed=st.integers(0, 10**6),
    decay=st.sampled_from((1.0, 1 - 1e-12, 0.99, 0.9, 0.5, 0.1, 1e-3, 1e-9, 1e-300)),
    steps=st.sampled_from((1, 2, 3, 14, 33, 70)),
    rate=st.sampled_from((0.0, 0.02, 0.2, 0.7, 1.0)),
    learning_rate=st.sampled_from((1e-4, 1e-3, 1e-2)),
    mode=st.sampled_from(UPDATE_MODES),
    feedback=st.sampled_from(tuple(FEEDBACKS)),
    update_delay=st.integers(0, 1),
    reset=st.sampled_from(("soft", "hard")),
    surrogate=st.sampled_from(tuple(SURROGATES)),
    readout=st.sampled_from((LeakyIntegrator, LinearReadout, LIF)),
    recurrent=st.booleans(),
    plastic=st.sets(st.sampled_from(("fc0", "fc1", "fc2")), min_size=1),
    mse_weight=st.sampled_from((0.0, 0.05, 1.0)),
)
def test_learning_equals_the_engine(
    seed, decay, steps, rate, learning_rate, mode, feedback, update_delay, reset, surrogate,
    readout, recurrent, plastic, mse_weight,
) -> None:  # fmt: skip
    spec = network(
        seed, steps, decay=decay, reset=reset, surrogate=Surrogate(surrogate), readout=readout,
        recurrent=recurrent, learning_rate=learning_rate, mode=mode, feedback=feedback,
        update_delay=update_delay, plastic=sorted(plastic), mse_weight=mse_weight,
    )  # fmt: skip
    assert_equal_learning(spec, batches(spec, rate, seed))


def test_random_networks_learn_as_in_the_engine() -> None:
    """With other sizes, thresholds and rates, and frozen convolutions below."""
    compared = 0
    for number in range(80):
        case, _ = draw_case(11, number)
        spec = case.network()
        if isinstance(spec, NetworkSpec) and spec.learning is not None:
            pairs = list(zip(case.frames[:, np.newaxis], case.labels[:, np.newaxis], strict=True))
            compared += 1
            with np.errstate(all="ignore"):
                assert_equal_learning(spec, pairs)
    assert compared > 15


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_learn_as_in_the_engine(rng, name, feedback, mode) -> None:
    """Skip connections, recurrence and spikes that come back from above a step later."""
    spec = with_learning(GRAPHS[name](rng), learning_rate=0.02, feedback=feedback, mode=mode)
    pairs = batches(spec, 0.5)
    assert has_moved(spec, pairs)
    assert_equal_learning(spec, pairs)


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("name", GRAPHS)
def test_local_readouts_learn_as_in_the_engine(rng, name, mode) -> None:
    """Each population has an error of its own, and none comes from above."""
    graph = local_readouts(GRAPHS[name](rng), seed=2)
    spec = with_learning(graph, learning_rate=0.1, rule="decolle", mode=mode)
    pairs = batches(spec, 0.5)
    assert has_moved(spec, pairs)
    assert_equal_learning(spec, pairs)


def test_a_local_readout_that_diverges_is_told_as_the_engine_tells_it(rng) -> None:
    spec = with_learning(local_readouts(GRAPHS["residual"](rng)), rule="decolle", learning_rate=0.1)
    targets = [c.target for c in spec.connections]
    name = spec.names[targets.index("stem_readout")]
    largest = np.full_like(spec.connections[targets.index("stem_readout")].transform.weight, 1e308)
    spec = spec.with_weights({name: largest})  # two spikes are more than a float holds
    frames, labels = frames_of(spec, 0.9, 0), np.array([0])
    for compiled in (False, True):
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="diverged"):
            Engine(spec, compiled=compiled).learn(frames, labels)


@settings(max_examples=25, suppress_health_check=SLOW)
@given(graph=random_graphs(), mode=st.sampled_from(UPDATE_MODES), delay=st.integers(0, 1))
def test_random_graphs_learn_as_in_the_engine(graph, mode, delay) -> None:
    options = {"mode": mode, "feedback": "exact", "update_delay": delay}
    spec = with_learning(graph, learning_rate=0.01, **options)
    assert_equal_learning(spec, batches(spec, 0.5))


@pytest.mark.parametrize("delay", [0, 1])
@pytest.mark.parametrize("decay", [1e-9, 0.5, 0.99, 1.0])
def test_weights_agree_after_long_samples(decay: float, delay: int) -> None:
    spec = network(3, 200, decay=decay, recurrent=True, update_delay=delay, learning_rate=1e-3)
    assert_equal_learning(spec, batches(spec, 0.05, count=2))


@pytest.mark.parametrize("decay", [0.5, 0.95])
def test_weights_agree_after_a_thousand_steps(decay: float) -> None:
    spec = network(3, 1000, decay=decay, recurrent=True, learning_rate=1e-3)
    assert_equal_learning(spec, batches(spec, 0.05, count=1))


def test_an_accumulated_batch_equals_the_engine() -> None:
    spec = network(1, mode="accumulate", recurrent=True)
    assert_equal_learning(spec, batches(spec, 0.2, size=4))


def test_inputs_of_any_value_are_taken() -> None:
    spec = network(2)
    frames = np.random.default_rng(5).normal(0, 1, (1, spec.time_steps, 20))
    frames[0, ::2, ::3] = 0
    assert_equal_learning(spec, [(frames, np.array([2])), (frames * 1e-3, np.array([1]))])


def one_to_one_below() -> Network:
    """A population by a transform that has no kernel, under a hidden one and a readout."""
    rng = np.random.default_rng(5)
    sizes = {"below": 16, "hidden": 9, "out": 5}
    neurons = {"below": LIF(), "hidden": LIF(), "out": LeakyIntegrator()}
    return Network(
        tuple(Population(name, (size,), neurons[name]) for name, size in sizes.items()),
        (
            Connection("input", "below", OneToOne(rng.normal(1, 0.5, 16))),
            Connection("below", "hidden", Dense(rng.normal(0.2, 0.5, (9, 16)))),
            Connection("hidden", "out", Dense(rng.normal(0, 0.7, (5, 9)))),
        ),
        (16,),
        12,
    )


def test_populations_without_a_kernel_below_the_others_are_stepped_by_numpy() -> None:
    deep = with_learning(one_to_one_below(), learning_rate=0.03, plastic=["hidden", "out"])
    assert_equal_learning(deep, batches(deep, 0.3))


@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_single_precision_learns_in_its_own_type(mode) -> None:
    spec = network(4, 6, learning_rate=1e-3, mode=mode)
    compiled, engine = Engine(spec, np.float32, compiled=True), Engine(spec, np.float32)
    frames, labels = frames_of(spec, 0.2, 1), np.array([1])
    ours = compiled.learn(frames, labels)
    assert_near(ours, engine.learn(frames, labels), "outputs", 1e-5)
    left = compiled.state()
    for name, array in engine.state().items():
        assert_near(left[name], array, name, 1e-5)


def test_kernels_steps_and_runs_may_be_called_in_turn() -> None:
    spec = network(6, recurrent=True)
    mixed, engine = Engine(spec, compiled=True), Engine(spec)
    for number in range(3):
        frames, labels = frames_of(spec, 0.3, number), np.array([number])
        assert_near(mixed.learn(frames, labels), engine.learn(frames, labels), "outputs")
        assert_near(mixed.potentials()["fc0"], engine.potentials()["fc0"], "potentials")
        assert_near(mixed.spikes()["fc0"], engine.spikes()["fc0"], "spikes")
        for each in (mixed, engine):
            each.reset(1)
            for frame in frames[0]:
                each.step(frame[np.newaxis], np.eye(spec.classes)[labels])
            each.finish()
        assert_near(mixed.run(frames), engine.run(frames), "run")
        mixed.restore(mixed.state())
    for name, array in engine.state().items():
        assert_near(mixed.state()[name], array, name)
    assert_near(mixed.snapshot().layers[0].weight, engine.snapshot().layers[0].weight, "snapshot")


def test_a_batch_online_is_the_engines_own_affair() -> None:
    spec = network(7)
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    frames, labels = frames_of(spec, 0.3, 0, samples=2), np.array([0, 1])
    assert np.array_equal(compiled.learn(frames, labels), engine.learn(frames, labels))


def heard(engine: Engine, pairs) -> list[tuple[str, np.ndarray]]:
    found: list[tuple[str, np.ndarray]] = []
    for frames, labels in pairs:
        engine.learn(frames, labels, lambda name, output: found.append((name, output.copy())))
    return found


@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_a_recorder_is_told_the_same(mode) -> None:
    spec = with_learning(
        one_to_one_below(), learning_rate=0.03, mode=mode, plastic=["hidden", "out"]
    )
    engines = [Engine(spec, compiled=compiled) for compiled in (True, False)]
    told = [heard(engine, batches(spec, 0.3)) for engine in engines]
    assert len(told[0]) == len(told[1]) == 3 * 12 * 3
    for (ours, output), (theirs, expected) in zip(*told, strict=True):
        assert ours == theirs
        assert_near(output, expected, ours)


def test_a_recorder_hears_the_membranes_of_local_readouts(rng) -> None:
    graph = local_readouts(GRAPHS["residual"](rng))
    spec = with_learning(graph, rule="decolle", learning_rate=0.1)
    told = [heard(Engine(spec, compiled=c), batches(spec, 0.5)) for c in (True, False)]
    answers = [output for name, output in told[1] if name == "a1_readout"]
    assert len(answers) == 3 * spec.time_steps and np.any(answers)
    for (ours, output), (theirs, expected) in zip(*told, strict=True):
        assert ours == theirs
        assert_near(output, expected, ours)


def test_diverging_is_told_as_the_engine_tells_it() -> None:
    spec = network(8, 200, learning_rate=1e6, mse_weight=1.0)
    frames, labels = frames_of(spec, 0.9, 0), np.array([0])
    for compiled in (False, True):
        with np.errstate(all="ignore"), pytest.raises(FloatingPointError, match="diverged"):
            Engine(spec, compiled=compiled).learn(frames, labels)


def test_bad_frames_and_labels_are_refused_as_by_the_engine() -> None:
    spec = network(9)
    engine = Engine(spec, compiled=True)
    good = frames_of(spec, 0.2, 0)
    with pytest.raises(ValueError, match="frames have shape"):
        engine.learn(np.zeros((1, 3, 20), np.uint8), np.array([0]))
    with pytest.raises(ValueError, match="label 9 is out of range"):
        engine.learn(good, np.array([9]))
    with pytest.raises(ValueError, match="label -1 is out of range"):
        engine.learn(good, np.array([-1]))
    with pytest.raises(ValueError, match="NaN"):
        engine.learn(np.full(good.shape, np.nan), np.array([0]))
    assert engine.snapshot() == spec
