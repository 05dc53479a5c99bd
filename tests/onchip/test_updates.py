from __future__ import annotations

import itertools

import numpy as np
import pytest

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, NetworkSpec
from onchip.engine.kernels import GATHER_FROM, add_outer, weighted_inputs
from onchip.network.learning import with_learning
from onchip.rules.rule import weight_gradient

TYPES = {np.float64: 1e-12, np.float32: 2e-5}


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("batch", [1, 2, 7])
def test_the_outer_product_is_added_in_place_and_is_the_gradient(batch, dtype, rng):
    weight = rng.normal(size=(30, 20)).astype(dtype)
    trace = rng.normal(size=(batch, 30)).astype(dtype)
    factor = rng.normal(size=(batch, 20)).astype(dtype)
    before, address = weight.copy(), weight.ctypes.data
    add_outer(weight, trace, factor, -0.3 / batch)
    assert weight.ctypes.data == address and weight.dtype == dtype
    expected = before - 0.3 * weight_gradient(factor, trace).T
    np.testing.assert_allclose(weight, expected, rtol=0, atol=TYPES[dtype])


def test_factors_of_other_layouts_are_added_as_well(rng):
    """A slice and a broadcast array, neither of them contiguous."""
    weight, trace = np.zeros((6, 4)), rng.normal(size=(6, 3)).T
    factor = np.broadcast_to(rng.normal(size=4), (3, 4))
    add_outer(weight, trace, factor, 1.0)
    np.testing.assert_allclose(weight, trace.T @ factor, rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize("rate", [0.0, 0.02, 0.16, 0.5, 1.0])
def test_gathering_the_weights_of_active_inputs_is_the_product(rate, dtype, rng):
    weight = rng.normal(size=(400, 100)).astype(dtype)
    assert weight.size >= GATHER_FROM
    spikes = (rng.random((1, 400)) < rate).astype(dtype)
    for x in (spikes, spikes * rng.normal(size=400).astype(dtype)):
        found = weighted_inputs(x, weight)
        assert found.shape == (1, 100) and found.dtype == dtype
        np.testing.assert_allclose(found, x @ weight, rtol=0, atol=10 * TYPES[dtype])


def large_network(rng) -> NetworkSpec:
    """600-120-90-5, large enough for the event-driven forward pass."""
    sizes, layers = (600, 120, 90, 5), []
    for i, (pre, post) in enumerate(itertools.pairwise(sizes)):
        neuron = LeakyIntegrator(0.6) if i == 2 else LIF()
        weight = rng.normal(0, 3 / np.sqrt(pre), (post, pre))
        layers.append(DenseSpec(str(i), weight, neuron, rng.normal(0.1, 0.1, post)))
    return with_learning(NetworkSpec(tuple(layers), (600,), 8), learning_rate=0.05, mse_weight=0)


def plain_loop(spec: NetworkSpec, frames: np.ndarray, label: int):
    """The design's equations with whole matrices, for exact feedback: outputs, weights, biases."""
    weights = [layer.weight.copy() for layer in spec.layers]
    biases = [layer.bias.copy() for layer in spec.layers]
    u, s = ([np.zeros(len(w)) for w in weights] for _ in range(2))
    traces, c, outputs = [np.zeros(w.shape[1]) for w in weights], [0.0] * 3, []
    for x in frames.astype(float):
        for i, layer in enumerate(spec.layers):
            decay = layer.neuron.decay
            traces[i], c[i] = decay * traces[i] + x, decay * c[i] + 1
            u[i] = decay * (u[i] - s[i]) + weights[i] @ x + biases[i]
            s[i] = (u[i] >= 1).astype(float) if i < 2 else s[i]
            x = s[i]
        outputs.append(u[2])
        p = np.exp(u[2]) / np.exp(u[2]).sum()
        g = [None, None, (p - np.eye(5)[label]) / len(frames)]
        for i in (1, 0):
            sigmoid = 1 / (1 + np.exp(-4 * (u[i] - 1)))
            g[i] = (weights[i + 1].T @ g[i + 1]) * 4 * sigmoid * (1 - sigmoid)
        for i in range(3):
            weights[i] -= 0.05 * np.outer(g[i], traces[i])
            biases[i] -= 0.05 * g[i] * c[i]
    return np.array(outputs), weights, biases


@pytest.mark.parametrize("dtype, tolerance", [(np.float64, 1e-12), (np.float32, 1e-4)])
def test_a_large_network_learns_as_the_plain_loop_does(dtype, tolerance, rng):
    spec = large_network(rng)
    frames = (rng.random((1, 8, 600)) < 0.1).astype(np.uint8)
    frames[0, 4] = rng.random(600) < 0.6  # too many for the event-driven pass
    engine, rates = Engine(spec, dtype), []
    found = engine.learn(frames, np.array([2]), lambda name, x: rates.append(x.mean()))
    outputs, weights, biases = plain_loop(spec, frames[0], 2)
    np.testing.assert_allclose(found[0], outputs, rtol=0, atol=tolerance * np.abs(outputs).max())
    for before, after, weight, bias in zip(
        spec.layers, engine.snapshot().layers, weights, biases, strict=True
    ):
        np.testing.assert_allclose(after.weight, weight, rtol=0, atol=tolerance)
        np.testing.assert_allclose(after.bias, bias, rtol=0, atol=tolerance)
        assert np.abs(after.weight - before.weight).max() > 1e-3
    assert 0.02 < np.mean(rates[0::3]) < 0.5 and 0.02 < np.mean(rates[1::3]) < 0.5


@pytest.mark.parametrize("feedback", ["exact", "random"])
def test_single_precision_stays_single_precision_throughout(feedback, network, samples):
    engine = Engine(with_learning(network, learning_rate=0.1, feedback=feedback), np.float32)
    engine.learn(*samples)
    engine.step(samples[0][:, 0], np.eye(3))  # targets of another type
    assert all(
        array.dtype == np.float32 for k, array in engine.state().items() if "bias_t" not in k
    )
