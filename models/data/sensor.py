"""The simulated event camera's parameters, and the pattern of its pixels."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np


@dataclass(frozen=True)
class SensorConfig:
    """The simulated event camera, its optics and the movement of the picture.

    Attributes:
        pixels: width and height of the sensor, in pixels.
        monitor_per_pixel: optical scale, monitor pixels seen by one sensor pixel along an axis.
        monitor_per_scene_pixel: size on the monitor of one pixel of the picture, in monitor pixels;
            the picture is interpolated bilinearly. 12 makes a digit of 8x8 cover 24x24 sensor
            pixels.
        segment: length of one of the four segments of the path, in monitor pixels.
        speed: monitor pixels per second.
        loops: how often the closed path is run through.
        black_level: intensity of black, in units of that of white (the contrast is 1 +
            1/black_level).
        threshold: mean contrast threshold, in natural-log intensity.
        threshold_mismatch: standard deviation of a pixel's threshold over its mean.
        dead_fraction: fraction of the pixels that never fire.
        noise_rate: background events per second and pixel, ON and OFF alike.
        jitter: standard deviation of an event's time stamp, in microseconds.
        rotation_degrees: rotation of what the camera sees about the middle of its field.
        seed: draws the mismatch and the dead pixels: two sensors of one seed differ in nothing
            else.

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
        for name in ("monitor_per_pixel", "monitor_per_scene_pixel"):
            _require(self, name, 0 < getattr(self, name) < np.inf, "positive and finite")
        _require(self, "speed", 0 < self.speed <= 1e5, "in (0, 100000]")
        _require(self, "threshold", 0.01 <= self.threshold < np.inf, "at least 0.01")
        _require(self, "black_level", 1e-6 <= self.black_level < np.inf, "at least 1e-6")
        for name in ("threshold_mismatch", "noise_rate", "jitter"):
            _require(self, name, 0 <= getattr(self, name) < np.inf, "finite and not negative")
        _require(self, "dead_fraction", 0 <= self.dead_fraction < 1, "in [0, 1)")
        _require(self, "rotation_degrees", np.isfinite(self.rotation_degrees), "finite")
        _require(self, "seed", self.seed >= 0, "not negative")

    @property
    def duration(self) -> int:
        """Length of a recording in microseconds."""
        return round(self.loops * 4 * self.segment / self.speed * 1e6)

    def drifted(self, share: float = 1.0) -> SensorConfig:
        """The same camera after the drift of the demo, or a `share` of it (0: none, at most 4).

        The scene is rotated by 25 degrees more, a fifth of the pixels is dead, and the mismatch of
        the thresholds, same pattern, is three times as large; of each step as much as `share` says.
        """
        if not 0 <= share <= 4:
            raise ValueError(f"sensor: drift is {share!r}; it must lie in [0, 4], 1 is the demo's")
        return replace(
            self,
            rotation_degrees=self.rotation_degrees + 25.0 * share,
            dead_fraction=(1 - share) * self.dead_fraction + share * 0.2,
            threshold_mismatch=(1 + 2 * share) * self.threshold_mismatch,
        )


def sensor_pattern(config: SensorConfig) -> tuple[np.ndarray, np.ndarray]:
    """The sensor's thresholds (float32 [pixels]) and which pixels are alive (bool [pixels]).

    Thresholds are normal with the mismatch as their deviation, and at least a fifth of their mean.
    Both patterns come from the sensor's seed alone; a larger mismatch scales the same deviations,
    and a larger dead fraction adds to the same dead pixels.
    """
    rng = np.random.default_rng([config.seed])
    count = config.pixels**2
    relative = 1.0 + config.threshold_mismatch * rng.standard_normal(count)
    alive = rng.permutation(count) >= round(config.dead_fraction * count)
    return (config.threshold * np.maximum(relative, 0.2)).astype(np.float32), alive


def _require(config: SensorConfig, name: str, holds: bool, limit: str) -> None:
    """Raise ValueError unless the named field holds."""
    if not holds:
        raise ValueError(f"SensorConfig: {name} = {getattr(config, name)!r} must be {limit}")
