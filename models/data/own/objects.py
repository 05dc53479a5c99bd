"""Datasets of others as frames: tonic's, torch's, loaders and any iterable of (sample, label).

A sample is events (a structured array or a mapping of columns) or frames [T, channels, height,
width], an array or a tensor. A DataLoader yields batches of frames [batch, T, channels, height,
width] (tonic's collations with `batch_first=True`) and labels [batch].
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from onchip.checks import plain_array
from onchip.models.data.dataset import FrameDataset
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.own.samples import frame_type

Size = tuple[int, int, int]


def sample_stream(
    source: Any,
    *,
    classes: Sequence[str] | None = None,
    sensor_size: Size | None = None,
    time_steps: int = 10,
    framing: str = "time",
    binary: bool = True,
    size: int | None = None,
) -> Iterator[tuple[np.ndarray, int]]:
    """Yield (frames [T, channels, height, width], label), one sample after the other.

    Nothing is kept, so `source` may be larger than memory; `batches` puts some together.
    `classes` are the names of labels that are text; `sensor_size` of events is the dataset's own
    attribute where it has one (tonic's do). The other arguments cut events into frames. Raises
    ValueError, naming the sample, for what is neither events nor frames, and for unknown labels.
    """
    found = sensor_size or getattr(source, "sensor_size", None)
    cut = None
    if found is not None:
        sides = tuple(int(side) for side in found)
        cut = Framing(sides, time_steps, framing, binary, size)  # type: ignore[arg-type]
    names = {name: number for number, name in enumerate(classes or ())}
    for index, (sample, label) in enumerate(_pairs(source)):
        where = f"{type(source).__name__}[{index}]"
        yield _as_frames(sample, cut, where), _as_number(label, names, where)


def batches(
    stream: Iterable[tuple[np.ndarray, int]], size: int = 100
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Yield (frames [size, T, ...], labels [size]) of a stream, the last ones fewer.

    An execution's `learn` takes one after the other and goes on from what it has learned.
    """
    waiting = iter(stream)
    while some := list(itertools.islice(waiting, size)):
        yield np.stack([frames for frames, _ in some]), np.array([label for _, label in some])


def collected(
    source: Any,
    *,
    name: str = "own",
    classes: Sequence[str] | int | None = None,
    limit: int | None = None,
    on_disk: str | Path | None = None,
    **options: Any,
) -> FrameDataset:
    """Return the samples of a dataset, loader or iterable as frames.

    `classes` are their names, or how many there are (None: as the labels say); `limit` takes the
    first ones; `on_disk` is a .npy file to write that holds the frames instead of memory, for a
    `source` with a length. `options` and errors as of `sample_stream`.
    """
    names = classes if isinstance(classes, Sequence) else None
    stream = sample_stream(source, classes=names, **options)
    frames: list[np.ndarray] = []
    labels: list[int] = []
    kept: Any = None
    shape: tuple[int, ...] | None = None
    for index, (sample, label) in enumerate(itertools.islice(stream, limit)):
        if shape not in (None, sample.shape):
            raise ValueError(
                f"{name}: sample {index} has shape {sample.shape}, and the first one {shape}; cut "
                "all to the same steps"
            )
        shape = sample.shape
        if on_disk is not None:
            kept = _file(on_disk, source, limit, sample) if kept is None else kept
            kept[index] = sample
        else:
            frames.append(sample)
        labels.append(label)
    if not labels:
        raise ValueError(f"{name}: the dataset has no samples; give it some")
    count = _classes(classes, labels)
    held = np.stack(frames) if kept is None else kept[: len(labels)]
    facts: dict[str, object] = {"dataset": name, "samples": len(labels), "simulated": False}
    return FrameDataset(name, "own:all", held, np.array(labels), count, facts)


def _classes(classes: Sequence[str] | int | None, labels: list[int]) -> int:
    if isinstance(classes, int):
        return classes
    return max(labels) + 1 if classes is None else len(classes)


def _file(path: str | Path, source: Any, limit: int | None, sample: np.ndarray) -> Any:
    """An array in a .npy file for all samples of a source."""
    try:
        count = len(source)
    except TypeError:
        raise ValueError(
            f"{path}: on_disk needs a source with a length, and {type(source).__name__} has none; "
            "give limit and a list, or learn from sample_stream"
        ) from None
    if getattr(source, "batch_size", None) and hasattr(source, "dataset"):
        count = len(source.dataset)
    shape = (min(count, limit or count), *sample.shape)
    return np.lib.format.open_memmap(path, "w+", sample.dtype, shape)


def _pairs(source: Any) -> Iterator[tuple[Any, Any]]:
    """(sample, label) of a loader, a dataset with a length, or an iterable."""
    if hasattr(source, "dataset") and hasattr(source, "batch_size"):
        for batch in source:
            samples, labels = _two(batch, source)
            yield from zip(samples, labels, strict=True)
    elif hasattr(source, "__getitem__") and hasattr(source, "__len__"):
        for index in range(len(source)):
            yield _two(source[index], source)
    elif isinstance(source, Iterable):
        for item in source:
            yield _two(item, source)
    else:
        raise ValueError(
            f"{type(source).__name__} is no dataset; pass one with len() and [], a DataLoader, or "
            "an iterable of (sample, label)"
        )


def _two(item: Any, source: Any) -> tuple[Any, Any]:
    if not isinstance(item, (tuple, list)) or len(item) != 2:
        raise ValueError(
            f"{type(source).__name__} yields {type(item).__name__} and not (sample, label); return "
            "both"
        )
    return item[0], item[1]


def _as_frames(sample: Any, cut: Framing | None, where: str) -> np.ndarray:
    events = isinstance(sample, dict) or getattr(getattr(sample, "dtype", None), "names", None)
    if events:
        if cut is None:
            raise ValueError(
                f"{where}: it holds events; pass sensor_size=(width, height, polarities)"
            )
        return to_frames(sample, cut, where)
    frames = plain_array(where, sample)
    if frames.ndim != 4:
        raise ValueError(
            f"{where}: a sample has shape {frames.shape}; it must be [T, channels, height, width], "
            "or named events"
        )
    return frame_type(frames, where)


def _as_number(label: Any, names: dict[str, int], where: str) -> int:
    value = label.item() if hasattr(label, "item") else label
    if isinstance(value, str):
        if value not in names:
            raise ValueError(
                f"{where}: label {value!r} is no known class; pass classes=[...] with all names"
            )
        return names[value]
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise ValueError(f"{where}: label {value!r} is no class number from 0 on")
    return value
