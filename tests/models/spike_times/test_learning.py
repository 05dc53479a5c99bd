"""Loss, costs and updates are held to loops that know nothing of autograd or of causal sets."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.models.spike_times.events import run_events
from onchip.models.spike_times.learning import (
    SpikeTimeTraining,
    accuracy,
    first_spike_loss,
    limit_rows,
    train_spike_times,
    weight_sum_cost,
)
from onchip.models.spike_times.network import SpikeTimeNetwork

NEVER = np.inf


def tensor(values: list) -> torch.Tensor:
    return torch.tensor(values, dtype=torch.float64)


def test_the_loss_is_the_cross_entropy_of_the_earliest_z() -> None:
    z, labels = np.array([[1.5, 2.0, 4.0], [3.0, 1.0, 1.25]]), [0, 2]
    by_hand = np.mean([z[i, k] + np.log(np.exp(-z[i]).sum()) for i, k in enumerate(labels)])
    assert first_spike_loss(tensor(z.tolist()), torch.tensor(labels)).item() == pytest.approx(
        by_hand, abs=1e-14
    )


def test_an_output_that_never_fires_counts_later_than_the_last_however_late_that_is() -> None:
    z = tensor([[1e7, NEVER], [1e7, NEVER]]).requires_grad_()
    right, wrong = (
        first_spike_loss(z[:1], torch.tensor([0])),
        first_spike_loss(z[1:], torch.tensor([1])),
    )
    assert right.item() < 1e-12
    assert wrong.item() == pytest.approx(100.0)
    wrong.backward()
    assert z.grad.tolist() == [[0.0, 0.0], [-1.0, 0.0]]  # the other output is to fire later
    silent = tensor([[NEVER, NEVER]]).requires_grad_()
    loss = first_spike_loss(silent, torch.tensor([1]))
    loss.backward()
    assert loss.item() == pytest.approx(np.log(2))
    assert silent.grad.tolist() == [[0.0, 0.0]]


def test_the_weight_sum_cost_counts_what_each_neuron_lacks_of_the_threshold() -> None:
    first, second = tensor([[0.25, 0.5], [2.0, -0.5]]), tensor([[-1.0, 0.5]])
    assert weight_sum_cost([first, second]).item() == pytest.approx(0.25 + 0.0 + 1.5, abs=1e-15)


def test_a_long_gradient_is_cut_by_neurons_and_a_short_one_is_not() -> None:
    found = limit_rows(tensor([[3.0, 4.0], [0.3, 0.4], [0.0, 0.0]]), 2.0)
    np.testing.assert_allclose(found, [[1.2, 1.6], [0.3, 0.4], [0.0, 0.0]], atol=1e-15)


def total_by_events(
    weights: list[np.ndarray], times: np.ndarray, labels: np.ndarray, k: float
) -> float:
    """Loss and weight-sum cost from the event execution."""
    total = 0.0
    for sample, label in zip(times, labels, strict=True):
        z = np.exp(run_events(weights, sample)[0][-1])
        total += (z[label] + np.log(np.exp(-z).sum())) / len(times)
    return total + k * sum(max(0.0, 1 - row.sum()) for weight in weights for row in weight)


def slopes(weights: list[np.ndarray], *data: object) -> list[np.ndarray]:
    """Finite differences of `total_by_events` in every weight."""
    found = []
    for weight in weights:
        slope = np.zeros_like(weight)
        for place in np.ndindex(*weight.shape):
            kept, step = weight[place], 1e-6
            weight[place] = kept + step
            above = total_by_events(weights, *data)
            weight[place] = kept - step
            slope[place] = (above - total_by_events(weights, *data)) / (2 * step)
            weight[place] = kept
        found.append(slope)
    return found


def test_three_updates_equal_adam_by_hand_on_finite_differences_of_the_events() -> None:
    rng = np.random.default_rng(0)
    times, labels = rng.uniform(0, 2, (4, 3)), np.array([0, 1, 1, 0])
    settings = SpikeTimeTraining(3, 4, 0.05, momentum=0.6, weight_sum=2.0, row_limit=0.3)
    network = SpikeTimeNetwork((3, 4, 2), seed=1)
    with torch.no_grad():
        network.weights[0][2] *= 0.3  # sums to less than the threshold
    weights = network.arrays()
    assert weights[0][2].sum() < 1
    train_spike_times(network, times, labels, settings)
    mean, square = [np.zeros_like(w) for w in weights], [np.zeros_like(w) for w in weights]
    for n in range(3):
        rate = 0.05 * (1 - 0.9 * n / 3)
        gradients = slopes(weights, times, labels, 2.0)
        for i, gradient in enumerate(gradients):
            norm = np.sqrt((gradient**2).sum(1, keepdims=True))
            gradient = gradient * np.minimum(1, 0.3 / np.maximum(norm, 1e-300))
            mean[i] = 0.6 * mean[i] + 0.4 * gradient
            square[i] = 0.999 * square[i] + 0.001 * gradient**2
            step = mean[i] / (1 - 0.6 ** (n + 1))
            weights[i] -= rate * step / (np.sqrt(square[i] / (1 - 0.999 ** (n + 1))) + 1e-8)
    for ours, by_hand in zip(network.arrays(), weights, strict=True):
        np.testing.assert_allclose(ours, by_hand, atol=1e-5, rtol=0)


def test_every_pass_learns_from_every_sample_once() -> None:
    times, labels = np.zeros((6, 1)), np.arange(6)
    seen: list[list[int]] = []

    class Recorder(SpikeTimeNetwork):
        def forward(self, z: torch.Tensor) -> torch.Tensor:
            seen.append(torch.log(z[:, 0]).round(decimals=3).tolist())
            return super().forward(z)

    times[:, 0] = labels / 10
    network = Recorder((1, 6), seed=0)
    train_spike_times(network, times, labels, SpikeTimeTraining(6, 2, 0.01, seed=3))
    for start in (0, 3):
        passed = [time for batch in seen[start : start + 3] for time in batch]
        assert sorted(passed) == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert seen[:3] != seen[3:]


# -- neurons that stopped firing ------------------------------------------------------------------


def silent_network() -> tuple[SpikeTimeNetwork, np.ndarray, np.ndarray]:
    """A network whose weights sum to 0.9 in every neuron: none ever fires."""
    return SpikeTimeNetwork((2, 4, 2), gain=0.9, spread=0.0), np.zeros((2, 2)), np.array([0, 1])


def test_without_the_weight_sum_cost_a_silent_network_is_refused_for_it_cannot_learn() -> None:
    network, times, labels = silent_network()
    outputs = network(torch.ones(2, 2, dtype=torch.float64))
    assert torch.isinf(outputs).all()
    first_spike_loss(outputs, torch.tensor(labels)).backward()
    assert all((weight.grad == 0).all() for weight in network.weights)
    with pytest.raises(ValueError, match="no output fires and weight_sum is 0, so nothing can be"):
        train_spike_times(network, times, labels, SpikeTimeTraining(5, 2, 0.05, weight_sum=0.0))


def test_the_weight_sum_cost_brings_a_silent_network_back() -> None:
    network, times, labels = silent_network()
    train_spike_times(network, times, labels, SpikeTimeTraining(20, 2, 0.05))
    assert all(np.isfinite(layer).all() for layer in network.run(times))


def test_accuracy_of_a_network_without_output_is_refused() -> None:
    network, times, labels = silent_network()
    with pytest.raises(ValueError, match="no output fires for any of 2 samples; train with a wei"):
        accuracy(network, times, labels)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"updates": 0}, r"updates is 0; it must lie in \[1, "),
        ({"batch": 0}, r"batch is 0; it must lie in \[1, "),
        ({"learning_rate": 0.0}, r"learning_rate is 0.0; it must lie in \(0, 10\]"),
        ({"momentum": 1.0}, r"momentum is 1.0; it must lie in \[0, 0.999\]"),
        ({"weight_sum": -1.0}, r"weight_sum is -1.0; it must lie in \[0, "),
        ({"row_limit": 0.0}, r"row_limit is 0.0; it must lie in \(0, "),
        ({"seed": -1}, r"seed is -1; it must lie in \[0, "),
    ],
)
def test_settings_out_of_range_are_refused(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SpikeTimeTraining(**{"updates": 1, "batch": 1, "learning_rate": 0.1, **changes})


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ([0, 3], r"labels must lie in \[0, 1\]"),
        ([0.0, 1.0], "labels must be 2 integers"),
        ([0], "labels must be 2 integers"),
    ],
)
def test_labels_that_do_not_fit_are_refused(labels: list, message: str) -> None:
    network, times, _ = silent_network()
    with pytest.raises(ValueError, match=message):
        train_spike_times(network, times, np.array(labels), SpikeTimeTraining(1, 2, 0.1))
