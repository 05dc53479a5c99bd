"""The engine's gradients against backpropagation through time by torch's autograd."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional

from onchip import LIF, Engine, LeakyIntegrator, NetworkSpec
from onchip.network.learning import with_learning


class SpikeWithSigmoid(torch.autograd.Function):
    """Heaviside at z >= 0, derivative 4 sig(4z)(1 - sig(4z))."""

    @staticmethod
    def forward(ctx, z):
        ctx.save_for_backward(z)
        return (z >= 0).to(z.dtype)

    @staticmethod
    def backward(ctx, grad):
        sig = torch.sigmoid(4 * ctx.saved_tensors[0])
        return grad * 4 * sig * (1 - sig)


def bptt_gradients(spec, frames, labels, detach_reset=True) -> list[dict[str, np.ndarray]]:
    """Gradients of the batch mean of sum_n L[n] of a network of LIF layers and an integrator."""
    leaves = [
        {
            name: torch.tensor(getattr(layer, name), requires_grad=True)
            for name in ("weight", "bias")
        }
        for layer in spec.layers
    ]
    inputs, targets = torch.tensor(frames, dtype=torch.float64), torch.from_numpy(labels)
    one_hot = functional.one_hot(targets, spec.classes).double()
    u = [torch.zeros(len(frames), layer.weight.shape[0]).double() for layer in spec.layers]
    s, loss, alpha = [torch.zeros_like(x) for x in u], 0.0, spec.learning.mse_weight
    for n in range(spec.time_steps):
        x = inputs[:, n]
        for i, (layer, leaf) in enumerate(zip(spec.layers, leaves, strict=True)):
            current, neuron = functional.linear(x, leaf["weight"], leaf["bias"]), layer.neuron
            if isinstance(neuron, LIF):
                reset = s[i].detach() if detach_reset else s[i]
                u[i] = neuron.decay * (u[i] - neuron.v_threshold * reset) + current
                x = s[i] = SpikeWithSigmoid.apply((u[i] - neuron.v_threshold) / neuron.v_threshold)
            else:
                x = u[i] = neuron.decay * u[i] + current
        entropy = functional.cross_entropy(x, targets)
        loss = loss + ((1 - alpha) * entropy + alpha * functional.mse_loss(x, one_hot))
    (loss / spec.time_steps).backward()
    return [{name: tensor.grad.numpy() for name, tensor in leaf.items()} for leaf in leaves]


def engine_gradients(spec: NetworkSpec, frames, labels) -> list[dict[str, np.ndarray]]:
    """What accumulated learning at rate 1 subtracted from the parameters."""
    engine = Engine(spec)
    engine.learn(frames, labels)
    return [
        {name: getattr(old, name) - getattr(new, name) for name in ("weight", "bias")}
        for old, new in zip(spec.layers, engine.snapshot().layers, strict=True)
    ]


def difference(left: dict[str, np.ndarray], right: dict[str, np.ndarray]) -> float:
    return max(np.abs(left[name] - right[name]).max() for name in left)


@pytest.fixture
def problem(network, rng):
    """A function of lambda and T: (accumulating network without recurrence, frames, labels)."""

    def make(decay: float, time_steps: int):
        neurons = [LIF(decay), LIF(decay, 0.8), LIF(decay), LeakyIntegrator(decay)]
        layers = tuple(
            replace(
                layer, neuron=neuron, recurrent_weight=None, bias=np.full(len(layer.weight), 0.1)
            )
            for layer, neuron in zip(network.layers, neurons, strict=True)
        )
        spec = replace(network, layers=layers, time_steps=time_steps)
        frames = (rng.random((4, time_steps, 7)) < 0.6).astype(float)
        labels = np.array([0, 1, 2, 1])
        return with_learning(spec, learning_rate=1.0, mode="accumulate"), frames, labels

    return make


@pytest.mark.parametrize("decay", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("time_steps", [1, 4, 13])
def test_ottt_equals_bptt_in_the_last_layer(decay, time_steps, problem):
    spec, frames, labels = problem(decay, time_steps)
    ours, theirs = engine_gradients(spec, frames, labels), bptt_gradients(spec, frames, labels)
    assert difference(ours[-1], theirs[-1]) < 1e-12
    assert np.abs(theirs[-1]["weight"]).max() > 1e-3


def test_ottt_equals_backpropagation_in_every_layer_at_one_time_step(problem):
    spec, frames, labels = problem(0.5, 1)
    spec = replace(spec, layers=tuple(replace(x, bias=x.bias + 0.4) for x in spec.layers))
    theirs = bptt_gradients(spec, frames, labels)
    for ours, other in zip(engine_gradients(spec, frames, labels), theirs, strict=True):
        assert difference(ours, other) < 1e-12
        assert np.abs(other["weight"]).max() > 1e-4


def test_a_spiking_layer_equals_bptt_only_with_the_reset_detached(problem):
    spec, frames, labels = problem(0.7, 8)
    layer = replace(spec.layers[0], name="only", neuron=LIF(0.7), plastic=True)
    spec = replace(spec, layers=(layer,))
    (ours,) = engine_gradients(spec, frames, labels % 2)
    (detached,) = bptt_gradients(spec, frames, labels % 2)
    (attached,) = bptt_gradients(spec, frames, labels % 2, detach_reset=False)
    assert difference(ours, detached) < 1e-12
    assert difference(ours, attached) > 1e-4


def test_hidden_layers_differ_from_bptt_because_ottt_drops_the_temporal_path(problem):
    spec, frames, labels = problem(0.9, 8)
    ours, theirs = engine_gradients(spec, frames, labels), bptt_gradients(spec, frames, labels)
    assert difference(ours[0], theirs[0]) > 1e-4
    assert difference(ours[-1], theirs[-1]) < 1e-12


def test_the_spike_in_place_of_the_trace_is_not_the_gradient(problem):
    spec, frames, labels = problem(0.5, 5)
    theirs = bptt_gradients(spec, frames, labels)
    recorded: list[np.ndarray] = []
    outputs = Engine(spec).run(frames, lambda name, x: recorded.append(x) if name != "out" else 0)
    error = np.exp(outputs) / np.exp(outputs).sum(-1, keepdims=True) - np.eye(3)[labels][:, None]
    error = 0.95 * error + 0.05 * 2 / 3 * (outputs - np.eye(3)[labels][:, None])
    without_trace = np.einsum("btk,tbj->kj", error / 5, np.stack(recorded[2::3])) / len(frames)
    assert np.abs(without_trace - theirs[-1]["weight"]).max() > 1e-3


def test_as_the_decay_vanishes_every_layer_learns_from_each_step_alone(problem):
    spec, frames, labels = problem(1e-13, 6)
    ours = engine_gradients(spec, frames, labels)
    alone = replace(spec, time_steps=1)
    steps = [engine_gradients(alone, frames[:, n : n + 1], labels) for n in range(6)]
    for index, gradients in enumerate(ours):
        for name, gradient in gradients.items():
            mean = sum(step[index][name] for step in steps) / 6
            np.testing.assert_allclose(gradient, mean, rtol=0, atol=1e-10)


def test_batch_learning_is_the_mean_of_the_samples_gradients(problem):
    spec, frames, labels = problem(0.6, 5)
    whole = engine_gradients(spec, frames, labels)
    singles = [engine_gradients(spec, frames[[i]], labels[[i]]) for i in range(4)]
    for index, gradients in enumerate(whole):
        for name, gradient in gradients.items():
            mean = sum(single[index][name] for single in singles) / 4
            np.testing.assert_allclose(gradient, mean, rtol=0, atol=1e-13)
