"""digits-dvs: real handwritten digits shown to a simulated event camera.

scikit-learn's 1797 digits (8x8 pixels, 16 gray levels; the test part of UCI's "Optical Recognition
of Handwritten Digits") moved in front of :class:`onchip.models.data.event_camera.EventCamera`. The
handwriting is real, the sensor is simulated. Nothing is downloaded: the digits come with
scikit-learn.

Sample i of seed s draws its jitter and noise from ``default_rng([s, i])``: it is the same whatever
else is built. The sensor's own pattern comes from the sensor's seed.
"""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import numpy as np

from onchip.models.data.bars import tqdm
from onchip.models.data.cache import cache_file, cached_frames, load_frames
from onchip.models.data.dataset import DatasetInfo, stratified_split
from onchip.models.data.event_camera import EventCamera
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.sensor import SensorConfig

TRAIN_FRACTION = 0.8
"""Of either split: of each class ("random"), or of the file ("contiguous")."""

INFO = DatasetInfo(
    name="digits-dvs",
    description="scikit-learn's 1797 handwritten digits before a simulated event camera",
    sensor_size=(32, 32, 2),
    classes=10,
    default_split="random",
    splits={
        "random": "80 % of each class in train, 20 % in test, drawn by the seed",
        "contiguous": "first 80 % of the file in train, last 20 % in test: different writers",
    },
    simulated=True,
    obtain="nothing to get: built on demand and cached",
)


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Pictures, float32 [1797, 8, 8] with brightness in [0, 1], and labels, int64 [1797]."""
    from sklearn import datasets  # imported here: it costs a second

    digits = datasets.load_digits()
    return (digits.images / 16).astype(np.float32), digits.target.astype(np.int64)


def digit_events(index: int, *, seed: int = 0, sensor: SensorConfig | None = None) -> np.ndarray:
    """Events of one digit, sorted by time: fields t (microseconds), x, y, p.

    Raises:
        ValueError: there is no such digit.
    """
    pictures, _ = load_digits()
    if not 0 <= index < len(pictures):
        raise ValueError(f"digits-dvs: index {index} must lie in 0..{len(pictures) - 1}")
    camera = EventCamera(sensor or SensorConfig())
    return camera.record(pictures[index], np.random.default_rng([seed, index]))


def split_digits(labels: np.ndarray, split: str, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(train, test) indices of a split named in :data:`INFO`."""
    if split == "random":
        return stratified_split(labels, TRAIN_FRACTION, seed)
    first = int(TRAIN_FRACTION * len(labels))
    return np.arange(first), np.arange(first, len(labels))


def digit_frames(
    indices: np.ndarray,
    sensor: SensorConfig,
    framing: Framing,
    *,
    seed: int,
    cache_dir: str | Path | None = None,
    progress: bool = False,
) -> np.ndarray:
    """Frames of the digits at these indices, uint8 [samples, time_steps, 2, height, width].

    All digits are built and kept together. Where that has not been done and only some are asked
    for, only those are built, and kept by themselves.
    """
    pictures, _ = load_digits()
    everything = np.arange(len(pictures))

    def build(chosen: np.ndarray) -> np.ndarray:
        camera = EventCamera(sensor)
        frames = np.empty((len(chosen), *framing.shape), np.uint8)
        shown = tqdm(chosen, "digits-dvs", disable=not progress, unit="sample")
        for place, index in enumerate(shown):
            events = camera.record(pictures[index], np.random.default_rng([seed, index]))
            frames[place] = to_frames(events, framing, f"digits-dvs sample {index}")
        return frames

    key = {"sensor": asdict(sensor), "framing": asdict(framing), "seed": seed}
    whole = cache_file("digits-dvs", key, cache_dir)
    if len(indices) == len(everything):
        return cached_frames(whole, lambda: build(everything))[indices]
    kept = load_frames(whole)
    if kept is not None:
        return kept[indices]
    part = cache_file("digits-dvs", {**key, "indices": indices.tolist()}, cache_dir)
    return cached_frames(part, lambda: build(indices))
