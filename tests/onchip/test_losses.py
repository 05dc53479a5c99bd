from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from torch.nn import functional

from onchip.objectives.classification import instantaneous_error, instantaneous_loss, softmax

WEIGHTS = [0.0, 0.05, 0.5, 1.0]


def torch_loss(outputs, labels, time_steps: int, mse_weight: float) -> torch.Tensor:
    """L[n] of each sample from torch's own losses."""
    targets = functional.one_hot(labels, outputs.shape[1]).to(outputs.dtype)
    entropy = functional.cross_entropy(outputs, labels, reduction="none")
    squared = functional.mse_loss(outputs, targets, reduction="none").mean(1)
    return ((1 - mse_weight) * entropy + mse_weight * squared) / time_steps


@pytest.fixture
def batch(rng):
    """Outputs [6, 5], labels [6] and one-hot targets [6, 5]."""
    outputs, labels = rng.normal(0, 3, (6, 5)), rng.integers(5, size=6)
    return outputs, labels, np.eye(5)[labels]


@pytest.mark.parametrize("mse_weight", WEIGHTS)
def test_the_loss_equals_cross_entropy_and_mse_of_torch(mse_weight, batch):
    outputs, labels, targets = batch
    expected = torch_loss(torch.from_numpy(outputs), torch.from_numpy(labels), 7, mse_weight)
    loss = instantaneous_loss(outputs, targets, 7, mse_weight)
    np.testing.assert_allclose(loss, expected.numpy(), rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("mse_weight", WEIGHTS)
@pytest.mark.parametrize("time_steps", [1, 10])
def test_the_error_equals_autograd_of_the_torch_loss(mse_weight, time_steps, batch):
    outputs, labels, targets = batch
    leaf = torch.tensor(outputs, requires_grad=True)
    torch_loss(leaf, torch.from_numpy(labels), time_steps, mse_weight).sum().backward()
    error = instantaneous_error(outputs, targets, time_steps, mse_weight)
    np.testing.assert_allclose(error, leaf.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("mse_weight", WEIGHTS)
def test_the_error_equals_autograd_of_this_loss(mse_weight, batch):
    outputs, _, targets = batch
    leaf = torch.tensor(outputs, requires_grad=True)
    instantaneous_loss(leaf, torch.from_numpy(targets), 3, mse_weight).sum().backward()
    error = instantaneous_error(outputs, targets, 3, mse_weight)
    np.testing.assert_allclose(error, leaf.grad.numpy(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_agree_and_keep_the_type(dtype, batch):
    outputs, targets = batch[0].astype(dtype), batch[2].astype(dtype)
    for function in (instantaneous_loss, instantaneous_error):
        ours = function(outputs, targets, 4, 0.05)
        theirs = function(torch.from_numpy(outputs), torch.from_numpy(targets), 4, 0.05)
        assert ours.dtype == np.dtype(dtype) and theirs.dtype == getattr(torch, dtype)
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-5 if dtype == "float32" else 1e-12)


@pytest.mark.parametrize("size", [1e4, 1e100])
def test_huge_outputs_neither_overflow_nor_lose_the_error(size):
    outputs = np.array([[size, -size, 0.0], [size, size, -size]])
    targets = np.array([[0.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_array_equal(softmax(outputs), [[1, 0, 0], [0.5, 0.5, 0]])
    loss = instantaneous_loss(outputs, targets, 1, 0.0)
    np.testing.assert_allclose(loss, [2 * size, np.log(2)])
    error = instantaneous_error(outputs, targets, 1, 0.0)
    np.testing.assert_array_equal(error, [[1, -1, 0], [-0.5, 0.5, 0]])


@given(
    outputs=arrays(np.float64, (2, 4), elements=st.floats(-1e3, 1e3)),
    shift=st.integers(-1000, 1000),
)
def test_softmax_is_a_distribution_that_ignores_a_common_shift(outputs, shift):
    probabilities = softmax(outputs)
    assert (probabilities >= 0).all()
    np.testing.assert_allclose(probabilities.sum(-1), 1, rtol=1e-12)
    np.testing.assert_allclose(softmax(outputs + shift), probabilities, rtol=1e-9, atol=1e-12)


@given(arrays(np.float64, (3, 5), elements=st.floats(-50, 50)), st.integers(1, 20))
def test_the_cross_entropy_error_sums_to_zero_over_the_classes(outputs, time_steps):
    error = instantaneous_error(outputs, np.eye(5)[[0, 2, 4]], time_steps, 0.0)
    np.testing.assert_allclose(error.sum(-1), 0, atol=1e-14)
