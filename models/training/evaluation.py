"""Accuracy of a network on a dataset, and the seeds of everything that is random."""

from __future__ import annotations

import random

import numpy as np
import torch

from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import Frames, batch_tensors, check_dataset, plain_batches
from onchip.models.training.distributed import ALONE, Processes

BATCH = 256
"""Samples that are measured at once."""


def evaluate(
    model: SpikingNetwork, dataset: Frames, batch_size: int = BATCH, processes: Processes = ALONE
) -> float:
    """Share of samples whose label is the argmax of sum_n o[n], in [0, 1].

    Several `processes` measure a part of the dataset each and add up what they found.
    """
    checked = check_dataset(model, dataset)
    part = processes.part(len(checked.labels))
    frames, labels = checked.frames[part], checked.labels[part]
    hits = int(np.sum(_predict(model, frames, labels, batch_size) == labels))
    return processes.total(hits)[0] / len(checked.labels)


def predict(model: SpikingNetwork, dataset: Frames, batch_size: int = BATCH) -> np.ndarray:
    """Predicted classes, int64 [samples]; ValueError where the dataset does not fit the model."""
    checked = check_dataset(model, dataset)
    return _predict(model, checked.frames, checked.labels, batch_size)


def _predict(
    model: SpikingNetwork, frames: np.ndarray, labels: np.ndarray, batch_size: int
) -> np.ndarray:
    predicted = [np.empty(0, np.int64)]
    for batch, their_labels in plain_batches(frames, labels, batch_size):
        x, _ = batch_tensors(model, batch, their_labels)
        predicted.append(model(x).sum(1).argmax(1).cpu().numpy())
    return np.concatenate(predicted)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's (legacy) and torch's global generators.

    This package draws from generators of its own; the global ones are seeded for user code.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for code that still uses the global generator
    torch.manual_seed(seed)


def seed_epoch(seed: int, epoch: int, rank: int = 0) -> None:
    """Seed torch's generators, of all devices, for one epoch on one process.

    Whatever a network draws while it learns (dropout) is then the same in a resumed run.
    """
    torch.manual_seed(int(np.random.SeedSequence([seed, epoch, rank]).generate_state(1)[0]))


def first_not_finite(model: SpikingNetwork) -> str:
    """Label of the first parameter with NaN or infinite values, or nothing.

    Sums are looked at first, all at once: one that is finite has no such value in it.
    """
    sums = torch.stack([p.detach().sum().double() for p in model.parameters()])
    if bool(torch.isfinite(sums).all()):
        return ""
    bad = [p for p in model.parameters() if not bool(torch.isfinite(p).all())]
    return model.parameter_label(bad[0]) if bad else ""
