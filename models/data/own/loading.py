"""Data of one's own as frames, in a training and a test part."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np
from tqdm import tqdm

from onchip.models.data.cache import cache_file, cached_frames
from onchip.models.data.dataset import FrameDataset, first_balanced, stratified_split
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.own.array_files import SUFFIXES, find_in_file
from onchip.models.data.own.folders import find_in_folder
from onchip.models.data.own.recordings import READERS
from onchip.models.data.own.samples import FRAMES, Samples

SPLITS = {
    "standard": "the data's own train and test parts",
    "random": "80 % of each class in train, 20 % in test, drawn by the seed",
}

TRAIN_FRACTION = 0.8
STEPS = 10
"""Frames of a sample of events, unless another number is asked for."""

Size = tuple[int, int, int]


def is_own(name: str) -> bool:
    """Return whether a dataset's name means a file or folder: it is one, or looks like one."""
    text = str(name)
    path = Path(text).expanduser()
    named = "/" in text or path.suffix.lower() in {*SUFFIXES, *READERS}
    return named or path.exists()


def find_samples(
    path: str | Path, *, labels: str | Path | None = None, sensor_size: Size | None = None
) -> Samples:
    """Return what lies at a path; only the first recording of a folder is read.

    `labels` is a file of labels where the data have none, `sensor_size` (width, height, polarities)
    of events where their files do not say it. Raises FileNotFoundError where there is nothing, and
    ValueError, naming the file, for what cannot be read or means two things.
    """
    place = Path(path).expanduser()
    if not place.exists():
        raise FileNotFoundError(
            f"dataset {place} does not exist; name a file ({', '.join(SUFFIXES)}) or a folder of "
            "recordings by class"
        )
    place = place.resolve()
    if place.is_dir():
        if labels is not None:
            raise ValueError(
                f"{place}: a folder has its labels in its folders' names; leave --labels out"
            )
        return find_in_folder(place, sensor_size)
    if place.suffix.lower() not in SUFFIXES:
        raise ValueError(
            f"{place}: {place.suffix or 'a file without suffix'} is no file of many samples; name "
            f"one of {', '.join(SUFFIXES)}, or the folder above the folders of classes"
        )
    return find_in_file(place, None if labels is None else Path(labels), sensor_size)


def load_own(
    path: str | Path,
    *,
    split: str | None = None,
    time_steps: int | None = None,
    framing: str = "time",
    binary: bool = True,
    size: int | None = None,
    seed: int = 0,
    limit: int | None = None,
    labels: str | Path | None = None,
    sensor_size: Size | None = None,
    cache_dir: str | Path | None = None,
    progress: bool = False,
) -> tuple[FrameDataset, FrameDataset]:
    """Return the (train, test) parts of data of one's own.

    Arguments as of `onchip.models.load_dataset`; raises as `find_samples`, and ValueError for
    events that are outside of the sensor, options that frames do not take and parts without
    samples.
    """
    found = find_samples(path, labels=labels, sensor_size=sensor_size)
    chosen = _split(found, split)
    if found.kind == FRAMES:
        _check_frames(found, time_steps, framing, size)
        described: dict[str, object] = {
            "time_steps": found.frame_shape[0],  # type: ignore[index]
            "by": "given",
            "binary": False,
            "size": None,
        }
        cut = None
    else:
        cut = framing_of(found, time_steps, framing, binary, size)
        described = cut.described()
    parts = [
        part[first_balanced(found.labels[part], limit)] for part in _parts(found, chosen, seed)
    ]
    for name, part in zip(("train", "test"), parts, strict=True):
        if len(part) == 0:
            raise ValueError(f"{found.path}: no samples for {name} in split {chosen!r}; add some")
    frames = _frames(found, np.concatenate(parts), cut, cache_dir, progress)
    facts = {
        "dataset": str(found.path),
        "description": found.form,
        "digest": found.digest(),
        "classes": list(found.classes),
        "sensor": None if found.sensor_size is None else {"size": list(found.sensor_size)},
        "labels_file": None if labels is None else str(Path(labels).expanduser().resolve()),
        "simulated": False,
        "split": chosen,
        "split_description": SPLITS[chosen],
        "framing": described,
        "seed": seed,
        "limit": limit,
        "samples_found": len(found.labels),
    }
    first = len(parts[0])
    train, test = (
        FrameDataset(
            found.path.name,
            f"{chosen}:{name}",
            some,
            found.labels[part],
            len(found.classes),
            {**facts, "part": name, "samples": len(part)},
        )
        for name, part, some in zip(
            ("train", "test"), parts, (frames[:first], frames[first:]), strict=True
        )
    )
    return train.in_random_order(seed), test


def framing_of(
    found: Samples, time_steps: int | None, framing: str, binary: bool, size: int | None
) -> Framing:
    """Return how events become frames; ValueError where the sensor's size is not known."""
    if found.sensor_size is None:
        events = found.read(0)
        x, y = (int(np.max(events[name])) if name in _names(events) else 0 for name in "xy")
        raise ValueError(
            f"{found.path}: its files do not say the size of the sensor; pass --sensor-size "
            f"WIDTH,HEIGHT,POLARITIES (the first recording reaches x {x} and y {y})"
        )
    steps = STEPS if time_steps is None else time_steps
    return Framing(found.sensor_size, time_steps=steps, by=framing, binary=binary, size=size)


def _names(events: object) -> tuple[str, ...]:
    dtype = getattr(events, "dtype", None)
    return tuple(dtype.names or ()) if dtype is not None else tuple(events)  # type: ignore[arg-type]


def _split(found: Samples, split: str | None) -> str:
    valid = ["random"] if found.parts is None else ["standard", "random"]
    if split is None:
        return valid[0]
    if split not in valid:
        raise ValueError(f"{found.path}: split {split!r} is unknown; valid: {', '.join(valid)}")
    return split


def _parts(found: Samples, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    if split == "standard" and found.parts is not None:
        return found.parts
    return stratified_split(found.labels, TRAIN_FRACTION, seed)


def _check_frames(found: Samples, time_steps: int | None, framing: str, size: int | None) -> None:
    assert found.frame_shape is not None
    steps = found.frame_shape[0]
    if time_steps not in (None, steps):
        raise ValueError(
            f"{found.path}: its frames have {steps} steps, not {time_steps}; train with "
            f"--time-steps {steps}, or give a trained network data of {time_steps} steps"
        )
    if framing != "time" or size not in (None, *found.frame_shape[2:]):
        raise ValueError(
            f"{found.path}: it holds frames, which are neither cut (--framing) nor made smaller "
            "(--size); leave both out"
        )


def _frames(
    found: Samples,
    indices: np.ndarray,
    framing: Framing | None,
    cache_dir: str | Path | None,
    progress: bool,
) -> np.ndarray:
    """Frames of these samples; those of events are cached."""
    shown = tqdm(indices, found.path.name, disable=not progress, unit="sample")
    if framing is None:
        return np.stack([found.read(int(index)) for index in indices])

    def build() -> np.ndarray:
        frames = np.empty((len(indices), *framing.shape), np.uint8)
        for place, index in enumerate(shown):
            name = f"{found.path.name}/{found.names[index]}"
            frames[place] = to_frames(found.read(int(index)), framing, name)
        return frames

    stats = [(file.name, file.stat().st_size, file.stat().st_mtime_ns) for file in found.files]
    key = {
        "framing": asdict(framing),
        "path": str(found.path),
        "files": stats,
        "samples": [int(index) for index in indices],
    }
    return cached_frames(cache_file("own", key, cache_dir), build)
