"""What spike-time networks learn by: loss, weight-sum cost, limit on gradients, and the trainer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from onchip.checks import require_between
from onchip.models.spike_times.network import SpikeTimeNetwork, first_to_fire

SILENT_LATER = 100.0
"""How much later in z than a sample's last output an output that never fires counts in the loss:
exp(-100) of a probability, so that only where it is the label's does it matter how much."""


def first_spike_loss(z: Tensor, labels: Tensor) -> Tensor:
    """Mean cross entropy of softmax(-z) for outputs `z` [batch, outputs] and labels [batch].

    An output that never fires counts as `SILENT_LATER` after the sample's last, without a gradient:
    the loss stays finite, and where it is the label's, the others' gradients still make them later.
    Source: Mostafa (2018).
    """
    fires = torch.isfinite(z)
    silent = torch.where(fires, z, 0.0).detach().amax(1, keepdim=True) + SILENT_LATER
    return torch.nn.functional.cross_entropy(-torch.where(fires, z, silent), labels)


def weight_sum_cost(weights: Iterable[Tensor]) -> Tensor:
    """sum_j max(0, 1 - sum_i w_ji) over all neurons of `weights` [post, pre].

    A neuron whose weights sum to less than the threshold fires for no late input and then has no
    gradient of its own; this one brings it back. Source: Mostafa (2018).
    """
    return torch.stack([(1 - weight.sum(1)).clamp(min=0).sum() for weight in weights]).sum()


def limit_rows(gradient: Tensor, most: float) -> Tensor:
    """`gradient` [post, pre] with each neuron's row scaled down to the norm `most`."""
    norm = gradient.norm(dim=1, keepdim=True)
    return gradient * (most / norm.clamp(min=most))


@dataclass(frozen=True)
class SpikeTimeTraining:
    """How a network is trained: Adam on minibatches.

    `updates` at least 1; `batch` samples each; `learning_rate` falls linearly to a tenth;
    `momentum` is Adam's first decay, in [0, 1): 0.9, the usual, leaves more seeds of XOR unsolved
    than 0.5. `weight_sum` is K >= 0, `row_limit` the most that a row's gradient may be long, `seed`
    draws the batches. Raises ValueError for values out of range.
    """

    updates: int
    batch: int
    learning_rate: float
    momentum: float = 0.5
    weight_sum: float = 10.0
    row_limit: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        for name, high in (("updates", 1e7), ("batch", 1e6)):
            require_between(f"spike times: {name}", getattr(self, name), 1, high)
        require_between("spike times: learning_rate", self.learning_rate, 0, 10, open_low=True)
        require_between("spike times: momentum", self.momentum, 0, 0.999)
        require_between("spike times: weight_sum", self.weight_sum, 0, 1e6)
        require_between("spike times: row_limit", self.row_limit, 0, 1e6, open_low=True)
        require_between("spike times: seed", self.seed, 0, 2**63 - 1)


def train_spike_times(
    network: SpikeTimeNetwork,
    times: np.ndarray,
    labels: np.ndarray,
    settings: SpikeTimeTraining,
    observe: Callable[[int, float], None] | None = None,
) -> list[float]:
    """Train on `times` [samples, inputs] and `labels` [samples]; return the loss of each update.

    A loss is that of the update's batch before the update. `observe(updates so far, loss)` is
    called after each. Raises ValueError for data out of range, and where no output fires for any
    sample of the first batch and, without a weight-sum cost, nothing could bring them back.
    """
    z, y = torch.from_numpy(network.checked_z(times)), _labels(labels, network, len(times))
    betas = (settings.momentum, 0.999)
    optimizer = torch.optim.Adam(network.parameters(), settings.learning_rate, betas)
    schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.1, settings.updates)
    losses: list[float] = []
    for chosen in _batches(len(z), settings):
        if not losses and settings.weight_sum == 0:
            _require_spikes(network, z[chosen])
        losses.append(_update(network, optimizer, z[chosen], y[chosen], settings))
        schedule.step()
        if observe is not None:
            observe(len(losses), losses[-1])
    return losses


def _update(
    network: SpikeTimeNetwork,
    optimizer: torch.optim.Optimizer,
    z: Tensor,
    labels: Tensor,
    settings: SpikeTimeTraining,
) -> float:
    """One step of the optimizer on loss and cost; returns the loss."""
    optimizer.zero_grad()
    loss = first_spike_loss(network(z), labels)
    (loss + settings.weight_sum * weight_sum_cost(network.weights)).backward()
    for weight in network.weights:
        weight.grad = limit_rows(weight.grad, settings.row_limit)
    optimizer.step()
    return loss.item()


def accuracy(network: SpikeTimeNetwork, times: np.ndarray, labels: np.ndarray) -> float:
    """Share of samples whose first output is the label's; a sample without a spike is wrong.

    Raises ValueError if no output fires for any sample.
    """
    found = answers(network, times)
    if (found < 0).all():
        raise ValueError(
            f"SpikeTimeNetwork: no output fires for any of {len(found)} samples; "
            "train with a weight_sum cost above 0 or raise the gain"
        )
    return float(np.mean(found == labels))


def answers(network: SpikeTimeNetwork, times: np.ndarray) -> np.ndarray:
    """The first output [samples] for `times` [samples, inputs], -1 where none fires."""
    return np.concatenate([first_to_fire(network.run(part)[-1]) for part in _parts(times)])


def _parts(times: np.ndarray) -> list[np.ndarray]:
    return [times[start : start + 256] for start in range(0, len(times), 256)]


def _batches(samples: int, settings: SpikeTimeTraining) -> Iterable[np.ndarray]:
    """Indices of each update's samples; every pass goes through all of them in a new order."""
    rng, size = np.random.default_rng(settings.seed), min(int(settings.batch), samples)
    order = np.empty(0, dtype=np.int64)
    for _ in range(int(settings.updates)):
        if len(order) < size:
            order = rng.permutation(samples)
        yield order[:size]
        order = order[size:]


def _labels(labels: np.ndarray, network: SpikeTimeNetwork, samples: int) -> Tensor:
    found = np.asarray(labels)
    if found.shape != (samples,) or found.dtype.kind not in "iu":
        raise ValueError(f"spike times: labels must be {samples} integers, not {found.shape}")
    if samples == 0 or found.min() < 0 or found.max() >= network.sizes[-1]:
        raise ValueError(
            f"spike times: labels must lie in [0, {network.sizes[-1] - 1}], one a sample, and "
            "there must be a sample"
        )
    return torch.from_numpy(found.astype(np.int64))


def _require_spikes(network: SpikeTimeNetwork, z: Tensor) -> None:
    """Without a cost on weights that sum to too little, a network that is silent stays so."""
    with torch.no_grad():
        fires = torch.isfinite(network(z)).any()
    if not fires:
        raise ValueError(
            "SpikeTimeNetwork: no output fires and weight_sum is 0, so nothing can be learned; "
            "set weight_sum above 0 or raise the gain"
        )
