"""The four feedbacks against the postsynaptic factors written out layer by layer in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.models.architectures.table import build_model
from onchip.models.description import describe_model
from onchip.models.networks.connections import collect_gradients
from onchip.models.training.feedback import Feedback, make_feedback
from onchip.models.training.updates import Learner, ottt_a, ottt_step
from onchip.network.learning import with_learning


def sigmoid_slope(u):
    value = 1 / (1 + np.exp(-4 * (u - 1)))
    return 4 * value * (1 - value)


def one_step(model, frame, targets):
    """Potentials and spikes of the first step from rest, and the error at the output."""
    x, potentials, inputs = frame.flatten(1).double().numpy(), [], []
    for layer in model.layers:
        weight, bias = (
            p.detach().numpy() for p in (layer.connection.weight, layer.connection.bias)
        )
        inputs.append(x)
        potentials.append(x @ weight.T + bias)
        x = (potentials[-1] >= 1).astype(float)
    output = potentials[-1]
    softmax = np.exp(output) / np.exp(output).sum(1, keepdims=True)
    y = targets.numpy()
    error = 0.95 * (softmax - y) + 0.05 * 2 / y.shape[1] * (output - y)
    return potentials, inputs, error / len(y)


def expected_weight_gradients(model, frame, targets, carry):
    """`carry(layer index, factor above, error)` is the feedback."""
    potentials, inputs, error = one_step(model, frame, targets)
    factor, gradients = error, [error.T @ inputs[-1]]
    for k in reversed(range(len(model.layers) - 1)):
        factor = carry(k, factor, error) * sigmoid_slope(potentials[k])
        gradients.append(factor.T @ inputs[k])
    return gradients[::-1]


@pytest.mark.parametrize("kind", ["exact", "symmetric", "random", "direct"])
def test_each_feedback_carries_the_error_by_its_own_matrices(make_mlp, make_batch, kind):
    model = make_mlp(time_steps=1)
    frames, targets = make_batch(model)
    feedback = make_feedback(model, kind, seed=3)
    frozen = {k: layer.connection.weight.detach().clone() for k, layer in enumerate(model.layers)}
    with torch.no_grad():  # learning has moved the weights since the feedback was set up
        for parameter in model.parameters():
            parameter.add_(0.1 * torch.sin(torch.arange(parameter.numel())).view_as(parameter))

    def carry(k, factor, error):
        if kind == "direct":
            return error @ feedback.tensors[f"fc{k + 1}"].numpy().T
        if kind == "random":
            return factor @ feedback.tensors[f"fc{k + 1}"].numpy().T
        live = model.layers[k + 1].connection.weight.detach()
        return factor @ (live if kind == "exact" else frozen[k + 1]).numpy()

    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    learner = Learner(model, optimizer, feedback)
    ottt_step(learner, frames[:, 0], targets, 1, model.initial_state())
    expected = expected_weight_gradients(model, frames[:, 0], targets, carry)
    for layer, gradient in zip(model.layers, expected, strict=True):
        assert abs(gradient).max() > 1e-4
        np.testing.assert_allclose(layer.connection.weight.grad.numpy(), gradient, atol=1e-13)


@pytest.mark.parametrize("kind", ["symmetric", "random", "direct"])
def test_dense_feedback_is_that_of_the_specification_for_the_same_seed(make_mlp, kind):
    model = make_mlp()
    spec = with_learning(describe_model(model), learning_rate=0.1, feedback=kind, seed=5)
    tensors = make_feedback(model, kind, seed=5).tensors
    matrices = spec.learning.feedback_matrices
    assert tensors.keys() == matrices.keys()
    for name, matrix in matrices.items():
        np.testing.assert_array_equal(tensors[name].numpy(), matrix)


def conv_gradients_for(model, frames, targets, feedback):
    learner = Learner(model, torch.optim.SGD(model.parameters(), lr=1.0), feedback)
    outputs, _ = model.step(frames[:, 0].double(), model.initial_state(), cut=feedback.cuts)
    loss = learner.loss(outputs[-1], targets, 1)
    (error,) = torch.autograd.grad(loss, outputs[-1], retain_graph=True)
    feedback.backward(error, outputs)
    collect_gradients(model)
    return model.layers[0].connection.weight.grad.clone()


def test_direct_feedback_projects_the_error_onto_a_convolution_s_pooled_output(
    make_convnet, make_batch
):
    model = make_convnet(time_steps=1, normalised=False, output_scale=1.0, weight_gain=3.0)
    frames, targets = make_batch(model)
    feedback = make_feedback(model, "direct", seed=1)
    found = conv_gradients_for(model, frames, targets, feedback)

    first, x = model.layers[0].connection, frames[:, 0].double()
    weight = first.weight.detach().clone().requires_grad_()
    u = torch.nn.functional.conv2d(x, weight, first.bias.detach(), padding=1)
    output = model(frames)[:, 0]
    error = 0.95 * (output.softmax(1) - targets) + 0.05 * 0.4 * (output - targets)
    signal = (error / len(x) @ feedback.tensors["conv1"].T).view(len(x), 4, 6, 6)
    spread = signal.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3) / 4
    u.backward(spread * torch.from_numpy(sigmoid_slope(u.detach().numpy())))
    assert found.abs().max() > 1e-4
    torch.testing.assert_close(found, weight.grad, atol=1e-13, rtol=0)


def test_random_feedback_of_a_convolution_equals_backpropagation_through_its_kernel(
    make_convnet, make_batch
):
    """With all live weights put in the place of the random tensors, 'random' must equal 'exact'."""
    model = make_convnet(time_steps=1)
    frames, targets = make_batch(model)
    drawn = make_feedback(model, "random", seed=1)
    with_random = conv_gradients_for(model, frames, targets, drawn)
    model.zero_grad()
    exact = conv_gradients_for(model, frames, targets, make_feedback(model, "exact"))
    model.zero_grad()
    live = {}
    for low, high in zip(model.layers[:-1], model.layers[1:], strict=True):
        weight = high.connection.plain_weight().detach()
        live[low.name] = weight.T if weight.ndim == 2 else weight
        assert drawn.tensors[low.name].shape == live[low.name].shape
    replaced = conv_gradients_for(model, frames, targets, Feedback(model, "random", live))
    torch.testing.assert_close(replaced, exact, atol=1e-14, rtol=0)
    assert float((with_random - exact).abs().max()) > 1e-6


def test_symmetric_feedback_of_a_convnet_starts_as_exact_and_stays_behind(make_convnet, make_batch):
    model = make_convnet(time_steps=1)
    frames, targets = make_batch(model)
    exact = conv_gradients_for(model, frames, targets, make_feedback(model, "exact"))
    model.zero_grad()
    frozen = make_feedback(model, "symmetric")
    first = conv_gradients_for(model, frames, targets, frozen)
    torch.testing.assert_close(first, exact, atol=1e-14, rtol=0)
    model.zero_grad()
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    ottt_a(Learner(model, optimizer, frozen), frames, targets)
    later = conv_gradients_for(model, frames, targets, frozen)
    model.zero_grad()
    live = conv_gradients_for(model, frames, targets, make_feedback(model, "exact"))
    assert float((later - live).abs().max()) > 1e-6


def test_a_missing_feedback_tensor_and_an_unknown_kind_are_refused():
    model = build_model("mlp", input_shape=(4,), classes=3, hidden=(5,))
    with pytest.raises(ValueError, match="layer 'fc1': feedback 'random' has no tensor"):
        Feedback(model, "random")
    with pytest.raises(ValueError, match="exact, symmetric, random, direct"):
        make_feedback(model, "sideways")
