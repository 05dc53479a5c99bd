from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from onchip import LIF, ConvSpec, DenseSpec, Engine, LeakyIntegrator, NetworkSpec
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.network.transforms import Bias, Dense


@pytest.fixture
def conv_network(rng) -> NetworkSpec:
    """A strided and a padded convolution, a plastic hidden layer and readout; T = 4."""
    layers = (
        ConvSpec("a", rng.normal(0.1, 0.4, (3, 2, 3, 3)), LIF(), (2, 6, 5), None, (2, 1), (1, 0)),
        ConvSpec(
            "b", rng.normal(0.1, 0.4, (2, 3, 2, 2)), LIF(0.8), (3, 3, 3), rng.normal(0, 0.1, 2)
        ),
        DenseSpec("hidden", rng.normal(0.1, 0.5, (5, 8)), LIF(), rng.normal(0, 0.1, 5)),
        DenseSpec("out", rng.normal(0, 0.5, (3, 5)), LeakyIntegrator()),
    )
    return with_learning(NetworkSpec(layers, (2, 6, 5), 4), learning_rate=0.5)


def torch_outputs(spec: NetworkSpec, frames: np.ndarray) -> np.ndarray:
    """The network's outputs [samples, T, classes], its convolutions and products from torch."""
    u, s, outputs = {}, {}, []
    for n in range(frames.shape[1]):
        x = torch.from_numpy(frames[:, n]).double()
        for layer in spec.layers:
            weight, bias = torch.tensor(layer.weight), layer.bias
            bias = None if bias is None else torch.tensor(bias)
            if isinstance(layer, ConvSpec):
                current = functional.conv2d(x, weight, bias, layer.stride, layer.padding)
            else:
                current = functional.linear(x.flatten(1), weight, bias)
            name, neuron = layer.name, layer.neuron
            before, fired = u.get(name, 0 * current), s.get(name, 0 * current)
            if isinstance(neuron, LIF):
                u[name] = neuron.decay * (before - neuron.v_threshold * fired) + current
                x = s[name] = (u[name] >= neuron.v_threshold).double()
            else:
                x = u[name] = neuron.decay * before + current
        outputs.append(x.numpy())
    return np.stack(outputs, axis=1)


def bernoulli(rng, shape) -> np.ndarray:
    return (rng.random(shape) < 0.5).astype(np.uint8)


def test_a_convolutional_network_runs_as_in_torch(conv_network, rng):
    frames = bernoulli(rng, (5, 4, 2, 6, 5))
    outputs = Engine(conv_network).run(frames)
    assert outputs.std() > 0.1
    np.testing.assert_allclose(outputs, torch_outputs(conv_network, frames), rtol=0, atol=1e-12)


def test_learning_behind_convolutions_equals_learning_from_their_spikes(conv_network, rng):
    frames, labels, seen = bernoulli(rng, (3, 4, 2, 6, 5)), np.array([0, 2, 1]), []
    engine = Engine(conv_network)
    engine.learn(frames, labels, lambda name, x: seen.append(x) if name == "b" else None)
    head = replace(conv_network, layers=conv_network.layers[2:], input_shape=(2, 2, 2))
    alone = Engine(head)
    alone.learn(np.stack(seen, axis=1), labels)
    assert engine.snapshot().layers[:2] == conv_network.layers[:2]
    assert engine.snapshot().layers[2:] == alone.snapshot().layers != head.layers


@pytest.mark.parametrize("mode, rate", [("online", 0.1), ("accumulate", 0.2)])
@pytest.mark.parametrize("feedback", ["exact", "symmetric", "random", "direct"])
def test_learning_lowers_the_loss(mode, rate, feedback, rng):
    """Six random samples in three classes, a network of 12-20-16-3."""
    sizes = ((20, 12), (16, 20), (3, 16))
    layers = tuple(
        DenseSpec(str(i), rng.normal(0, 1.5 * pre**-0.5, (post, pre)), neuron, np.zeros(post))
        for i, ((post, pre), neuron) in enumerate(
            zip(sizes, (LIF(), LIF(), LeakyIntegrator()), strict=True)
        )
    )
    spec = NetworkSpec(layers, (12,), 5)
    engine = Engine(with_learning(spec, learning_rate=rate, mode=mode, feedback=feedback))
    frames, labels = bernoulli(rng, (6, 5, 12)), np.array([0, 1, 2, 2, 1, 0])

    def loss() -> float:
        outputs = torch.from_numpy(engine.run(frames))
        targets = torch.from_numpy(labels).repeat_interleave(outputs.shape[1])
        return float(functional.cross_entropy(outputs.flatten(0, 1), targets))

    before = loss()
    for _ in range(100):
        engine.learn(frames, labels)
    fixed = feedback in ("random", "direct")  # slower, as the matrices have to be aligned with
    assert loss() < (0.8 if fixed else 0.4) * before


def test_running_leaves_the_weights_untouched_and_repeats_itself(network, samples):
    spec = with_learning(network, learning_rate=0.5)
    engine = Engine(spec)
    first = engine.run(samples[0])
    np.testing.assert_array_equal(engine.run(samples[0]), first)
    assert engine.snapshot() == spec


def test_learning_changes_neither_the_spec_nor_another_engine(network, samples):
    spec = with_learning(network, learning_rate=0.5)
    copies = [layer.weight.copy() for layer in spec.layers]
    engine, other = Engine(spec), Engine(spec)
    engine.learn(*samples)
    assert engine.snapshot() != spec
    assert other.snapshot() == spec
    for layer, copy in zip(spec.layers, copies, strict=True):
        np.testing.assert_array_equal(layer.weight, copy)


