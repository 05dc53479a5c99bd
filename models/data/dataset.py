"""What a data set of frames is, how it is split, and what the library offers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from onchip.checks import plain_array
from onchip.engine.inputs import check_numbers


@dataclass(frozen=True)
class FrameDataset:
    """Samples as frames, with their labels and where they came from.

    Attributes:
        name: the data set's name, "digits-dvs" for example.
        split: kind and part, "random:train" for example.
        frames: [samples, time_steps, channels, height, width]; uint8 events, 0/1 or counts up to
            255, or float32 currents, where all steps may be the same memory (:func:`hold`).
        labels: int64 [samples], in 0..classes - 1; integers of other types become that.
        classes: number of classes.
        metadata: JSON-able description: split, sensor, framing, seed, sample counts, "simulated".

    Raises:
        ValueError: shapes, types or labels that do not fit together, NaN or infinite currents.

    Tensors and arrays of another byte order become arrays of this machine's.
    """

    name: str
    split: str
    frames: np.ndarray
    labels: np.ndarray
    classes: int
    metadata: dict[str, object] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Refuse parts that do not fit together."""
        frames = plain_array(f"{self.name}: frames", self.frames)
        labels = plain_array(f"{self.name}: labels", self.labels)
        if frames.ndim != 5 or frames.dtype not in (np.uint8, np.float32):
            raise ValueError(
                f"{self.name}: frames are {frames.dtype} {frames.shape}, not uint8 (or "
                "float32) [samples, time_steps, channels, height, width]"
            )
        if labels.shape != frames.shape[:1] or labels.dtype.kind not in "iu":
            raise ValueError(
                f"{self.name}: labels are {labels.dtype} {labels.shape}, "
                f"not integers ({len(frames)},)"
            )
        if labels.size and not 0 <= labels.min() <= labels.max() < self.classes:
            raise ValueError(f"{self.name}: labels must lie in 0..{self.classes - 1}")
        if len(frames):
            try:
                check_numbers(frames)
            except ValueError as error:
                raise ValueError(f"{self.name}: {error}") from None
        object.__setattr__(self, "frames", frames)
        object.__setattr__(self, "labels", labels.astype(np.int64, copy=False))

    def __len__(self) -> int:
        """Number of samples."""
        return len(self.labels)

    def subset(self, indices: Sequence[int] | np.ndarray) -> FrameDataset:
        """The samples at these indices, in this order.

        Raises:
            ValueError: an index outside of the data set.
        """
        chosen = np.asarray(indices, dtype=np.int64)
        if chosen.size and not -len(self) <= chosen.min() <= chosen.max() < len(self):
            raise ValueError(f"{self.name}: an index lies outside of its {len(self)} samples")
        metadata = {**self.metadata, "samples": int(chosen.size)}
        frames = take_samples(self.frames, chosen)
        return replace(self, frames=frames, labels=self.labels[chosen], metadata=metadata)

    def in_random_order(self, seed: int) -> FrameDataset:
        """All samples in an order drawn from ``seed``; the metadata say "shuffled"."""
        order = np.random.default_rng([seed, len(self)]).permutation(len(self))
        found = self.subset(order)
        return replace(found, metadata={**found.metadata, "shuffled": True})


def hold(pictures: np.ndarray, time_steps: int) -> np.ndarray:
    """Pictures [samples, ...] shown at every step: a view [samples, time_steps, ...], read-only."""
    shape = (len(pictures), time_steps, *pictures.shape[1:])
    return np.broadcast_to(pictures[:, np.newaxis], shape)


def is_held(frames: np.ndarray) -> bool:
    """Whether all steps of frames [samples, time_steps, ...] are the same memory."""
    return frames.shape[1] > 1 and frames.strides[1] == 0


def take_samples(frames: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """`frames[chosen]` for an array of indices, without copies of steps that are held."""
    if is_held(frames):
        return hold(frames[:, 0][chosen], frames.shape[1])
    return frames[chosen]


@dataclass(frozen=True)
class DatasetInfo:
    """One line of the table of data sets.

    Attributes:
        name: as given to :func:`onchip.models.data.load_dataset`.
        description: one sentence.
        sensor_size: (width, height, polarities), or (width, height, channels) of pictures.
        classes: number of classes.
        default_split: the split taken when none is named.
        splits: the valid splits and what they mean.
        simulated: True where no real sensor was involved.
        obtain: how to get the data.
        images: True for pictures that are shown as a constant current, False for events.
    """

    name: str
    description: str
    sensor_size: tuple[int, int, int]
    classes: int
    default_split: str
    splits: dict[str, str]
    simulated: bool
    obtain: str
    images: bool = False

    def choose_split(self, split: str | None) -> str:
        """The split's name, the default for None.

        Raises:
            ValueError: the data set has no such split.
        """
        if split is None:
            return self.default_split
        if split not in self.splits:
            valid = ", ".join(self.splits)
            raise ValueError(f"{self.name}: split {split!r} is unknown; valid: {valid}")
        return split


def stratified_split(
    labels: np.ndarray, train_fraction: float, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Random (train, test) indices with ``round(train_fraction * n)`` of each class's n in train.

    Both in ascending order; every index is in exactly one of them.
    """
    rng = np.random.default_rng([seed])
    in_train = np.zeros(len(labels), bool)
    for label in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels == label))
        in_train[members[: round(train_fraction * len(members))]] = True
    return np.flatnonzero(in_train), np.flatnonzero(~in_train)


def first_balanced(labels: np.ndarray, limit: int | None) -> np.ndarray:
    """Indices of the first ``limit`` samples, class by class in turn, in ascending order.

    With C classes and limit = k C that is the first k of every class; a class that runs out is
    passed over. None, or a limit above the number of samples, takes all.

    Raises:
        ValueError: a limit below 1.
    """
    if limit is None:
        return np.arange(len(labels))
    if limit < 1:
        raise ValueError(f"limit = {limit} must be at least 1")
    nth_of_class = np.zeros(len(labels), np.int64)
    for label in np.unique(labels):
        members = np.flatnonzero(labels == label)
        nth_of_class[members] = np.arange(len(members))
    order = np.lexsort((labels, nth_of_class))
    return np.sort(order[:limit])
