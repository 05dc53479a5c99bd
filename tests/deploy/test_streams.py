"""Streams: one sample after the other on every backend, stopped, saved, resumed, rates changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from onchip import Engine, chain
from onchip.deploy import Quantization, build, quantize
from onchip.deploy.backends.rates import at_rate
from onchip.deploy.backends.table import BACKENDS
from onchip.network.chain import graph_of
from onchip.network.learning import with_learning, without_learning
from onchip.objectives.regression import Regression
from onchip.program.graphs import as_graph

FLOATS = ("numpy", "compiled", "torch", "lava", "lava-fast", "lava-fused", "lava-compiled")
INTEGERS = ("numpy", "compiled", "lava", "lava-fast", "lava-fused", "lava-compiled")
KINDS = [*((b, "float") for b in FLOATS), *((b, "fixed") for b in INTEGERS)]


@pytest.fixture(params=["chain", "graph"])
def network(request: pytest.FixtureRequest, dense: Any) -> Callable[[str], Any]:
    """The network of the tests as a chain or as a graph, in a precision."""
    surrogate = replace(dense.layers[0].neuron.surrogate, name="rectangle", parameter=None)
    hidden = [
        replace(layer, neuron=replace(layer.neuron, surrogate=surrogate), recurrent_weight=None)
        for layer in dense.layers[:-1]
    ]
    spec = replace(dense, layers=(*hidden, dense.layers[-1]))
    spec = graph_of(spec) if request.param == "graph" else spec
    return lambda precision: quantize(spec) if precision == "fixed" else spec


def stream_of(samples: Any, missing: tuple[int, ...] = ()) -> list[Any]:
    return [
        (frames, None if i in missing else int(label))
        for i, (frames, label) in enumerate(zip(*samples, strict=True))
    ]


def weights(spec: Any) -> dict[str, np.ndarray]:
    graph = as_graph(spec)
    return {n: c.transform.weight for n, c in zip(graph.names, graph.connections, strict=True)}


def assert_same(ours: Any, theirs: Any, exact: bool = True) -> None:
    for name, expected in weights(theirs).items():
        np.testing.assert_allclose(
            weights(ours)[name], expected, rtol=0, atol=0 if exact else 1e-9, err_msg=name
        )


def by_engine(spec: Any, stream: list[Any]) -> tuple[list[np.ndarray], Any]:
    """What the engine makes of the samples in turn: outputs of each and the learned network."""
    engine, outputs = Engine(spec), []
    for frames, label in stream:
        one = frames[np.newaxis]
        made = engine.run(one) if label is None else engine.learn(one, np.array([label]))
        outputs.append(made[0])
    return outputs, engine.snapshot()


@pytest.mark.parametrize(("backend", "precision"), KINDS)
def test_a_generator_with_missing_labels_gives_what_the_engine_gives(
    network, samples, rng, backend: str, precision: str
) -> None:
    spec = network(precision)
    stream = stream_of(samples(spec, 6, rng), missing=(1, 4))
    expected, learned = by_engine(spec, stream)
    events: list[Any] = []
    with build(spec, backend, record=True) as execution:
        result = execution.stream((item for item in stream), events.append, changes=True)
        assert_same(execution.snapshot(), learned, exact=precision == "fixed")
        assert execution.samples == 6
    assert [event.index for event in events] == list(range(6))
    assert [event.learned for event in events] == [True, False, True, True, False, True]
    for event, outputs in zip(events, expected, strict=True):
        np.testing.assert_allclose(event.outputs, outputs, rtol=0, atol=1e-9)
        moved = max(np.abs(change).max() for change in event.changes.values())
        assert moved > 0 if event.learned else moved == 0
        assert event.spikes["first"].shape == (4, 8) and event.spikes["first"].any()
    total = {n: sum(event.changes[n] for event in events) for n in events[0].changes}
    with build(spec, backend) as execution:
        start = execution.snapshot()
    for name, change in total.items():
        # Lava drops the lowest bit of loaded integers, so the start is known to one unit only.
        np.testing.assert_allclose(weights(start)[name] + change, weights(learned)[name], atol=1.0)
    right = [event.correct for event in events if event.correct is not None]
    assert result.samples == 6 and result.learned == 4 and not result.stopped
    assert result.accuracy == sum(right) / 4
    assert result.correct.tolist() == [-1 if e.correct is None else int(e.correct) for e in events]


@pytest.mark.parametrize(("backend", "precision"), KINDS)
def test_a_stream_that_is_stopped_saved_and_resumed_is_the_one_that_never_stopped(
    network, samples, rng, tmp_path, backend: str, precision: str
) -> None:
    spec = network(precision)
    stream = stream_of(samples(spec, 7, rng), missing=(2,))
    path = tmp_path / "x.stream"
    with build(spec, backend) as execution:
        whole: list[Any] = []
        execution.stream(stream, whole.append)
        expected = execution.snapshot()
    with build(spec, backend) as execution:
        assert execution.stream(stream, lambda event: event.index == 3).stopped
        execution.save(path)
    rest: list[Any] = []
    with build(spec, backend) as execution:
        assert execution.resume(path) == 4
        execution.stream(stream[4:], rest.append)
        assert_same(execution.snapshot(), expected)
        assert execution.samples == 7
    for ours, theirs in zip(rest, whole[4:], strict=True):
        np.testing.assert_array_equal(ours.outputs, theirs.outputs)


@pytest.mark.parametrize(("backend", "precision"), KINDS)
def test_a_rate_set_in_a_callback_holds_from_the_next_sample_on(
    network, samples, rng, tmp_path, backend: str, precision: str
) -> None:
    """The oracle: an engine of the network at the other rate goes on from the first one's state."""
    spec = network(precision)
    stream = stream_of(samples(spec, 6, rng))
    first = Engine(spec)
    for frames, label in stream[:3]:
        first.learn(frames[np.newaxis], np.array([label]))
    second = Engine(at_rate(first.snapshot(), 0.05))
    second.restore(first.state())
    for frames, label in stream[3:5]:
        second.learn(frames[np.newaxis], np.array([label]))

    with build(spec, backend) as execution:

        def slower(event: Any) -> bool | None:
            if event.index == 2:
                execution.set_learning_rate(0.05)
            return event.index == 4

        execution.stream(stream, slower)
        assert_same(execution.snapshot(), second.snapshot(), exact=precision == "fixed")
        execution.save(tmp_path / "x.stream")
    frames, label = stream[5]
    second.learn(frames[np.newaxis], np.array([label]))
    with build(spec, backend) as execution:  # the file knows the rate
        execution.resume(tmp_path / "x.stream")
        execution.stream(stream[5:])
        assert_same(execution.snapshot(), second.snapshot(), exact=precision == "fixed")


