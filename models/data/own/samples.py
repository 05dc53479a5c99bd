"""What was found at a path: samples, their labels and classes, how they are split, a digest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from onchip.checks import plain_array

FRAMES, EVENTS = "frames", "events"

Parts = tuple[np.ndarray, np.ndarray]
"""Indices of the training and of the test samples."""

SHD = ("spikes/times", "spikes/units")
"""The lists of events of SHD and SSC."""

HEAD = 4096
"""Bytes of each recording of a folder that its digest covers, beside its name and size."""


@dataclass(frozen=True)
class Samples:
    """What lies at `path`.

    Attributes:
        path: the file or folder, resolved.
        kind: `FRAMES` or `EVENTS`.
        form: in words, such as "one .npz file".
        labels: int64 [samples].
        classes: their names.
        names: of the samples, for messages.
        read: reads sample number i: frames [T, channels, height, width], or events.
        frame_shape: (T, channels, height, width) of frames, None for events.
        sensor_size: (width, height, polarities) of events, None for frames.
        parts: where the data have a training and a test part of their own, else None.
        files: what the samples come from, for the cache and the digest.
        ignored: how many files were found that are no samples.
    """

    path: Path
    kind: str
    form: str
    labels: np.ndarray
    classes: tuple[str, ...]
    names: tuple[str, ...]
    read: Callable[[int], Any]
    frame_shape: tuple[int, int, int, int] | None = None
    sensor_size: tuple[int, int, int] | None = None
    parts: Parts | None = None
    files: tuple[Path, ...] = ()
    ignored: int = 0

    def digest(self) -> str:
        """Return a SHA-256 (hexadecimal) of the content.

        Of one file all of it; of a folder the names, sizes and first bytes of its recordings.
        """
        found = hashlib.sha256()
        if self.path.is_file():
            with self.path.open("rb") as file:
                while chunk := file.read(2**20):
                    found.update(chunk)
            return found.hexdigest()
        for file_path in self.files:
            name = file_path.relative_to(self.path).as_posix()
            found.update(f"{name}\0{file_path.stat().st_size}\0".encode())
            with file_path.open("rb") as file:
                found.update(file.read(HEAD))
        return found.hexdigest()


def label_numbers(labels: Any, where: str) -> tuple[np.ndarray, tuple[str, ...]]:
    """Return labels as int64 [samples], and the names of the classes.

    Text is numbered in the order of its sorted values, and a row of 0 and one 1 by its place.
    Raises ValueError, naming `where`, for anything else.
    """
    array = plain_array(where, labels)
    if array.dtype.kind in "US":
        names, numbers = np.unique(array.astype(str), return_inverse=True)
        return numbers.reshape(-1).astype(np.int64), tuple(str(name) for name in names)
    if array.ndim == 2 and array.size and set(np.unique(array)) <= {0, 1}:
        if (array.sum(axis=1) == 1).all():
            array = array.argmax(axis=1)
    whole = array.dtype.kind in "iu" or (
        array.dtype.kind == "f" and bool((array == np.round(array)).all())
    )
    if array.ndim != 1 or not whole or array.size == 0 or array.min() < 0:
        raise ValueError(
            f"{where}: labels are {array.dtype} {array.shape}; they must be one class number from "
            "0 on, or one name, for each sample"
        )
    numbers = array.astype(np.int64)
    return numbers, tuple(str(number) for number in range(int(numbers.max()) + 1))


def frame_type(frames: np.ndarray, where: str) -> np.ndarray:
    """Return frames as uint8 where they are whole numbers of 0 to 255, else float32.

    Raises ValueError for what is no number, NaN or infinite.
    """
    if frames.dtype.kind not in "biuf":
        raise ValueError(f"{where}: frames have type {frames.dtype}; they must be numbers")
    if frames.dtype == np.uint8 or frames.dtype == np.bool_:
        return frames.astype(np.uint8, copy=False)
    if frames.dtype.kind == "f" and not np.isfinite(frames).all():
        raise ValueError(f"{where}: frames hold NaN or infinite values; repair the data")
    if (
        frames.size
        and 0 <= frames.min()
        and frames.max() <= 255
        and (frames == frames.round()).all()
    ):
        return frames.astype(np.uint8)
    return frames.astype(np.float32)


def five_sides(shape: tuple[int, ...], where: str) -> tuple[int, ...]:
    """Return the shape of frames as [samples, T, channels, height, width].

    Rows [samples, T, features] become maps of one row; ValueError for any other shape.
    """
    if len(shape) == 5:
        return shape
    if len(shape) == 3:
        return (*shape[:2], 1, 1, shape[2])
    raise ValueError(
        f"{where}: frames have shape {shape}; they must be [samples, T, channels, height, width] "
        "or [samples, T, features]"
    )


def by_name(keys: Iterable[str], *wanted: str) -> str | None:
    """Return the key that is one of `wanted`, in small or capital letters; None for none."""
    lower: Mapping[str, str] = {str(key).lower(): str(key) for key in keys}
    return next((lower[name] for name in wanted if name in lower), None)


def numbered(path: Path, count: int) -> tuple[str, ...]:
    """Return names of so many samples of one file."""
    return tuple(f"{path.name}[{index}]" for index in range(count))
