"""Batches from frame datasets: order, parts, conversion; and the checks before training."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor

from onchip.checks import plain_array
from onchip.engine.inputs import check_numbers
from onchip.models.config import TrainingConfig
from onchip.models.data.augmentation import augment, draw
from onchip.models.data.dataset import hold, is_held, take_samples
from onchip.models.networks.geometry import check_shapes
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.distributed import ALONE, Processes
from onchip.objectives.given import check_labels


class Frames(Protocol):
    """What training needs of a dataset (`onchip.models.data.FrameDataset` has it)."""

    @property
    def frames(self) -> np.ndarray:
        """Finite numbers of any type [samples, T, channels, height, width]; tensors will do."""

    @property
    def labels(self) -> np.ndarray:
        """Integers of any type [samples]; lists and tensors will do."""

    @property
    def classes(self) -> int:
        """Number of classes."""


@dataclass(frozen=True)
class CheckedFrames:
    """A dataset that fits a network, in the types that batches are made of.

    `frames` are uint8, float32 or float64, finite, and `labels` int64; `name` is the dataset's own.
    """

    frames: np.ndarray
    labels: np.ndarray
    classes: int
    name: str = ""


def check_dataset(model: SpikingNetwork, dataset: Frames, what: str = "data") -> CheckedFrames:
    """The dataset as arrays; ValueError unless steps, frames, labels and classes fit the model.

    The model's layers must fit each other. What was checked before is not searched for NaN again.
    """
    check_shapes(model)
    for part in ("frames", "labels"):
        if not hasattr(dataset, part):
            raise ValueError(
                f"{what}: {type(dataset).__name__} has no {part}; pass a "
                "onchip.models.data.FrameDataset, or an object with frames, labels and classes"
            )
    try:
        frames = dataset.frames
        if not isinstance(dataset, CheckedFrames):
            frames = plain_frames(frames)
        _check_shape(model, frames)
        _check_range(model, frames)
        labels = check_labels(dataset.labels, len(frames), model.classes)
    except ValueError as error:
        raise ValueError(f"{what}: {error}") from None
    classes = getattr(dataset, "classes", model.classes)
    if classes > model.classes:
        raise ValueError(
            f"{what}: it has {classes} classes, the model {model.classes}; "
            "build it with the dataset's classes"
        )
    return CheckedFrames(frames, labels, int(classes), str(getattr(dataset, "name", "")))


def plain_frames(frames: np.ndarray) -> np.ndarray:
    """Frames [samples, ...] of any numeric type as uint8 (whole numbers 0 to 255) or floats.

    float32 and float64 stay what they are, narrower floats become float32, and so do whole numbers
    that it holds exactly. What is held for all steps stays held. Raises ValueError for what is no
    array of finite numbers.
    """
    array = plain_array("frames", frames)
    if array.ndim < 2 or len(array) == 0:
        return array  # of no sample: its shape says so
    check_numbers(array)
    if array.dtype.type in (np.uint8, np.float32, np.float64):
        return array
    if is_held(array):
        return hold(plain_frames(array[:, :1])[:, 0], array.shape[1])
    return array.astype(_plain_type(array), copy=False)


def _plain_type(array: np.ndarray) -> type:
    """The type of `CheckedFrames` that holds the numbers."""
    if array.dtype.kind == "f":
        return np.float32
    low, high = int(array.min()), int(array.max())
    if 0 <= low and high <= 255:
        return np.uint8
    return np.float32 if max(-low, high) <= 2**24 else np.float64


def _check_range(model: SpikingNetwork, frames: np.ndarray) -> None:
    """A float64 that the model's type does not hold would become infinite on the way."""
    if frames.dtype != np.float64 or model.dtype == torch.float64:
        return
    largest = float(np.abs(frames[:, :1] if is_held(frames) else frames).max())
    if largest > torch.finfo(torch.float32).max:
        raise ValueError(
            f"frames hold {largest:.4g}, which is infinite in float32; scale them down"
        )


def _check_shape(model: SpikingNetwork, frames: np.ndarray) -> None:
    expected = (model.time_steps, *model.input_shape)
    if frames.ndim == 0 or len(frames) == 0:
        raise ValueError("it has no samples; load more or raise the limit")
    if tuple(frames.shape[1:]) != expected:
        raise ValueError(
            f"one sample has shape {tuple(frames.shape[1:])}, the model needs {expected} "
            f"(steps and frame): {_misfit(tuple(frames.shape[1:]), expected)}"
        )


def epoch_batches(
    dataset: CheckedFrames, config: TrainingConfig, epoch: int, processes: Processes = ALONE
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
