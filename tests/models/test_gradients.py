"""Gradients of one batch without an update, and their cosines."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import torch
from slow_ottt import gradients_of

from onchip.models.training.gradients import cosine, layer_gradients
from onchip.models.training.updates import bptt, ottt_a

METHODS = {"ottt_a": ottt_a, "bptt": bptt}


@pytest.fixture
def batch(make_mlp, make_batch):
    model = make_mlp()
    frames, targets = make_batch(model)
    return model, frames.numpy(), targets.argmax(1).numpy()


@pytest.mark.parametrize("method", METHODS)
def test_layer_gradients_are_what_plain_descent_subtracts(batch, method) -> None:
    model, frames, labels = batch
    targets = torch.eye(model.classes, dtype=torch.float64)[labels]
    changes = gradients_of(METHODS[method], model, torch.from_numpy(frames), targets, 0.3)
    expected = torch.cat([change.flatten() for change in changes]).numpy()
    found = layer_gradients(model, method, frames, labels, mse_weight=0.3)
    assert list(found) == ["fc1", "fc2", "readout"]
    assert np.abs(expected).max() > 1e-3
    np.testing.assert_allclose(np.concatenate(list(found.values())), expected, atol=1e-12)


def test_the_model_is_left_as_it_is(batch) -> None:
    model, frames, labels = batch
    before = copy.deepcopy(model.state_dict())
    layer_gradients(model, "ottt_a", frames, labels, feedback="random")
    assert all(torch.equal(before[name], value) for name, value in model.state_dict().items())
    assert all(parameter.grad is None for parameter in model.parameters())
    assert model.layers[1].connection.feedback is None


def test_feedback_changes_hidden_layers_only_and_by_its_seed(batch) -> None:
    model, frames, labels = batch

    def gradients(feedback: str, seed: int = 0) -> dict[str, np.ndarray]:
        return layer_gradients(model, "ottt_a", frames, labels, feedback=feedback, seed=seed)

    exact, direct, other = gradients("exact"), gradients("direct"), gradients("direct", 1)
    np.testing.assert_array_equal(exact["readout"], direct["readout"])
    for left, right in ((exact, direct), (direct, other)):
        assert np.abs(left["fc1"] - right["fc1"]).max() > 1e-6


def test_frozen_layers_have_a_gradient_of_zero(batch) -> None:
    model, frames, labels = batch
    model.layers[0].requires_grad_(False)
    found = layer_gradients(model, "bptt", frames, labels)
    assert not found["fc1"].any()
    assert found["fc2"].any()


def test_unknown_methods_and_feedback_are_refused(batch) -> None:
    model, frames, labels = batch
    with pytest.raises(ValueError, match="ottt_o"):
        layer_gradients(model, "ottt_o", frames, labels)
    with pytest.raises(ValueError, match="bptt"):
        layer_gradients(model, "bptt", frames, labels, feedback="direct")


def test_the_cosine_is_that_of_the_angle() -> None:
    assert cosine(np.array([2.0, 0.0]), np.array([3.0, 3.0])) == pytest.approx(0.5**0.5)
    assert cosine(np.array([1.0, 2.0]), np.array([-2.0, -4.0])) == pytest.approx(-1)
    with pytest.raises(ValueError, match="zero"):
        cosine(np.zeros(2), np.ones(2))
