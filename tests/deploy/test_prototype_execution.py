"""A head of prototypes on a backend: streams, is saved, goes on, refuses and ends."""

from __future__ import annotations

import numpy as np
import pytest
from prototype_cases import LIMIT, STEPS, prototype_case, same_state

from onchip.deploy.lifelong.prototype_execution import PLACES, PrototypeExecution

BACKENDS = ("numpy", "lava", "lava-fast")


def through(head, samples, backend="numpy", runtime=None):
    with PrototypeExecution(head, STEPS, backend, runtime) as execution:
        found = execution.stream(samples)
        return found, execution.state()


@pytest.mark.parametrize("precision", ["float", "integers"])
def test_backends_answer_learn_and_save_alike(tmp_path, precision):
    head, samples = prototype_case(precision, 40)
    expected, state = through(head, samples)
    assert expected.learned.max() > 3 and (expected.learned[3::5] == -1).all()
    for backend in BACKENDS:
        file = tmp_path / f"{backend}.stream"
        with PrototypeExecution(head, STEPS, backend) as execution:
            first = execution.stream(samples, lambda outcome: outcome.index == 16)
            assert execution.samples == 17
            execution.save(file)
        with PrototypeExecution(head, STEPS, backend) as execution:
            assert execution.resume(file) == 17
            rest = execution.stream(samples[17:])
            same_state(state, execution.state(), precision)
            learned = execution.snapshot()
        found = np.concatenate([first.learned, rest.learned])
        np.testing.assert_array_equal(found, expected.learned)
        predicted = np.concatenate([first.predictions, rest.predictions])
        np.testing.assert_array_equal(predicted, expected.predictions)
        same_state(state, learned.state(), precision)


def test_a_stream_in_one_process_for_each_lava_process_is_the_same():
    head, samples = prototype_case("integers", 8)
    expected, state = through(head, samples)
    found, other = through(head, samples, "lava", "processes")
    np.testing.assert_array_equal(found.learned, expected.learned)
    same_state(state, other, "integers")


def test_labelled_and_unlabelled_samples_at_once(precision="float"):
    head, samples = prototype_case(precision, 25)
    frames = np.array([spikes for spikes, _ in samples])
    labels = np.array([0 if label is None else label for _, label in samples])
    counts = frames.sum(axis=1)
    for backend in ("numpy", "lava-fast"):
        with PrototypeExecution(head, STEPS, backend) as execution:
            np.testing.assert_array_equal(execution.run(frames).predictions, head.predict(counts))
            learned = execution.learn(frames, labels).learned
            assert (learned == -1).tolist() == (counts.sum(axis=1) == 0).tolist()
            assert execution.snapshot().labels != head.labels == [0, 1]


@pytest.mark.parametrize("backend", ["numpy", "lava-fast"])
def test_what_does_not_fit_is_refused_and_everything_ends(tmp_path, backend):
    head, samples = prototype_case("integers", 30)
    with PrototypeExecution(head, STEPS, backend) as execution:
        with pytest.raises(ValueError, match=r"a sample has shape \(3, 12\); give spikes"):
            execution.run(samples[0][0][np.newaxis, :3])
        with pytest.raises(ValueError, match="frames hold the value 2"):
            execution.run(2 * samples[0][0][np.newaxis])
        with pytest.raises(ValueError, match="1 samples and 0 labels"):
            execution.learn(samples[0][0][np.newaxis], np.array([]))
        execution.stream(samples[:5])
        execution.save(tmp_path / "one.stream")
        with pytest.raises(ValueError, match="have run already"):
            execution.resume(tmp_path / "one.stream")
    other, _ = prototype_case("integers", 30, novelty=0.5)
    with PrototypeExecution(other, STEPS, backend) as execution:
        with pytest.raises(ValueError, match="it was saved with network"):
            execution.resume(tmp_path / "one.stream")
        broken = execution.state() | {"labels": np.full(LIMIT, -2)}
        with pytest.raises(ValueError, match="state 'labels' holds other than whole numbers"):
            execution._network.restore(broken)
        gap = execution.state()
        gap["labels"][0] = -1
        with pytest.raises(ValueError, match="a free neuron before one that is taken"):
            execution._network.restore(gap)
    execution.close()


@pytest.mark.parametrize("backend", ["numpy", "lava-fast"])
def test_a_class_without_a_free_neuron_and_one_below_zero_are_told(backend):
    head, samples = prototype_case("float", 4)
    full = type(head)(head.weights, head.labels, head.seen, limit=2)
    with (
        PrototypeExecution(full, STEPS, backend) as execution,
        pytest.raises(Exception, match="class 7 needs a neuron, but all 2 are taken"),
    ):
        execution.learn(samples[0][0][np.newaxis], np.array([7]))
    with (
        PrototypeExecution(full, STEPS, backend) as execution,
        pytest.raises(ValueError, match="label is -1"),
    ):
        execution.learn(samples[0][0][np.newaxis], np.array([-1]))


def test_unknown_backends_runtimes_and_steps_are_refused():
    head, _ = prototype_case("integers")
    with pytest.raises(ValueError, match="prototypes: backend"):
        PrototypeExecution(head, STEPS, "loihi2")
    with pytest.raises(ValueError, match="the host has none"):
        PrototypeExecution(head, STEPS, "numpy", "processes")
    with pytest.raises(ValueError, match="calibrated for samples of 4 steps, not 5"):
        PrototypeExecution(head, STEPS + 1, "numpy")
    with pytest.raises(ValueError, match="63 steps does not fit"):
        PrototypeExecution(prototype_case("float")[0], 63, "lava")
    assert "loihi2" not in PLACES
