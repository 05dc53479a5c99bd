"""Data sets by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from onchip.models.data import digits_dvs, tonic_datasets
from onchip.models.data.dataset import DatasetInfo, FrameDataset, first_balanced, hold
from onchip.models.data.frames import Framing
from onchip.models.data.images import IMAGES, check_request, normalised, read_images
from onchip.models.data.sensor import SensorConfig
from onchip.models.data.tonic_layout import LAYOUTS


def dataset_table() -> list[DatasetInfo]:
    """Every data set :func:`load_dataset` knows, with its splits and how to get it."""
    recorded = (layout.info for layout in LAYOUTS.values())
    return [digits_dvs.INFO, *recorded, *(files.info for files in IMAGES.values())]


@dataclass(frozen=True)
class _Request:
    """What was asked for, see :func:`load_dataset`."""

    info: DatasetInfo
    split: str
    data_root: str | Path | None
    time_steps: int
    framing: str
    binary: bool
    size: int | None
    seed: int
    sensor: SensorConfig | None
    limit: int | None
    cache_dir: str | Path | None
    progress: bool

    def __post_init__(self) -> None:
        if self.seed < 0:
            raise ValueError(f"seed = {self.seed} must not be negative")
        if self.limit is not None and self.limit < 1:
            raise ValueError(f"limit = {self.limit} must be at least 1")
        if self.sensor is not None and not self.info.simulated:
            raise ValueError(f"{self.info.name}: recorded by a real sensor; leave sensor out")


@dataclass(frozen=True)
class _Source:
    """Samples to be framed: labels, (train, test) indices, how to frame some of them, facts.

    `shuffled`: the files are sorted by class, and the seed draws the training part's order.
    """

    labels: np.ndarray
    parts: tuple[np.ndarray, np.ndarray]
    framing: dict[str, object]
    frames: Callable[[np.ndarray], np.ndarray]
    facts: dict[str, object]
    shuffled: bool = False


def load_dataset(
    name: str,
    *,
    split: str | None = None,
    data_root: str | Path | None = None,
    time_steps: int = 10,
    framing: str = "time",
    binary: bool = True,
    size: int | None = None,
    seed: int = 0,
    sensor: SensorConfig | None = None,
    limit: int | None = None,
    cache_dir: str | Path | None = None,
    progress: bool = False,
) -> tuple[FrameDataset, FrameDataset]:
    """The (train, test) parts of a data set, as frames.

    All frames are held in memory, a byte each: 37 MB for digits-dvs, 1.6 GB for the whole of
    NMNIST, 3.3 GB for CIFAR10DVS at its own 128x128 and 0.5 GB at size 48. CIFAR-10 and CIFAR-100
    are 0.7 GB of float32, whatever the number of steps.

    Args:
        name: one of :func:`dataset_table`.
        split: how it is split; None takes the data set's default.
        data_root: folder that holds the data set's own folder, as tonic's ``save_to``; digits-dvs
            needs none.
        time_steps: frames of a sample, T; a picture is shown at all of them.
        framing: "time" (equal windows) or "count" (equal numbers of events); not for pictures.
        binary: 0/1 presence, otherwise counts saturating at 255; leave it as it is for pictures.
        size: side of the frames in pixels, at most the sensor's; None keeps the sensor's. Pictures
            are not resized.
        seed: draws random splits, the order of a recorded training part (the files are sorted by
            class, the test part stays as they are), and for digits-dvs the noise and jitter of each
            sample.
        sensor: the simulated camera, for digits-dvs only.
        limit: at most so many samples in each part, the first ones, balanced over the classes.
        cache_dir: folder of the cached frames; None takes ``$ONCHIP_CACHE`` or the user's cache.
        progress: show a bar while frames are made.

    Raises:
        ValueError: an unknown name, split or framing, a value out of range, a damaged recording.
        FileNotFoundError: the data set is not in its folder; the message says what to do.
    """
    table = {info.name: info for info in dataset_table()}
    if name not in table:
        raise ValueError(f"dataset {name!r} is unknown; valid: {', '.join(table)}")
    info = table[name]
    request = _Request(
        info=info,
        split=info.choose_split(split),
        data_root=data_root,
        time_steps=time_steps,
        framing=framing,
        binary=binary,
        size=size,
        seed=seed,
        sensor=sensor,
        limit=limit,
        cache_dir=cache_dir,
        progress=progress,
    )
    load = _digits if info.simulated else _images if info.images else _tonic
    return _assemble(request, load(request))


def _digits(request: _Request) -> _Source:
    """The simulated recordings of scikit-learn's digits."""
    sensor = request.sensor or SensorConfig()
    framing = Framing(
        (sensor.pixels, sensor.pixels, 2),
        time_steps=request.time_steps,
        by=request.framing,
        binary=request.binary,
        size=request.size,
        start=0,
        end=sensor.duration,
    )
    _, labels = digits_dvs.load_digits()

    def frames(indices: np.ndarray) -> np.ndarray:
        return digits_dvs.digit_frames(
            indices,
            sensor,
            framing,
            seed=request.seed,
            cache_dir=request.cache_dir,
            progress=request.progress,
        )

    parts = digits_dvs.split_digits(labels, request.split, request.seed)
    facts = {"sensor": asdict(sensor), "samples_published": len(labels)}
    return _Source(labels, parts, framing.described(), frames, facts)


