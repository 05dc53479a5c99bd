"""Data sets by name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from onchip.models.data import digits_dvs, tonic_datasets
from onchip.models.data.assembly import Request, Source, assemble, known_name
from onchip.models.data.dataset import DatasetInfo, FrameDataset, hold
from onchip.models.data.frames import Framing
from onchip.models.data.images import IMAGES, check_request, normalised, read_images
from onchip.models.data.own.loading import STEPS, is_own, load_own
from onchip.models.data.sensor import SensorConfig
from onchip.models.data.tonic_layout import LAYOUTS


def dataset_table() -> list[DatasetInfo]:
    """Every data set :func:`load_dataset` knows, with its splits and how to get it."""
    recorded = (layout.info for layout in LAYOUTS.values())
    return [digits_dvs.INFO, *recorded, *(files.info for files in IMAGES.values())]


def load_dataset(
    name: str,
    *,
    split: str | None = None,
    data_root: str | Path | None = None,
    time_steps: int | None = None,
    framing: str = "time",
    binary: bool = True,
    size: int | None = None,
    seed: int = 0,
    sensor: SensorConfig | None = None,
    limit: int | None = None,
    labels: str | Path | None = None,
    sensor_size: tuple[int, int, int] | None = None,
    cache_dir: str | Path | None = None,
    progress: bool = False,
) -> tuple[FrameDataset, FrameDataset]:
    """The (train, test) parts of a data set, as frames.

    All frames are held in memory, a byte each: 37 MB for digits-dvs, 1.6 GB for the whole of
    NMNIST, 3.3 GB for CIFAR10DVS at its own 128x128 and 0.5 GB at size 48. CIFAR-10 and CIFAR-100
    are 0.7 GB of float32, whatever the number of steps.

    Args:
        name: one of :func:`dataset_table`, in small or capital letters, with or without hyphens;
            or the path of a file or folder of one's own (:mod:`onchip.models.data.own`).
        split: how it is split; None takes the data set's default.
        data_root: folder that holds the data set's own folder, as tonic's ``save_to``; digits-dvs
            needs none.
        time_steps: frames of a sample, T; a picture is shown at all of them. None takes 10, or the
            steps of frames of one's own.
        framing: "time" (equal windows) or "count" (equal numbers of events); not for pictures.
        binary: 0/1 presence, otherwise counts saturating at 255; leave it as it is for pictures.
        size: side of the frames in pixels, at most the sensor's; None keeps the sensor's. Pictures
            are not resized.
        seed: draws random splits, the order of a recorded training part (the files are sorted by
            class, the test part stays as they are), and for digits-dvs the noise and jitter of each
            sample.
        sensor: the simulated camera, for digits-dvs only.
        limit: at most so many samples in each part, the first ones, balanced over the classes.
        labels: a file of labels, for data of one's own that have none.
        sensor_size: (width, height, polarities) of events of one's own whose files do not say it.
        cache_dir: folder of the cached frames; None takes ``$ONCHIP_CACHE`` or the user's cache.
        progress: show a bar while frames are made.

    Raises:
        ValueError: an unknown name, split or framing, a value out of range, a damaged recording.
        FileNotFoundError: the data set is not in its folder; the message says what to do.
    """
    table = {info.name: info for info in dataset_table()}
    known = known_name(name, table)
    if known is None and is_own(name):
        _check_own(name, data_root, sensor)
        return load_own(
            name,
            split=split,
            time_steps=time_steps,
            framing=framing,
            binary=binary,
            size=size,
            seed=seed,
            limit=limit,
            labels=labels,
            sensor_size=sensor_size,
            cache_dir=cache_dir,
            progress=progress,
        )
    if known is None:
        raise ValueError(
            f"dataset {name!r} is unknown; valid: {', '.join(table)}, or a path of your own data"
        )
    for option, value in (("labels", labels), ("sensor_size", sensor_size)):
        if value is not None:
            raise ValueError(f"{known}: {option} is for data of your own; leave it out")
    info = table[known]
    request = Request(
        info=info,
        split=info.choose_split(split),
        data_root=data_root,
        time_steps=STEPS if time_steps is None else time_steps,
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
    return assemble(request, load(request))


def _check_own(name: str, data_root: str | Path | None, sensor: SensorConfig | None) -> None:
    """Refuse what is for data sets by name."""
    if data_root is not None or sensor is not None:
        option = "data_root" if sensor is None else "sensor"
        raise ValueError(f"dataset {name}: {option} is for data sets by name; leave it out")


def _digits(request: Request) -> Source:
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
    return Source(labels, parts, framing.described(), frames, facts)


def _tonic(request: Request) -> Source:
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
    return Source(labels, parts, framing.described(), frames, facts, shuffled=True)


def _images(request: Request) -> Source:
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
    return Source(labels, parts, framing, frames, facts)
