"""Events to frames: the binary or counting images a network sees, step by step.

Frames are uint8 [time_steps, channels, height, width]; channel 0 holds OFF events, channel 1 ON
events (a sensor with one polarity has one channel).

Written here rather than taken from ``tonic.transforms.ToFrame``, whose ``n_time_bins`` divides the
duration by floor and with half-open windows, so that the last events (always the very last one)
fall into no frame, whose ``n_event_bins`` drops the remainder of the division, and whose int16
counts wrap. Here every event falls into exactly one frame and counts saturate at 255. Where
``ToFrame`` is right (a given window with given start and end) both agree, and a test says so.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from onchip.models.data.events import LARGEST, read_events

FRAMINGS = ("time", "count")
"""Ways to cut a recording into steps: equal windows of time, or equal numbers of events."""


@dataclass(frozen=True)
class Framing:
    """How a recording becomes frames.

    Attributes:
        sensor_size: (width, height, polarities) as in tonic.
        time_steps: number of frames T.
        by: "time" for T equal windows of the recording, "count" for T slices of equally many events
            (to within one).
        binary: 1 where at least one event fell, else 0; otherwise counts, saturating at 255.
        size: side of the frames in pixels, at most the sensor's; None keeps the sensor's.
            Coordinates map by ``x * size // width``: pixels are pooled and every event stays an
            event. A sensor of height 1 keeps its height.
        start, end: recording in microseconds, [start, end), for framing by time; None takes
            [first event, last event].

    Raises:
        ValueError: an unknown framing, or a value out of range.
    """

    sensor_size: tuple[int, int, int]
    time_steps: int = 10
    by: str = "time"
    binary: bool = True
    size: int | None = None
    start: int | None = None
    end: int | None = None

    def __post_init__(self) -> None:
        """Refuse what cannot be done."""
        if self.by not in FRAMINGS:
            raise ValueError(f"framing {self.by!r} is unknown; valid: {', '.join(FRAMINGS)}")
        if self.time_steps < 1:
            raise ValueError(f"time_steps = {self.time_steps} must be at least 1")
        smallest = min(
            side for side in self.sensor_size[:2] if side > 1 or self.sensor_size[0] == 1
        )
        if self.size is not None and not 1 <= self.size <= smallest:
            raise ValueError(f"size = {self.size} must lie in 1..{smallest}, the sensor's own")

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(time_steps, channels, height, width) of one sample's frames."""
        width, height, polarities = self.sensor_size
        if self.size is not None:
            width, height = self.size, self.size if height > 1 else 1
        return self.time_steps, polarities, height, width

    def described(self) -> dict[str, object]:
        """The values for metadata, JSON-able."""
        return {**asdict(self), "sensor_size": list(self.sensor_size)}


def to_frames(events: Any, framing: Framing, sample: str = "sample") -> np.ndarray:
    """Frames of one recording, uint8 [time_steps, channels, height, width].

    Args:
        events: structured array with fields t (microseconds), x, y and p, or what else
            :func:`onchip.models.data.events.read_events` understands; in any order of time.
        framing: how to cut and what to count.
        sample: the recording's name, for messages.

    Raises:
        ValueError: events that cannot be understood, no events, an event outside of the sensor or
            of the recording.
    """
    t, x, y, p = read_events(events, framing.sensor_size, sample)
    width, height, _ = framing.sensor_size
    steps, channels, rows, columns = framing.shape
    step = _by_time(t, framing, sample) if framing.by == "time" else _by_count(t, steps)
    row, column = y * rows // height, x * columns // width
    flat = ((step * channels + p) * rows + row) * columns + column
    frames = np.zeros(steps * channels * rows * columns, np.uint8)
    if framing.binary:
        frames[flat] = 1
    else:
        frames[:] = np.minimum(np.bincount(flat, minlength=frames.size), 255)
    return frames.reshape(framing.shape)


def _by_time(t: np.ndarray, framing: Framing, sample: str) -> np.ndarray:
    """Step of each event: floor(T (t - start) / duration), the last instant in the last step."""
    start = int(t.min()) if framing.start is None else framing.start
    end = int(t.max()) + 1 if framing.end is None else framing.end
    if t.min() < start or t.max() >= end:
        raise ValueError(f"{sample}: event times {t.min()}..{t.max()} us leave [{start}, {end})")
    if (end - start) * framing.time_steps > LARGEST:
        raise ValueError(
            f"{sample}: {end - start} us are no recording's duration; repair the times"
        )
    return (t - start) * framing.time_steps // (end - start)


def _by_count(t: np.ndarray, steps: int) -> np.ndarray:
    """Step of each event: floor(T k / n) for the k-th of n events in the order of time."""
    step = np.empty(len(t), np.int64)
    step[np.argsort(t, kind="stable")] = np.arange(len(t)) * steps // len(t)
    return step
