"""A simulated event camera that watches a picture move on a monitor.

The recording protocol is that of CIFAR10-DVS (Li et al., Frontiers in Neuroscience 11:309, 2017):
the picture moves along a closed-loop diamond of four straight segments, ``segment`` monitor pixels
each, at ``speed`` monitor pixels a second, ``loops`` times (10 px, 200 px/s, 6 loops: 1.2 s).

A pixel of the camera compares the log intensity ``l(t)`` it sees with the level ``r`` at which it
last fired and fires one event for each threshold ``theta`` crossed since (Lichtsteiner et al., IEEE
JSSC 43:566, 2008):

    l >= r + theta:  ON event,  r <- r + theta          l <= r - theta:  OFF event,  r <- r - theta

In units of theta, relative to the first frame, r is an integer, and a new value x of the signal
moves it to clip(r, floor(x), ceil(x)). A composition of clips is a clip, and a clip applied twice
is itself: from the second loop on every loop repeats the one before it exactly, so two loops are
computed and the second is repeated. Time-stamp jitter and background noise are drawn for each loop
anew.

No part of this is a real sensor: results on it must say that the sensor is simulated.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from onchip.models.data.optics import optical_map
from onchip.models.data.sensor import SensorConfig, sensor_pattern

EVENT_DTYPE = np.dtype([("t", np.int64), ("x", np.int16), ("y", np.int16), ("p", bool)])
"""Events as tonic keeps them: time in microseconds, column, row, polarity (True is ON)."""

# Of a threshold: the rounding of a float32 logarithm must not lose an exact crossing
_EPSILON = 1e-4


class Crossings(NamedTuple):
    """Threshold crossings: each one's interval, pixel, sign (+1, -1), fraction of the interval."""

    interval: np.ndarray
    pixel: np.ndarray
    sign: np.ndarray
    fraction: np.ndarray


class EventCamera:
    """A camera of one :class:`SensorConfig` before a square picture of ``scene_pixels`` a side."""

    def __init__(self, config: SensorConfig, scene_pixels: int = 8) -> None:
        self.config = config
        self.scene_pixels = scene_pixels
        self.thresholds, self.alive = sensor_pattern(config)
        self._optics = optical_map(config, scene_pixels)

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
        time, pixel, sign = (
            np.concatenate(pair) for pair in zip((time, pixel, sign), noise, strict=True)
        )
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
        """Times, pixels, signs of the background events: a Poisson process on the live pixels."""
        live = np.flatnonzero(self.alive)
        duration = self.config.duration
        count = rng.poisson(self.config.noise_rate * live.size * duration * 1e-6)
        pixel = live[rng.integers(0, live.size, count)] if live.size else live
        count = pixel.size
        return (
            rng.uniform(0, duration, count),
            pixel,
            rng.choice(np.array([-1, 1], np.int16), count),
        )

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
