"""One interface, whatever executes the network; checked on the NumPy backend."""

from __future__ import annotations

import numpy as np
import pytest

import onchip.deploy.backends.host
from onchip import Engine, NetworkSpec
from onchip.deploy.backends.table import build
from onchip.network.learning import without_learning


def test_running_in_chunks_equals_the_engine_on_all_samples(
    spec: NetworkSpec, samples, rng, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(onchip.deploy.backends.host, "CHUNK", 3)
    frames, _ = samples(spec, 8, rng)
    with build(spec) as network:
        result = network.run(frames)
    np.testing.assert_allclose(result.outputs, Engine(spec).run(frames), rtol=1e-12)
    assert result.spikes == {}


def test_recorded_spikes_are_those_of_the_engine_step_by_step(spec, samples, rng) -> None:
    frames, _ = samples(spec, 4, rng)
    seen: dict[str, list[np.ndarray]] = {}
    Engine(spec).run(frames, lambda name, out: seen.setdefault(name, []).append(out.reshape(4, -1)))
    with build(spec, record=True) as network:
        spikes = network.run(frames).spikes
    assert set(spikes) == {layer.name for layer in spec.layers[:-1]}
    for name, values in spikes.items():
        assert values.sum() > 0
        np.testing.assert_array_equal(values, np.stack(seen[name], axis=1))


def test_learning_takes_one_sample_at_a_time_in_order(spec, samples, rng) -> None:
    frames, labels = samples(spec, 7, rng)
    engine = Engine(spec)
    outputs = [engine.learn(frames[i : i + 1], labels[i : i + 1])[0] for i in range(7)]
    with build(spec) as network:
        result = network.learn(frames, labels)
        learned = network.snapshot()
    np.testing.assert_allclose(result.outputs, outputs, rtol=1e-12)
    for ours, theirs in zip(learned.layers, engine.snapshot().layers, strict=True):
        np.testing.assert_allclose(ours.weight, theirs.weight, rtol=1e-12)
    assert result.samples == 7 and result.predictions is None
    assert result.steps_per_second == pytest.approx(7 * spec.time_steps / result.seconds)


def test_measured_predictions_come_before_the_sample_is_learned(spec, samples, rng) -> None:
    frames, labels = samples(spec, 6, rng)
    engine, expected = Engine(spec), []
    for i in range(6):
        expected.append(int(engine.run(frames[i : i + 1]).sum(1).argmax()))
        engine.learn(frames[i : i + 1], labels[i : i + 1])
    with build(spec) as network:
        result = network.learn(frames, labels, measure=True)
        learned = network.snapshot()
    assert result.predictions is not None
    assert result.predictions.tolist() == expected
    with build(spec) as network:
        every_second = network.learn(frames, labels, measure=2).predictions
    assert every_second is not None and every_second.tolist() == expected[::2]
    np.testing.assert_allclose(
        learned.layers[-1].weight, engine.snapshot().layers[-1].weight, rtol=1e-12
    )


def test_evaluate_counts_the_right_predictions(dense, samples, rng) -> None:
    frames, _ = samples(dense, 10, rng)
    truth = Engine(dense).run(frames).sum(1).argmax(1)
    labels = truth.copy()
    labels[:3] = (labels[:3] + 1) % 3
    with build(dense) as network:
        assert network.evaluate(frames, labels) == pytest.approx(0.7)


def test_running_does_not_learn(spec, samples, rng) -> None:
    frames, labels = samples(spec, 5, rng)
    with build(spec) as network:
        network.run(frames)
        network.evaluate(frames, labels)
        assert network.snapshot() == spec


def test_unknown_names_list_the_valid_ones(dense: NetworkSpec) -> None:
    with pytest.raises(
        ValueError, match="'loihi9' is unknown; choose one of torch, numpy, compiled, lava"
    ):
        build(dense, "loihi9")
    with pytest.raises(ValueError, match="sequenced, pipelined"):
        build(dense, schedule="sideways")


def test_data_that_does_not_fit_is_refused_before_anything_runs(dense, samples, rng) -> None:
    frames, labels = samples(dense, 3, rng)
    with build(dense) as network:
        with pytest.raises(ValueError, match="frames have shape"):
            network.run(frames[:, :2])
        with pytest.raises(ValueError, match="label 9 is out of range"):
            network.learn(frames, np.array([0, 9, 1]))
        with pytest.raises(ValueError, match="labels have shape"):
            network.evaluate(frames, labels[:2])
        assert network.snapshot() == dense
    with build(without_learning(dense)) as network, pytest.raises(ValueError, match="no learning"):
        network.learn(frames, labels)


@pytest.mark.parametrize("backend", ["numpy", "lava-fast", "lava-fused"])
def test_a_setting_that_does_not_exist_cannot_be_set(dense, backend) -> None:
    with build(dense, backend) as network:
        for name in ("learning_rate", "learning", "record"):
            with pytest.raises(AttributeError, match=f"Execution has no attribute '{name}'"):
                setattr(network, name, 0.5)
            with pytest.raises(AttributeError, match=f"has no attribute '{name}'"):
                setattr(network._network, name, 0.5)
