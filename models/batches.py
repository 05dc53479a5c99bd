"""Batches from frame datasets: order, parts, conversion; and the checks before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from models.augmentation import augment, draw
from models.config import TrainingConfig
from models.data.dataset import is_held, take_samples
from models.distributed import ALONE, Processes
from models.network import SpikingNetwork
from onchip.checks import check_labels


class Frames(Protocol):
    """What training needs of a dataset (`models.data.FrameDataset` has it)."""

    @property
    def frames(self) -> np.ndarray:
        """uint8 or float32 [samples, T, channels, height, width]."""

    @property
    def labels(self) -> np.ndarray:
        """int64 [samples]."""

    @property
    def classes(self) -> int:
        """Number of classes."""


def check_dataset(model: SpikingNetwork, dataset: Frames, what: str = "data") -> None:
    """Raise ValueError unless the dataset's steps, frames, labels and classes fit the model."""
    frames, expected = dataset.frames, (model.time_steps, *model.input_shape)
    if len(frames) == 0:
        raise ValueError(f"{what}: it has no samples; load more or raise the limit")
    if tuple(frames.shape[1:]) != expected:
        raise ValueError(
            f"{what}: one sample has shape {tuple(frames.shape[1:])}, the model needs {expected} "
            f"(steps and frame): {_misfit(tuple(frames.shape[1:]), expected)}"
        )
    try:
        check_labels(dataset.labels, len(frames), model.classes)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    classes = getattr(dataset, "classes", model.classes)
    if classes > model.classes:
        raise ValueError(
            f"{what}: it has {classes} classes, the model {model.classes}; "
            "build it with the dataset's classes"
        )


def epoch_batches(
    dataset: Frames, config: TrainingConfig, epoch: int, processes: Processes = ALONE
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled, augmented batches (frames, labels) of one epoch: the part of this process.

    Order and augmentation come from a generator of their own for each (seed, epoch), so that a
    resumed run sees the same batches and several processes see the parts of one batch. A batch with
    fewer samples than processes gives its first sample to those that have no part of it, which then
    has a share of 0 (`share_of_batch`).
    """
    rng = np.random.default_rng([config.seed, epoch])
    order = rng.permutation(len(dataset.labels))
    for start in range(0, len(order), config.batch_size):
        chosen = order[start : start + config.batch_size]
        draws = draw(len(chosen), config, rng)
        part = processes.part(len(chosen))
        part = part if part.stop > part.start else slice(0, 1)
        frames = take_samples(dataset.frames, chosen[part])
        yield augment(frames, draws.of(part)), dataset.labels[chosen[part]]


def share_of_batch(
    samples: int, config: TrainingConfig, index: int, processes: Processes
) -> tuple[int, float]:
    """(this process's number of samples, their share of the batch) in batch `index` of an epoch."""
    whole = min(config.batch_size, samples - index * config.batch_size)
    part = processes.part(whole)
    return part.stop - part.start, (part.stop - part.start) / whole


def batch_tensors(
    model: SpikingNetwork, frames: np.ndarray, labels: np.ndarray, label_smoothing: float = 0.0
) -> tuple[Tensor, Tensor]:
    """Frames as they are and targets [batch, classes] in the model's floating type and place.

    Targets are one-hot, or (1 - s) onehot + s / classes with `label_smoothing` s. A picture that is
    held for all steps goes to the device once.
    """
    place = next(model.parameters()).device
    targets = torch.nn.functional.one_hot(torch.from_numpy(labels), model.classes).to(model.dtype)
    if label_smoothing:
        targets = (1 - label_smoothing) * targets + label_smoothing / model.classes
    held = is_held(frames)
    stored = np.ascontiguousarray(frames[:, :1] if held else frames)
    if not stored.flags.writeable:  # a held part that is contiguous as it is
        stored = stored.copy()
    x = torch.from_numpy(stored).to(place)
    return x.expand(-1, frames.shape[1], *x.shape[2:]) if held else x, targets.to(place)


def plain_batches(
    frames: np.ndarray, labels: np.ndarray, batch_size: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches in the dataset's own order."""
    for start in range(0, len(labels), batch_size):
        chosen = slice(start, start + batch_size)
        yield frames[chosen], labels[chosen]


def _misfit(found: tuple[int, ...], expected: tuple[int, ...]) -> str:
    """What to do about a sample's shape."""
    if found[1:] == expected[1:]:
        return f"frame the events with time_steps={expected[0]}, or build it with {found[0]}"
    return "build it with the dataset's input_shape and time_steps"