@pytest.mark.parametrize("backend", FLOATS)
def test_rates_per_population_hold_each_for_its_own(dense, samples, rng, backend: str) -> None:
    """With a rate a billion times smaller the other weights stay where they are, to 1e-7."""
    spec = graph_of(dense)
    stream = stream_of(samples(spec, 3, rng))
    rates = {"first": 1e-9, "second": 0.3, "readout": 1e-9}
    with build(spec, backend) as execution:
        execution.set_learning_rate(rates)
        execution.stream(stream)
        learned = weights(execution.snapshot())
    moved = {n: np.abs(values - weights(spec)[n]).max() for n, values in learned.items()}
    assert moved["second.synapses"] > 1e-3
    assert all(m < 1e-7 for name, m in moved.items() if not name.startswith("second"))
    with build(spec, backend) as execution:
        with pytest.raises(ValueError, match="learning rates of first were given, but first, sec"):
            execution.set_learning_rate({"first": 1.0})


@pytest.mark.parametrize("backend", FLOATS)
def test_targets_per_step_and_samples_without_are_mixed_in_a_stream(
    dense, samples, rng, backend: str
) -> None:
    spec = chain(without_learning(dense).layers, dense.input_shape, dense.time_steps)
    spec = with_learning(spec, learning_rate=0.2, objective=Regression())
    frames, _ = samples(spec, 4, rng)
    targets = rng.normal(0, 1, (4, 4, 3))
    stream = [(frames[0], targets[0]), frames[1], (frames[2], None), (frames[3], targets[3])]
    engine = Engine(spec)
    for i in (0, 3):
        engine.learn(frames[[i]], targets[[i]])
    with build(spec, backend) as execution:
        result = execution.stream(stream)
        assert_same(execution.snapshot(), engine.snapshot(), exact=False)
    assert result.learned == 2 and result.correct.tolist() == [-1] * 4
    assert np.isnan(result.accuracy)


def test_nothing_is_read_ahead_and_the_iterator_goes_on_where_it_was(dense, samples, rng) -> None:
    taken: list[int] = []

    def endless() -> Iterator[Any]:
        frames, labels = samples(dense, 5, rng)
        for i in range(1000):
            taken.append(i)
            yield frames[i % 5], int(labels[i % 5])

    source = endless()
    with build(dense, "lava-fused") as execution:
        execution.stream(source, lambda event: event.index == 2)
        assert taken == [0, 1, 2]
        execution.stream(source, lambda event: event.index == 1)
        assert taken == [0, 1, 2, 3, 4] and execution.samples == 5


