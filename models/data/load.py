"""Data sets by name."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from models.data import digits_dvs
from models.data.dataset import DatasetInfo, FrameDataset, first_balanced
from models.data.event_camera import SensorConfig


def dataset_table() -> list[DatasetInfo]:
    """Every data set :func:`load_dataset` knows, with its splits and how to get it."""
    return [digits_dvs.INFO]


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

    Args:
        name: one of :func:`dataset_table`.
        split: how it is split; None takes the data set's default.
        data_root: folder that holds the data set's own folder, as tonic's ``save_to``; digits-dvs needs
            none.
        time_steps: frames of a sample, T.
        framing: "time" (equal windows) or "count" (equal numbers of events).
        binary: 0/1 presence, otherwise counts saturating at 255.
        size: side of the frames in pixels, at most the sensor's; None keeps the sensor's.
        seed: draws random splits, and for digits-dvs the noise and jitter of each sample.
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
    split = info.choose_split(split)
    _check_common(seed, limit)
    return _load_digits(
        info, split, time_steps, framing, binary, size, seed, sensor, limit, cache_dir, progress
    )


def _load_digits(
    info, split, time_steps, framing, binary, size, seed, sensor, limit, cache_dir, progress
):
    sensor = sensor or SensorConfig()
    cut = digits_dvs.digits_framing(sensor, time_steps, framing, binary, size)
    _, labels = digits_dvs.load_digits()
    parts = [p[first_balanced(labels[p], limit)] for p in digits_dvs.split_digits(labels, split, seed)]
    chosen = np.concatenate(parts)
    frames = digits_dvs.digit_frames(
        chosen, sensor, cut, seed=seed, cache_dir=cache_dir, progress=progress
    )
    metadata = {
        "dataset": info.name,
        "split": split,
        "split_description": info.splits[split],
        "simulated": True,
        "sensor": asdict(sensor),
        "framing": asdict(cut),
        "seed": seed,
    }
    out = []
    start = 0
    for part, indices in zip(("train", "test"), parts, strict=True):
        stop = start + len(indices)
        m = {**metadata, "part": part, "samples": len(indices)}
        out.append(
            FrameDataset(
                info.name, f"{split}:{part}", frames[start:stop], labels[indices], info.classes, m
            )
        )
        start = stop
    return tuple(out)


def _check_common(seed: int, limit: int | None) -> None:
    if seed < 0:
        raise ValueError(f"seed = {seed} must not be negative")
    if limit is not None and limit < 1:
        raise ValueError(f"limit = {limit} must be at least 1")
