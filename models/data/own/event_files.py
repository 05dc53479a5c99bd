"""Events of all samples in one file: columns with offsets, or a list for each sample."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from onchip.models.data.own.samples import (
    EVENTS,
    SHD,
    Samples,
    by_name,
    label_numbers,
    numbered,
)


def column_events(
    path: Path,
    arrays: Mapping[str, Any],
    names: Mapping[str, str | None],
    labels: Any,
    sensor_size: tuple[int, int, int] | None,
) -> Samples:
    """Return samples of columns by letter (`names` says what they are called) and offsets.

    Raises ValueError, naming the file, for columns, offsets or labels that do not fit together.
    """
    columns = {letter: np.asarray(arrays[name]) for letter, name in names.items() if name}
    count = len(columns["t"])
    if any(column.shape != (count,) for column in columns.values()):
        shapes = ", ".join(f"{letter} {c.shape}" for letter, c in columns.items())
        raise ValueError(f"{path}: {shapes} are not columns of the same events; save them again")
    offsets = _offsets(path, arrays, count)
    key = by_name(arrays, "sensor_size", "sensor")
    found = sensor_size or (None if key is None else _size(path, arrays[key]))

    def read(index: int) -> dict[str, np.ndarray]:
        mine = slice(offsets[index], offsets[index + 1])
        return {letter: column[mine] for letter, column in columns.items()}

    return _event_samples(path, labels, len(offsets) - 1, read, found)


def list_events(
    path: Path, arrays: Mapping[str, Any], labels: Any, sensor_size: tuple[int, int, int] | None
) -> Samples:
    """Return samples of the lists of SHD and SSC: times in seconds, and units."""
    times, units = (arrays[name] for name in SHD)
    if len(times) != len(units):
        raise ValueError(f"{path}: {len(times)} times and {len(units)} units; save it again")

    def read(index: int) -> dict[str, np.ndarray]:
        micro = np.round(np.asarray(times[index], np.float64) * 1e6).astype(np.int64)
        return {"t": micro, "x": np.asarray(units[index]).astype(np.int64)}

    return _event_samples(path, labels, len(times), read, sensor_size)


def _event_samples(
    path: Path, labels: Any, count: int, read: Any, sensor_size: tuple[int, int, int] | None
) -> Samples:
    numbers, classes = label_numbers(labels, str(path))
    if len(numbers) != count:
        raise ValueError(
            f"{path}: {count} samples and {len(numbers)} labels; give one label for each sample"
        )
    return Samples(
        path,
        EVENTS,
        f"one {path.suffix} file",
        numbers,
        classes,
        numbered(path, count),
        read,
        sensor_size=sensor_size,
        files=(path,),
    )


def _offsets(path: Path, arrays: Mapping[str, Any], count: int) -> np.ndarray:
    """Where each sample begins, and where the last one ends: [samples + 1]."""
    key = by_name(arrays, "offsets")
    if key is not None:
        offsets = np.asarray(arrays[key]).astype(np.int64)
    else:
        name = by_name(arrays, "sample", "samples")
        assert name is not None
        sample = np.asarray(arrays[name]).astype(np.int64)
        if sample.shape != (count,) or (np.diff(sample) < 0).any() or sample.min(initial=0) < 0:
            raise ValueError(f"{path}: {name!r} must number the samples of the events, rising")
        offsets = np.searchsorted(sample, np.arange(int(sample.max(initial=-1)) + 2))
    rising = offsets.ndim == 1 and len(offsets) > 1 and (np.diff(offsets) >= 0).all()
    if not rising or offsets[0] != 0 or offsets[-1] != count:
        raise ValueError(
            f"{path}: offsets must rise from 0 to the {count} events, one more than samples"
        )
    return offsets


def _size(path: Path, values: Any) -> tuple[int, int, int]:
    sides = [int(side) for side in np.ravel(values)]
    if len(sides) not in (2, 3) or min(sides) < 1:
        raise ValueError(f"{path}: sensor_size is {sides}; it must be width, height, polarities")
    return sides[0], sides[1], sides[2] if len(sides) == 3 else 2