@pytest.mark.parametrize("backend", ["numpy", "lava-fused"])
def test_what_is_measured_before_learning_is_what_the_network_predicts(
    dense, samples, rng, backend: str
) -> None:
    stream = stream_of(samples(dense, 4, rng), missing=(1,))
    events: list[Any] = []
    with build(dense, backend) as execution:
        execution.stream(stream, events.append, measure=2)
    assert [event.before is None for event in events] == [False, True, False, True]
    engine = Engine(dense)
    for event, (frames, label) in zip(events, stream, strict=True):
        predicted = int(engine.run(frames[np.newaxis]).sum((0, 1)).argmax())
        if event.before is not None:
            assert event.before == event.prediction == predicted
        if label is not None:
            engine.learn(frames[np.newaxis], np.array([label]))


def test_a_stream_through_convolutions_on_the_host_is_that_of_the_whole(spec, rng, samples) -> None:
    stream = stream_of(samples(spec, 5, rng), missing=(3,))
    _, learned = by_engine(spec, stream)
    events: list[Any] = []
    with build(spec, "lava-fast", record=True) as execution:
        execution.stream(stream, events.append)
        execution.set_learning_rate(0.1)
        assert_same(execution.snapshot(), learned, exact=False)
    assert set(events[0].spikes) == {layer.name for layer in spec.layers[:-1]}


def test_what_does_not_fit_is_refused_naming_the_sample(dense, samples, rng, tmp_path) -> None:
    stream = stream_of(samples(dense, 3, rng))
    with build(dense) as execution:
        with pytest.raises(ValueError, match="stream: sample 1: label 9 is out of range"):
            execution.stream([stream[0], (stream[1][0], 9)])
        assert execution.samples == 1
        execution.save(tmp_path / "x")
        with pytest.raises(ValueError, match="this network has run already; build a new one"):
            execution.resume(tmp_path / "x")
        with pytest.raises(ValueError, match="sample 0: frames have shape"):
            execution.stream([stream[0][0][:2]])
        with pytest.raises(ValueError, match="learning_rate"):
            execution.set_learning_rate(-1.0)
        execution.stream(stream)  # it goes on
    with build(without_learning(dense)) as execution:
        assert execution.stream([frames for frames, _ in stream]).learned == 0
        with pytest.raises(ValueError, match="sample 0: network: it has no learning section"):
            execution.stream(stream)


def test_a_file_of_another_network_or_backend_or_damaged_is_refused(
    dense, samples, rng, tmp_path
) -> None:
    path = tmp_path / "x.stream"
    with build(dense) as execution:
        execution.stream(stream_of(samples(dense, 2, rng)))
        learned = execution.snapshot()
        execution.save(path)
    with build(learned) as execution:  # other weights, the same network
        assert execution.resume(path) == 2
    with build(dense, "lava-fused") as execution:
        with pytest.raises(ValueError, match="with backend 'numpy', here it is 'lava-fused'"):
            execution.resume(path)
    longer = replace(dense, time_steps=5)
    with build(longer) as execution:
        with pytest.raises(ValueError, match="it was saved with network"):
            execution.resume(path)
        with pytest.raises(FileNotFoundError, match=r"no\.stream does not exist"):
            execution.resume(tmp_path / "no.stream")
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 4
    path.write_bytes(data)
    with build(dense) as execution:
        with pytest.raises(ValueError, match=r"x\.stream: it is damaged or none"):
            execution.resume(path)


def test_integers_of_another_seed_are_another_network(network, samples, rng, tmp_path) -> None:
    """Their random numbers would not be those that the state goes on with."""
    fixed, path = network("fixed"), tmp_path / "x.stream"
    other = quantize(network("float"), Quantization(seed=7))
    with build(fixed) as execution:
        execution.stream(stream_of(samples(fixed, 2, rng)))
        execution.save(path)
    with build(other) as execution:
        with pytest.raises(ValueError, match="it was saved with network"):
            execution.resume(path)


def test_every_backend_of_the_table_is_tried_here() -> None:
    rows = {name: backend for name, backend in BACKENDS.items() if not backend.chip}
    assert set(rows) == set(FLOATS)
    assert {name for name, row in rows.items() if "fixed" in row.resumes} == set(INTEGERS)