def _tonic(request: _Request) -> _Source:
    """A data set read by tonic from its folder under data_root."""
    info = request.info
    framing = Framing(
        info.sensor_size,
        time_steps=request.time_steps,
        by=request.framing,
        binary=request.binary,
        size=request.size,
    )
    recordings = tonic_datasets.find_recordings(info.name, request.data_root)

    def frames(indices: np.ndarray) -> np.ndarray:
        return tonic_datasets.recording_frames(
            [recordings[i] for i in indices],
            framing,
            dataset=info.name,
            cache_dir=request.cache_dir,
            progress=request.progress,
        )

    labels = np.array([recording.label for recording in recordings], np.int64)
    parts = tonic_datasets.split_recordings(recordings, request.split, request.seed)
    facts = {
        "sensor": {"size": list(info.sensor_size)},
        "samples_found": len(labels),
        "samples_published": sum(LAYOUTS[info.name].full_size),
    }
    return _Source(labels, parts, framing.described(), frames, facts, shuffled=True)


def _images(request: _Request) -> _Source:
    """Pictures from their binary files under data_root."""
    files = IMAGES[request.info.name]
    check_request(files, request.time_steps, request.framing, request.binary, request.size)
    pictures, labels, train = read_images(files, request.data_root)

    def frames(indices: np.ndarray) -> np.ndarray:
        return hold(normalised(pictures[indices], files), request.time_steps)

    framing = {"time_steps": request.time_steps, "by": "held", "binary": False}
    facts = {
        "pictures": {"size": list(files.info.sensor_size)},
        "normalisation": {"mean": list(files.mean), "deviation": list(files.deviation)},
        "samples_found": len(labels),
        "samples_published": sum(files.full_size),
    }
    parts = np.arange(train), np.arange(train, len(labels))
    return _Source(labels, parts, framing, frames, facts)


def _assemble(request: _Request, source: _Source) -> tuple[FrameDataset, FrameDataset]:
    """Frame what is wanted of a source, both parts in one go, and describe each."""
    info, labels = request.info, source.labels
    train, test = (part[first_balanced(labels[part], request.limit)] for part in source.parts)
    for name, part in (("train", train), ("test", test)):
        if len(part) == 0:
            raise ValueError(
                f"{info.name}: no recordings for {name} in split {request.split!r} "
                f"({info.splits[request.split]}); add some or choose another split"
            )
    frames = source.frames(np.concatenate([train, test]))  # in the files' order, as they are cached
    first = _part(request, source, "train", frames[: len(train)], labels[train])
    second = _part(request, source, "test", frames[len(train) :], labels[test])
    return first.in_random_order(request.seed) if source.shuffled else first, second


def _part(
    request: _Request, source: _Source, part: str, frames: np.ndarray, labels: np.ndarray
) -> FrameDataset:
    """One part with its description."""
    info, split = request.info, request.split
    metadata: dict[str, object] = {
        "dataset": info.name,
        "description": info.description,
        "simulated": info.simulated,
        "split": split,
        "split_description": info.splits[split],
        "part": part,
        "samples": len(labels),
        "limit": request.limit,
        "framing": source.framing,
        "seed": request.seed,
        **source.facts,
    }
    return FrameDataset(info.name, f"{split}:{part}", frames, labels, info.classes, metadata)
