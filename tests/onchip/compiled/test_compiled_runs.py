"""Samples that kernels only run give what the NumPy engine gives, and leave what it leaves."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from compiled_cases import BOUND, assert_near, frames_of, network
from compiled_convolutions import convolutional
from graph_cases import GRAPHS, random_graphs
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onchip import LIF, Engine, LeakyIntegrator, LinearReadout
from onchip.deploy.quantization.network import quantize
from onchip.engine.compiled import runs
from onchip.engine.compiled.runs import Runs, is_sparse, products
from onchip.network.learning import with_learning, without_learning
from onchip.network.partition import split_trunk
from onchip.network.shares import with_shares
from onchip.program.lower import lower_for_engine


@pytest.fixture(autouse=True)
def whatever_spikes(monkeypatch) -> None:
    """Kernels run these samples, also where NumPy would be faster."""
    monkeypatch.setattr(runs, "LARGEST_SHARE", {False: (1.0, 1.0), True: (1.0, 1.0)})


def heard(engine: Engine, frames: np.ndarray) -> tuple[np.ndarray, list[tuple[str, np.ndarray]]]:
    told: list[tuple[str, np.ndarray]] = []
    return engine.run(frames, lambda name, output: told.append((name, output.copy()))), told


def assert_equal_runs(spec, frames: np.ndarray, **options) -> None:
    """Outputs, what a recorder hears and all that is left; integers and spikes in every bit."""
    kernels, engine = Engine(spec, run_from=0, **options), Engine(spec, **options)
    assert kernels.compiled_runs.active, kernels.compiled_runs.reason
    (ours, told), (theirs, expected) = heard(kernels, frames), heard(engine, frames)
    bound = BOUND if engine.dtype == np.float64 else 1e-5
    bound = 0.0 if engine.dtype == np.int64 else bound
    assert_near(ours, theirs, "outputs", bound)
    assert [name for name, _ in told] == [name for name, _ in expected]
    spiking = {p.name for p in lower_for_engine(spec).populations if p.spiking}
    for (name, output), (_, wanted) in zip(told, expected, strict=True):
        assert_near(output, wanted, name, 0.0 if name in spiking else bound)
    assert_near(kernels.run(frames), theirs, "without a recorder", bound)
    engine.run(frames)  # integers have used up random numbers for it
    left, right = kernels.state(), engine.state()
    assert left.keys() == right.keys()
    for name, array in right.items():
        assert_near(left[name], array, name, bound)


@settings(max_examples=25, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    integers=st.booleans(),
    decay=st.sampled_from((1.0, 0.9, 0.5, 0.1)),
    steps=st.sampled_from((1, 2, 14)),
    rate=st.sampled_from((0.0, 0.05, 0.4, 1.0)),
    reset=st.sampled_from(("soft", "hard")),
    readout=st.sampled_from((LeakyIntegrator, LinearReadout, LIF)),
    recurrent=st.booleans(),
    learns=st.booleans(),
    samples=st.sampled_from((1, 3)),
)
def test_dense_networks_run_as_in_the_engine(
    seed, integers, decay, steps, rate, reset, readout, recurrent, learns, samples
) -> None:
    options = {"decay": min(decay, 0.98) if integers else decay, "reset": reset}
    recurrent = recurrent and not (integers and readout is LIF)  # which integers refuse
    spec = network(
        seed, steps, recurrent=recurrent, readout=readout, feedback="symmetric", **options
    )
    spec = spec if learns else without_learning(spec)
    assert_equal_runs(quantize(spec) if integers else spec, frames_of(spec, rate, seed, samples))


@settings(max_examples=20, suppress_health_check=[HealthCheck.too_slow])
@given(
    seed=st.integers(0, 10**6),
    integers=st.booleans(),
    depth=st.integers(1, 3),
    rate=st.sampled_from((0.0, 0.1, 1.0)),
    whole=st.booleans(),
)
def test_convolutions_run_as_in_the_engine(seed, integers, depth, rate, whole) -> None:
    """Whole networks, and the frozen convolutions alone, whose outputs are spikes."""
    learning = {} if whole else {"plastic": ["out"]}
    spec = convolutional(seed, depth, 5, 0.5, learning_rate=0.1, **learning)
    spec = quantize(spec) if integers else spec
    spec = spec if whole else split_trunk(spec)[0]
    assert_equal_runs(spec, frames_of(spec, rate, seed, 2))


@pytest.mark.parametrize("integers", [False, True])
@pytest.mark.parametrize("name", GRAPHS)
def test_graphs_run_as_in_the_engine(rng, name, integers) -> None:
    """Skip connections, recurrence and spikes that come back from above a step later."""
    spec = with_learning(GRAPHS[name](rng), learning_rate=0.02, feedback="symmetric")
    spec = quantize(spec) if integers else spec
    assert_equal_runs(spec, frames_of(spec, 0.5, 0, 2))


@settings(max_examples=10, suppress_health_check=[HealthCheck.too_slow])
@given(graph=random_graphs())
def test_random_graphs_run_as_in_the_engine(graph) -> None:
    assert_equal_runs(graph, frames_of(graph, 0.5, 1, 2))


def test_what_cannot_learn_by_kernels_may_run_by_them(rng) -> None:
    """Eligibilities that are filtered advance in the state that is left, too."""
    spec = with_learning(GRAPHS["recurrent"](rng), learning_rate=0.1, rule="e-prop")
    spec = with_shares(spec, {"out": np.linspace(0.1, 1, spec.classes)})
    assert not Engine(spec, compiled=True).compiled.active
    assert_equal_runs(spec, frames_of(spec, 0.4, 0, 1))


def test_currents_and_single_precision_are_run(rng) -> None:
    spec = convolutional(5, 2, 4, 0.5, learning_rate=0.01)
    frames = rng.normal(0, 1, (3, 4, *spec.input_shape))
    frames[:, ::2] = 0
    assert_equal_runs(spec, frames)
    assert_equal_runs(spec, (frames > 1).astype(np.int64) * 3)
    spec = network(4, 6)
    assert_equal_runs(spec, frames_of(spec, 0.2, 1, 2), dtype=np.float32)


@pytest.mark.parametrize("integers", [False, True])
def test_runs_between_learning_change_nothing_and_see_what_was_learned(integers) -> None:
    spec = convolutional(7, 2, 9, 0.5, learning_rate=0.3 if integers else 0.01)
    spec = quantize(spec) if integers else spec
    engines = [Engine(spec, compiled=True), Engine(spec, run_from=0), Engine(spec)]
    bound = 0.0 if integers else BOUND
    for number in range(3):
        frames, label = frames_of(spec, 0.3, number, 2), np.array([number])
        outputs = [engine.run(frames) for engine in engines]
        for engine in engines:
            engine.learn(frames[:1], label)
        outputs = [engine.run(frames[1:]) for engine in engines]
        looked = [engine.potentials()["out"] if number == 1 else 0 for engine in engines]
        steps = [engine.step(frames[:1, 0]) for engine in engines]  # it goes on from there
        for found in (outputs, looked, steps):
            assert all(np.abs(each - found[2]).max() <= bound * 10 for each in found)
        for engine in engines:
            engine.finish()
    states = [engine.state() for engine in engines]
    for name, array in states[2].items():
        assert all(np.abs(state[name] - array).max(initial=0) <= bound * 10 for state in states)
    snapshots = [engine.snapshot() for engine in engines]
    assert snapshots[2] != spec
    assert not integers or snapshots[0] == snapshots[1] == snapshots[2]


def test_long_runs_are_listed_block_by_block(monkeypatch) -> None:
    spec = network(3, 4)
    monkeypatch.setattr(runs, "BLOCK", 2 * 4 * 20)
    seen: list[int] = []
    events = Runs._events
    monkeypatch.setattr(Runs, "_events", lambda self, f: seen.append(len(f)) or events(self, f))
    assert_equal_runs(spec, frames_of(spec, 0.3, 0, 5))
    assert seen == [8, 8, 4] * 2


def test_a_frame_array_that_is_changed_later_changes_no_state() -> None:
    spec = network(3)
    kernels, engine = Engine(spec, run_from=0), Engine(spec)
    frames = frames_of(spec, 0.3, 0, 2)
    engine.run(frames)
    kernels.run(frames)
    frames[:] = 1
    assert_near(kernels.potentials()["fc2"], engine.potentials()["fc2"], "potentials")


def test_what_spikes_much_and_small_calls_are_left_to_numpy(monkeypatch) -> None:
    monkeypatch.undo()
    frames = np.zeros((4, 5, 20))
    assert is_sparse(frames, False) and not is_sparse(frames + 1, False)
    assert is_sparse(frames[:1] + 1, True) and not is_sparse(frames + 1, True)
    spec = replace(network(2), time_steps=5)
    whole = 20 * 13 + 13 + 13 * 9 + 9 * 5 + 5  # weights and the columns of two biases
    assert products(lower_for_engine(spec)) == whole
    calls: list[int] = []
    run = Runs.run
    monkeypatch.setattr(Runs, "run", lambda self, *rest: calls.append(1) or run(self, *rest))
    for least, taken in ((4 * 5 * whole + 1, 0), (4 * 5 * whole, 1)):
        Engine(spec, run_from=least).run(frames)
        assert len(calls) == taken
    Engine(spec, compiled=True).run(frames + 1)
    assert len(calls) == 1


def test_bad_frames_are_refused_as_by_the_engine() -> None:
    spec = quantize(network(9, feedback="symmetric"))
    with pytest.raises(ValueError, match="frames hold the value 2"):
        Engine(spec, run_from=0).run(frames_of(spec, 0.3, 0) * 2)
