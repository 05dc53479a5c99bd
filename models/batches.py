"""Batches from frame datasets: order, augmentation, conversion; and the checks before training."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor

from models.config import TrainingConfig
from models.network import SpikingNetwork
from onchip.checks import check_labels


class Frames(Protocol):
    """What training needs of a dataset (`models.data.FrameDataset` has it)."""

    @property
    def frames(self) -> np.ndarray:
        """uint8 [samples, T, channels, height, width]."""

    @property
    def labels(self) -> np.ndarray:
        """int64 [samples]."""

    @property
    def classes(self) -> int:
        """Number of classes."""


def check_dataset(model: SpikingNetwork, dataset: Frames, what: str = "data") -> None:
    """Raise ValueError unless the dataset's frames and labels fit the model."""
    frames, expected = dataset.frames, (model.time_steps, *model.input_shape)
    if len(frames) == 0:
        raise ValueError(f"{what}: it has no samples; load more or raise the limit")
    if tuple(frames.shape[1:]) != expected:
        raise ValueError(
            f"{what}: one sample has shape {tuple(frames.shape[1:])}, the model needs {expected} "
            "(steps and frame); build it with the dataset's input_shape and time_steps"
        )
    try:
        check_labels(dataset.labels, len(frames), model.classes)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None


def epoch_batches(
    dataset: Frames, config: TrainingConfig, epoch: int
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Shuffled, shifted batches (frames, labels) of one epoch.

    Order and shifts come from a generator of their own for each (seed, epoch), so that a resumed
    run sees the same batches.
    """
    rng = np.random.default_rng([config.seed, epoch])
    order = rng.permutation(len(dataset.labels))
    for start in range(0, len(order), config.batch_size):
        chosen = order[start : start + config.batch_size]
        frames, farthest = dataset.frames[chosen], config.max_shift
        if config.max_rotation or config.max_zoom:
            frames = distort_frames(frames, config.max_rotation, config.max_zoom, rng)
        if farthest:
            frames = shift_frames(frames, rng.integers(-farthest, farthest + 1, (len(chosen), 2)))
        yield frames, dataset.labels[chosen]


def shift_frames(frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Each sample moved by its (rows, columns) of `shifts` [samples, 2], zeros moving in.

    `frames` [samples, ..., height, width]; positive shifts move down and right.
    """
    shifted = np.zeros_like(frames)
    height, width = frames.shape[-2:]
    for before, after, (down, right) in zip(frames, shifted, shifts, strict=True):
        rows, source_rows = _overlap(int(down), height)
        columns, source_columns = _overlap(int(right), width)
        after[..., rows, columns] = before[..., source_rows, source_columns]
    return shifted


def distort_frames(
    frames: np.ndarray, max_rotation: float, max_zoom: float, rng: np.random.Generator
) -> np.ndarray:
    """Each sample turned and stretched at random about the centre, the same for all its steps.

    Rotation up to `max_rotation` degrees, zoom by a factor within 1 +- `max_zoom` along each axis,
    nearest neighbour, zeros moving in. `frames` [samples, ..., height, width].
    """
    height, width = frames.shape[-2:]
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    centred = np.stack([y - (height - 1) / 2, x - (width - 1) / 2])
    distorted = np.empty_like(frames)
    for index, sample in enumerate(frames):
        angle = np.deg2rad(rng.uniform(-max_rotation, max_rotation))
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        source = turn @ centred / rng.uniform(1 - max_zoom, 1 + max_zoom, (2, 1))
        rows = np.rint(source[0] + (height - 1) / 2).astype(int)
        columns = np.rint(source[1] + (width - 1) / 2).astype(int)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        flat = sample.reshape(-1, height * width)
        taken = flat[:, np.where(inside, rows * width + columns, 0)] * inside
        distorted[index] = taken.reshape(sample.shape)
    return distorted


def batch_tensors(
    model: SpikingNetwork, frames: np.ndarray, labels: np.ndarray
) -> tuple[Tensor, Tensor]:
    """Frames as they are and one-hot targets [batch, classes] in the model's floating type."""
    targets = torch.nn.functional.one_hot(torch.from_numpy(labels), model.classes)
    return torch.from_numpy(np.ascontiguousarray(frames)), targets.to(model.dtype)


def plain_batches(dataset: Any, batch_size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Batches in the dataset's own order."""
    for start in range(0, len(dataset.labels), batch_size):
        chosen = slice(start, start + batch_size)
        yield dataset.frames[chosen], dataset.labels[chosen]


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """(where shifted rows land, where they come from)."""
    kept = max(size - abs(shift), 0)
    target, source = max(shift, 0), max(-shift, 0)
    return slice(target, target + kept), slice(source, source + kept)
