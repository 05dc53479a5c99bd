"""Augmentation of event frames: one draw per sample, shared by all its time steps.

Drawing and changing are separate: a run on several processes draws for the whole batch on each of
them, so that the random numbers are those of one process, and changes its own samples only.

A crop of the frame's own size at a random place, after padding with zeros by p, is a shift by up to
p pixels (`max_shift`); Xiao et al. 2022 use p = 4 on CIFAR10-DVS and CIFAR. On normalised pictures
zero is the mean color, not black.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from onchip.models.config import TrainingConfig
from onchip.models.data.dataset import hold, is_held

MIRROR_IMAGES_DIFFER = {
    "digits-dvs": "a mirrored digit is none",
    "nmnist": "a mirrored digit is none",
    "dvsgesture": "its classes tell left from right",
    "shd": "its frames are no pictures",
}
"""Data sets whose frames must not be flipped, and why."""


class Drop(NamedTuple):
    """Which events of a sample go: `kind` index into `DROPS`, `share` in [0, 1], `place` in [0, 1)
    along time or (rows, columns), `seed` of what is drawn event by event.
    """

    kind: int
    share: float
    place: tuple[float, float]
    seed: int


class Draws(NamedTuple):
    """What was drawn for each sample of a batch; None where the settings ask for no such change.

    `distortions`: (angle in radians, zoom [2, 1]); `shifts` int [samples, 2], rows and columns;
    `flips` bool [samples]; `drops`.
    """

    distortions: list[tuple[float, np.ndarray]] | None
    shifts: np.ndarray | None
    flips: np.ndarray | None
    drops: list[Drop] | None

    def of(self, part: slice) -> Draws:
        """The draws of some of the samples."""
        return Draws(*(None if drawn is None else drawn[part] for drawn in self))


def draw(samples: int, config: TrainingConfig, rng: np.random.Generator) -> Draws:
    """Draw the changes that `config` asks for; nothing is taken from `rng` for the others."""
    distorted = config.max_rotation or config.max_zoom
    far = config.max_shift
    return Draws(
        draw_distortions(samples, config.max_rotation, config.max_zoom, rng) if distorted else None,
        rng.integers(-far, far + 1, (samples, 2)) if far else None,
        rng.random(samples) < 0.5 if config.flip else None,
        draw_drops(samples, config.event_drop, rng) if config.event_drop else None,
    )


def augment(frames: np.ndarray, draws: Draws) -> np.ndarray:
    """`frames` [samples, T, channels, height, width] with the changes drawn for them.

    A picture that is held for all steps is changed once and held again.
    """
    if is_held(frames) and draws.drops is None:
        return hold(augment(frames[:, :1], draws)[:, 0], frames.shape[1])
    if draws.distortions is not None:
        frames = distort(frames, draws.distortions)
    if draws.shifts is not None:
        frames = shift_frames(frames, draws.shifts)
    if draws.flips is not None:
        frames = flip_frames(frames, draws.flips)
    return frames if draws.drops is None else drop_events(frames, draws.drops)


def check_augmentation(config: TrainingConfig, dataset: Any) -> None:
    """Raise ValueError where flipped frames of the data set would belong to no or another class,
    and where events are to be dropped from frames that hold none.
    """
    name = getattr(dataset, "name", "")
    if config.event_drop and _has_no_events(dataset):
        raise ValueError(
            f"training: event_drop does not suit {name or 'the data'}: its frames are real-valued "
            "pictures without events; switch it off"
        )
    if config.flip and name in MIRROR_IMAGES_DIFFER:
        raise ValueError(
            f"training: flip does not suit {name}: {MIRROR_IMAGES_DIFFER[name]}; switch it off"
        )


def _has_no_events(dataset: Any) -> bool:
    frames = getattr(dataset, "frames", None)
    return frames is not None and frames.dtype.kind == "f"


def shift_frames(frames: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """Each sample moved by its (rows, columns) of `shifts` [samples, 2], zeros moving in.

    `frames` [samples, ..., height, width]; positive shifts move down and right.
    """
    shifted = np.zeros_like(frames)
    height, width = frames.shape[-2:]
    for before, after, (down, right) in zip(frames, shifted, shifts, strict=True):
        rows, source_rows = _overlap(int(down), height)
        columns, source_columns = _overlap(int(right), width)
        after[..., rows, columns] = before[..., source_rows, source_columns]
    return shifted


def flip_frames(frames: np.ndarray, flips: np.ndarray) -> np.ndarray:
    """The samples of `flips` (bool [samples]) with left and right exchanged."""
    mask = flips.reshape(-1, *[1] * (frames.ndim - 1))
    return np.where(mask, frames[..., ::-1], frames)


def distort_frames(
    frames: np.ndarray, max_rotation: float, max_zoom: float, rng: np.random.Generator
) -> np.ndarray:
    """Each sample turned and stretched at random about the center, the same for all its steps.

    Rotation up to `max_rotation` degrees, zoom by a factor within 1 +- `max_zoom` along each axis,
    nearest neighbor, zeros moving in. `frames` [samples, ..., height, width].
    """
    return distort(frames, draw_distortions(len(frames), max_rotation, max_zoom, rng))


def draw_distortions(
    samples: int, max_rotation: float, max_zoom: float, rng: np.random.Generator
) -> list[tuple[float, np.ndarray]]:
    """(angle in radians, zoom of (rows, columns) [2, 1]) of each sample."""
    return [
        (
            np.deg2rad(rng.uniform(-max_rotation, max_rotation)),
            rng.uniform(1 - max_zoom, 1 + max_zoom, (2, 1)),
        )
        for _ in range(samples)
    ]


def distort(frames: np.ndarray, distortions: Sequence[tuple[float, np.ndarray]]) -> np.ndarray:
    """Each sample turned by its angle and stretched by its zoom, see `distort_frames`."""
    height, width = frames.shape[-2:]
    y, x = np.mgrid[:height, :width].reshape(2, -1)
    centered = np.stack([y - (height - 1) / 2, x - (width - 1) / 2])
    distorted = np.empty_like(frames)
    for index, (sample, (angle, zoom)) in enumerate(zip(frames, distortions, strict=True)):
        turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
        source = turn @ centered / zoom
        rows = np.rint(source[0] + (height - 1) / 2).astype(int)
        columns = np.rint(source[1] + (width - 1) / 2).astype(int)
        inside = (rows >= 0) & (rows < height) & (columns >= 0) & (columns < width)
        flat = sample.reshape(-1, height * width)
        taken = flat[:, np.where(inside, rows * width + columns, 0)] * inside
        distorted[index] = taken.reshape(sample.shape)
    return distorted


def draw_drops(samples: int, largest: float, rng: np.random.Generator) -> list[Drop]:
    """One of `DROPS` for each sample, all equally likely, with a share uniform in [0, largest)."""
    kinds = rng.integers(len(DROPS), size=samples)
    shares = rng.uniform(0, largest, samples)
    places = rng.random((samples, 2))
    seeds = rng.integers(2**63, size=samples)
    return [
        Drop(int(kind), float(share), (float(place[0]), float(place[1])), int(seed))
        for kind, share, place, seed in zip(kinds, shares, places, seeds, strict=True)
    ]


def drop_events(frames: np.ndarray, drops: Sequence[Drop]) -> np.ndarray:
    """Each sample without the events that its drop takes away.

    The four ways of EventDrop, on frames: nothing; each event for itself with probability `share`
    (frames of counts: that many of them); all events of `share` of the steps, in a row; all events
    of `share` of the area, in a box of the frame's proportions. Source: Gu et al. 2021, "EventDrop"
    (IJCAI), with one share for the three.
    """
    kept = frames.copy()
    for sample, drop in zip(kept, drops, strict=True):
        DROPS[drop.kind](sample, drop)
    return kept


def _drop_nothing(sample: np.ndarray, drop: Drop) -> None:
    pass


def _drop_single_events(sample: np.ndarray, drop: Drop) -> None:
    """In place, as the next two, on the copy that `drop_events` made."""
    rng = np.random.default_rng(drop.seed)
    sample[...] = rng.binomial(sample, 1 - drop.share)


def _drop_steps(sample: np.ndarray, drop: Drop) -> None:
    sample[_window(drop.share, drop.place[0], len(sample))] = 0


def _drop_box(sample: np.ndarray, drop: Drop) -> None:
    side = np.sqrt(drop.share)
    rows, columns = (
        _window(side, place, size)
        for place, size in zip(drop.place, sample.shape[-2:], strict=True)
    )
    sample[..., rows, columns] = 0


DROPS: tuple[Callable[[np.ndarray, Drop], None], ...] = (
    _drop_nothing,
    _drop_single_events,
    _drop_steps,
    _drop_box,
)
"""The ways to drop events, each on one sample [T, channels, height, width]."""


def _window(share: float, place: float, size: int) -> slice:
    """`share` of `size` indices in a row, rounded; all their places are equally likely."""
    length = round(share * size)
    start = int(place * (size - length + 1))
    return slice(start, start + length)


def _overlap(shift: int, size: int) -> tuple[slice, slice]:
    """(where shifted rows land, where they come from)."""
    kept = max(size - abs(shift), 0)
    target, source = max(shift, 0), max(-shift, 0)
    return slice(target, target + kept), slice(source, source + kept)