def test_a_snapshot_continues_as_the_engine_it_was_taken_from(network, samples):
    engine = Engine(with_learning(network, learning_rate=0.5))
    engine.learn(*samples)
    twin = Engine(engine.snapshot())
    np.testing.assert_array_equal(engine.learn(*samples), twin.learn(*samples))
    assert engine.snapshot() == twin.snapshot()


def test_a_snapshot_is_detached_from_later_learning(network, samples):
    engine = Engine(with_learning(network, learning_rate=0.5))
    snapshot = engine.snapshot()
    weight = snapshot.layers[-1].weight.copy()
    engine.learn(*samples)
    np.testing.assert_array_equal(snapshot.layers[-1].weight, weight)


def test_samples_of_a_batch_do_not_see_each_other(network, samples):
    engine, frames = Engine(network), samples[0]
    whole = engine.run(frames)
    for i in range(len(frames)):
        np.testing.assert_allclose(engine.run(frames[[i]])[0], whole[i], rtol=0, atol=1e-13)


def test_learning_step_by_step_equals_learning_a_sample(network, samples):
    frames, labels = samples
    spec = with_learning(network, learning_rate=0.5, mode="accumulate")
    whole, stepped = Engine(spec), Engine(spec)
    expected = whole.learn(frames, labels)
    stepped.reset(len(frames))
    for n in range(spec.time_steps):
        output = stepped.step(frames[:, n], np.eye(3)[labels])
        np.testing.assert_array_equal(output, expected[:, n])
    assert stepped.snapshot() == spec
    stepped.finish()
    assert stepped.snapshot() == whole.snapshot() != spec


@pytest.mark.parametrize("settings", [{"mode": "accumulate"}, {"update_delay": 1}])
def test_a_reset_drops_the_gradients_of_an_unfinished_sample(settings, network, samples):
    frames, labels = samples
    spec = with_learning(network, learning_rate=0.5, **settings)
    engine = Engine(spec)
    engine.reset(len(frames))
    engine.step(frames[:, 0], np.eye(3)[labels])
    engine.reset(len(frames))
    engine.finish()
    assert engine.snapshot() == spec


def test_float32_stays_float32_behind_a_map_with_a_frozen_bias(rng):
    convolution = Convolution(rng.normal(0, 1, (2, 1, 2, 2)), (1, 4, 4))
    connections = (
        Connection("input", "c", convolution),
        Connection("always_on", "c", Bias(np.full(2, 0.1), (2, 3, 3))),
        Connection("c", "out", Dense(rng.normal(0, 1, (2, 18)))),
    )
    populations = (Population("c", (2, 3, 3), LIF()), Population("out", (2,), LeakyIntegrator()))
    network = Network(populations, connections, (1, 4, 4), 3)
    spec = with_learning(network, plastic=["out"], learning_rate=0.1)
    for compiled in (False, True):
        single = Engine(spec, np.float32, compiled=compiled)
        outputs = single.run(np.ones((1, 3, 1, 4, 4), np.float32))
        state = single.state()
        assert outputs.dtype == np.float32
        assert {v.dtype for v in state.values() if v.dtype.kind == "f"} == {np.dtype(np.float32)}
        Engine(spec, np.float32).restore(state)


def test_float32_stays_close_to_float64(network, samples):
    spec = with_learning(network, learning_rate=0.1)
    single, double = Engine(spec, np.float32), Engine(spec)
    outputs, expected = single.learn(*samples), double.learn(*samples)
    assert outputs.dtype == np.float32 and expected.dtype == np.float64
    assert all(u.dtype == np.float32 for u in single.potentials().values())
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-5)
    for ours, other in zip(single.snapshot().layers, double.snapshot().layers, strict=True):
        np.testing.assert_allclose(ours.weight, other.weight, rtol=0, atol=1e-5)
        assert not np.array_equal(ours.weight, other.weight)


@pytest.mark.parametrize("dtype", [np.int32, np.float16, np.complex128, bool])
def test_a_type_that_would_spoil_the_weights_is_refused(dtype, network):
    with pytest.raises(ValueError, match=r"engine: dtype '\w+' is unknown; .*float64, float32"):
        Engine(network, dtype)


def test_the_recorder_sees_every_layer_at_every_step(network, samples):
    seen: list[tuple[str, tuple[int, ...]]] = []
    Engine(network).run(samples[0], lambda name, x: seen.append((name, x.shape)))
    step = [("one", (3, 6)), ("two", (3, 5)), ("three", (3, 4)), ("out", (3, 3))]
    assert seen == step * network.time_steps


def test_potentials_are_those_of_the_last_step_and_a_copy(network, samples):
    engine = Engine(network)
    outputs = engine.run(samples[0])
    potentials = engine.potentials()
    assert list(potentials) == ["one", "two", "three", "out"]
    np.testing.assert_array_equal(potentials["out"], outputs[:, -1])
    potentials["out"][:] = 7
    np.testing.assert_array_equal(engine.potentials()["out"], outputs[:, -1])


def test_learning_without_a_learning_section_is_refused(network, samples):
    with pytest.raises(ValueError, match="it has no learning section; use"):
        Engine(network).learn(*samples)


def test_divergence_is_an_error_and_leaves_the_weights_finite(network, samples):
    layers = (*network.layers[:-1], replace(network.layers[-1], bias=np.full(3, 1e308)))
    spec = with_learning(replace(network, layers=layers), learning_rate=0.1, mse_weight=0)
    engine = Engine(spec)
    with (
        np.errstate(over="ignore", invalid="ignore"),
        pytest.raises(FloatingPointError, match="diverged; lower the learning rate"),
    ):
        engine.learn(*samples)
    assert all(np.isfinite(layer.weight).all() for layer in engine.snapshot().layers)
