"""A simulated event camera that watches a picture move on a monitor.

The recording protocol is that of CIFAR10-DVS (Li et al., Frontiers in Neuroscience 11:309, 2017): the
picture moves along a closed-loop diamond of four straight segments, ``segment`` monitor pixels each,
at ``speed`` monitor pixels a second, ``loops`` times (10 px, 200 px/s, 6 loops: 1.2 s).

A pixel of the camera compares the log intensity ``l(t)`` it sees with the level ``r`` at which it last
fired and fires one event for each threshold ``theta`` crossed since (Lichtsteiner et al., IEEE JSSC
43:566, 2008):

    l >= r + theta:  ON event,  r <- r + theta          l <= r - theta:  OFF event,  r <- r - theta

In units of theta, relative to the first frame, r is an integer, and a new value x of the signal moves
it to clip(r, floor(x), ceil(x)). A composition of clips is a clip, and a clip applied twice is itself:
from the second loop on every loop repeats the one before it exactly, so two loops are computed and the
second is repeated. Time-stamp jitter and background noise are drawn for each loop anew.

No part of this is a real sensor: results on it must say that the sensor is simulated.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
from scipy import sparse

EVENT_DTYPE = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", bool)])
"""Events as tonic keeps them: time in microseconds, column, row, polarity (True is ON)."""

_EPSILON = 1e-4  # of a threshold: the rounding of a float32 logarithm must not lose an exact crossing
_SAMPLES_PER_PIXEL = 2  # points per sensor pixel and axis over which a pixel averages the monitor


@dataclass(frozen=True)
class SensorConfig:
    """The simulated event camera, its optics and the movement of the picture.

    Attributes:
        pixels: width and height of the sensor, in pixels.
        monitor_per_pixel: optical scale, monitor pixels seen by one sensor pixel along an axis.
        monitor_per_scene_pixel: size on the monitor of one pixel of the picture, in monitor pixels;
            the picture is interpolated bilinearly. 12 makes a digit of 8x8 cover 24x24 sensor pixels.
        segment: length of one of the four segments of the path, in monitor pixels.
        speed: monitor pixels per second.
        loops: how often the closed path is run through.
        black_level: intensity of black, in units of that of white (the contrast is 1 + 1/black_level).
        threshold: mean contrast threshold, in natural-log intensity.
        threshold_mismatch: standard deviation of a pixel's threshold over its mean.
        dead_fraction: fraction of the pixels that never fire.
        noise_rate: background events per second and pixel, ON and OFF alike.
        jitter: standard deviation of an event's time stamp, in microseconds.
        rotation_degrees: rotation of what the camera sees about the middle of its field.
        seed: draws the mismatch and the dead pixels: two sensors of one seed differ in nothing else.

    Raises:
        ValueError: a value is out of range.
    """

    pixels: int = 32
    monitor_per_pixel: float = 4.0
    monitor_per_scene_pixel: float = 12.0
    segment: int = 10
    speed: float = 200.0
    loops: int = 6
    black_level: float = 0.25
    threshold: float = 0.3
    threshold_mismatch: float = 0.1
    dead_fraction: float = 0.0
    noise_rate: float = 3.0
    jitter: float = 500.0
    rotation_degrees: float = 0.0
    seed: int = 0

    def __post_init__(self) -> None:
        """Refuse values a camera cannot have."""
        for name in ("pixels", "segment", "loops"):
            _require(self, name, getattr(self, name) >= 1, "at least 1")
        positive = ("monitor_per_pixel", "monitor_per_scene_pixel", "speed", "black_level", "threshold")
        for name in positive:
            _require(self, name, 0 < getattr(self, name) < np.inf, "positive and finite")
        for name in ("threshold_mismatch", "noise_rate", "jitter"):
            _require(self, name, 0 <= getattr(self, name) < np.inf, "finite and not negative")
        _require(self, "dead_fraction", 0 <= self.dead_fraction < 1, "in [0, 1)")
        _require(self, "rotation_degrees", np.isfinite(self.rotation_degrees), "finite")
        _require(self, "seed", self.seed >= 0, "not negative")

    @property
    def duration(self) -> int:
        """Length of a recording in microseconds."""
        return round(self.loops * 4 * self.segment / self.speed * 1e6)

    def drifted(self) -> SensorConfig:
        """The same camera after the drift of the demo.

        The scene is rotated by 25 degrees more, a fifth of the pixels is dead, and the mismatch of the
        thresholds, same pattern, is three times as large.
        """
        return replace(
            self,
            rotation_degrees=self.rotation_degrees + 25.0,
            dead_fraction=0.2,
            threshold_mismatch=3 * self.threshold_mismatch,
        )


class Crossings(NamedTuple):
    """Threshold crossings, one entry each: interval, pixel, sign (+1, -1), fraction of the interval."""

    interval: np.ndarray
    pixel: np.ndarray
    sign: np.ndarray
    fraction: np.ndarray


class EventCamera:
    """A camera of one :class:`SensorConfig` in front of a square picture of ``scene_pixels`` a side."""

    def __init__(self, config: SensorConfig, scene_pixels: int = 8) -> None:
        self.config = config
        self.scene_pixels = scene_pixels
        self.thresholds, self.alive = sensor_pattern(config)
        self._optics = _optics(config, scene_pixels)

    def log_intensity(self, picture: np.ndarray) -> np.ndarray:
        """What every pixel sees at each position of one loop: float32 [positions, pixels].

        Args:
            picture: brightness in [0, 1], [scene_pixels, scene_pixels].

        Raises:
            ValueError: another shape, or a brightness outside [0, 1].
        """
        picture = np.asarray(picture, dtype=np.float32)
        if picture.shape != (self.scene_pixels, self.scene_pixels):
            raise ValueError(
                f"picture: shape {picture.shape} is not {(self.scene_pixels, self.scene_pixels)}"
            )
        if not (picture.min() >= 0 and picture.max() <= 1):
            raise ValueError("picture: brightness must lie in [0, 1]; divide by its maximum")
        seen = self._optics @ picture.ravel()
        return np.log(seen + np.float32(self.config.black_level)).reshape(-1, self.thresholds.size)

    def record(self, picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Events of one recording, sorted by time, as an array of :data:`EVENT_DTYPE`.

        Args:
            picture: brightness in [0, 1], [scene_pixels, scene_pixels].
            rng: draws the jitter and the background noise of this recording.

        Raises:
            ValueError: see :meth:`log_intensity`.
        """
        time, pixel, sign = self._signal(self.log_intensity(picture))
        time = time + rng.normal(0.0, self.config.jitter, time.size)
        noise = self._noise(rng)
        time, pixel, sign = (np.concatenate(pair) for pair in zip((time, pixel, sign), noise, strict=True))
        return self._events(time, pixel, sign)

    def _signal(self, log_intensity: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times in microseconds, pixels and signs of the whole recording's threshold crossings."""
        positions = len(log_intensity)
        loops = min(self.config.loops, 2)
        path = np.concatenate([log_intensity] * loops + [log_intensity[:1]])
        found = threshold_crossings(path, self.thresholds, self.alive)
        step = self.config.duration / (self.config.loops * positions)
        time = (found.interval + found.fraction) * step
        repeated = np.searchsorted(found.interval, positions)
        shifts = np.arange(1, self.config.loops - 1) * (positions * step)
        time = np.concatenate([time, (time[repeated:] + shifts[:, None]).ravel()])
        pixel, sign = (
            np.concatenate([part, np.tile(part[repeated:], len(shifts))])
            for part in (found.pixel, found.sign)
        )
        return time, pixel, sign

    def _noise(self, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Times, pixels and signs of the background events: a Poisson process on the live pixels."""
        live = np.flatnonzero(self.alive)
        duration = self.config.duration
        count = rng.poisson(self.config.noise_rate * live.size * duration * 1e-6)
        pixel = live[rng.integers(0, live.size, count)] if live.size else live
        count = pixel.size
        return rng.uniform(0, duration, count), pixel, rng.choice(np.array([-1, 1], np.int16), count)

    def _events(self, time: np.ndarray, pixel: np.ndarray, sign: np.ndarray) -> np.ndarray:
        """Pack into :data:`EVENT_DTYPE`, times clipped into the recording, sorted."""
        time = np.clip(time, 0, self.config.duration - 1).astype(np.int64)
        order = np.argsort(time, kind="stable")
        events = np.empty(time.size, EVENT_DTYPE)
        events["t"] = time[order]
        events["y"], events["x"] = np.divmod(pixel[order], self.config.pixels)
        events["p"] = sign[order] > 0
        return events


def threshold_crossings(
    log_intensity: np.ndarray, thresholds: np.ndarray, alive: np.ndarray | None = None
) -> Crossings:
    """Every threshold crossing of a log intensity that is linear between samples.

    Args:
        log_intensity: [samples, pixels]; a pixel's first reference level is its first sample.
        thresholds: positive, [pixels], the same for ON and OFF.
        alive: bool [pixels]; a pixel that is not never fires. None: all are alive.

    Returns:
        Crossings in order of their interval (interval i lies between samples i and i + 1).
    """
    x = (log_intensity - log_intensity[0]) / thresholds
    low = np.floor(x + _EPSILON).astype(np.int16)
    high = np.ceil(x - _EPSILON).astype(np.int16)
    level = np.zeros_like(low)
    for i in range(1, len(x)):  # clip(level, low, high), see the module's docstring
        np.minimum(np.maximum(level[i - 1], low[i]), high[i], out=level[i])
    steps = np.diff(level, axis=0)
    if alive is not None:
        steps[:, ~alive] = 0
    return _spread(x, level, steps)


def _spread(x: np.ndarray, level: np.ndarray, steps: np.ndarray) -> Crossings:
    """One crossing for each of the |steps| levels passed in an interval, interpolated linearly."""
    interval, pixel = np.nonzero(steps)
    count = np.abs(steps[interval, pixel])
    nth = np.arange(1, count.sum() + 1) - np.repeat(np.cumsum(count) - count, count)
    interval, pixel = np.repeat(interval, count), np.repeat(pixel, count)
    sign = np.sign(steps[interval, pixel])
    before = x[interval, pixel]
    crossed = level[interval, pixel] + sign * nth
    fraction = (crossed - before) / (x[interval + 1, pixel] - before)
    return Crossings(interval, pixel, sign, np.clip(fraction, 0.0, 1.0))


def sensor_pattern(config: SensorConfig) -> tuple[np.ndarray, np.ndarray]:
    """The sensor's thresholds (float32 [pixels]) and which pixels are alive (bool [pixels]).

    Thresholds are normal with the mismatch as their deviation, and at least a fifth of their mean. Both
    patterns come from the sensor's seed alone; a larger mismatch scales the same deviations, and a
    larger dead fraction adds to the same dead pixels.
    """
    rng = np.random.default_rng([config.seed])
    count = config.pixels**2
    relative = 1.0 + config.threshold_mismatch * rng.standard_normal(count)
    alive = rng.permutation(count) >= round(config.dead_fraction * count)
    return (config.threshold * np.maximum(relative, 0.2)).astype(np.float32), alive


def path_positions(config: SensorConfig) -> np.ndarray:
    """Offset of the picture at each position of one loop, [4 * segment, 2] as (x, y) in monitor pixels.

    One position a monitor pixel, centred on the optical axis.
    """
    r = config.segment / np.sqrt(2.0)
    corners = np.array([[0, -r], [r, 0], [0, r], [-r, 0], [0, -r]])
    along = np.arange(config.segment)[:, None] / config.segment
    return np.concatenate([corners[k] + (corners[k + 1] - corners[k]) * along for k in range(4)])


def _optics(config: SensorConfig, scene_pixels: int) -> sparse.csr_matrix:
    """The linear map from a picture to what each pixel sees at each position of the path.

    [positions * pixels, scene_pixels**2]; a sensor pixel averages over points of the monitor, each
    interpolated bilinearly between the picture's pixels; outside of the picture the monitor is black.
    """
    fine = config.pixels * _SAMPLES_PER_PIXEL
    axis = ((np.arange(fine) + 0.5) / _SAMPLES_PER_PIXEL - config.pixels / 2) * config.monitor_per_pixel
    x, y = np.meshgrid(axis, axis)
    angle = np.deg2rad(config.rotation_degrees)
    x, y = np.cos(angle) * x + np.sin(angle) * y, np.cos(angle) * y - np.sin(angle) * x
    coarse = np.arange(fine) // _SAMPLES_PER_PIXEL
    pixel = (coarse[:, None] * config.pixels + coarse).ravel()
    views = [
        _view((x - dx).ravel(), (y - dy).ravel(), pixel, config, scene_pixels)
        for dx, dy in path_positions(config)
    ]
    return sparse.vstack(views, format="csr").astype(np.float32)


def _view(
    x: np.ndarray, y: np.ndarray, pixel: np.ndarray, config: SensorConfig, side: int
) -> sparse.csr_matrix:
    """One position's part of :func:`_optics`, for monitor points (x, y) relative to the picture."""
    x, y = (v / config.monitor_per_scene_pixel + (side - 1) / 2 for v in (x, y))
    x0, y0 = np.floor(x).astype(int), np.floor(y).astype(int)
    view = sparse.csr_matrix((config.pixels**2, side**2))
    for cx, cy in ((x0, y0), (x0 + 1, y0), (x0, y0 + 1), (x0 + 1, y0 + 1)):
        weight = (1 - np.abs(x - cx)) * (1 - np.abs(y - cy)) / _SAMPLES_PER_PIXEL**2
        inside = (cx >= 0) & (cx < side) & (cy >= 0) & (cy < side)
        index = (pixel[inside], (cy * side + cx)[inside])
        view = view + sparse.csr_matrix((weight[inside], index), shape=view.shape)
    return view


def _require(config: SensorConfig, name: str, holds: bool, limit: str) -> None:
    """Raise ValueError unless the named field holds."""
    if not holds:
        raise ValueError(f"SensorConfig: {name} = {getattr(config, name)!r} must be {limit}")
