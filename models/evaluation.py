"""Accuracy of a network on a dataset, and the seeds of everything that is random."""

from __future__ import annotations

import random

import numpy as np
import torch

from models.batches import Frames, batch_tensors, check_dataset, plain_batches
from models.network import SpikingNetwork


def evaluate(model: SpikingNetwork, dataset: Frames, batch_size: int = 256) -> float:
    """Share of samples whose label is the argmax of sum_n o[n], in [0, 1]."""
    check_dataset(model, dataset)
    return float(np.mean(predict(model, dataset, batch_size) == dataset.labels))


def predict(model: SpikingNetwork, dataset: Frames, batch_size: int = 256) -> np.ndarray:
    """Predicted classes, int64 [samples]."""
    predicted = []
    for frames, labels in plain_batches(dataset, batch_size):
        x, _ = batch_tensors(model, frames, labels)
        predicted.append(model(x).sum(1).argmax(1).numpy())
    return np.concatenate(predicted)


def seed_everything(seed: int) -> None:
    """Seed Python's, NumPy's (legacy) and torch's global generators.

    This package draws from generators of its own; the global ones are seeded for user code.
    """
    random.seed(seed)
    np.random.seed(seed)  # noqa: NPY002 - for code that still uses the global generator
    torch.manual_seed(seed)
