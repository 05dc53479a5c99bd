"""The border for events: a recording of any convention becomes whole numbers t, x, y and p.

What is accepted is what can mean one thing only: named columns (a structured array, or a mapping of
arrays) under the names of :data:`NAMES`, in numbers of any type and byte order whose values are
whole; polarities 0 and 1, True and False, or -1 and 1 (-1 is OFF); times in any order, and those of
a 32-bit (or narrower) counter that started again. Everything else is refused in one line: missing
or doubled columns, fractions (times in seconds), NaN, plain arrays, whose columns have no names.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from onchip.checks import plain_array

NAMES: dict[str, tuple[str, ...]] = {
    "t": ("t", "ts", "time", "times", "timestamp", "timestamps"),
    "x": ("x", "xs"),
    "y": ("y", "ys"),
    "p": ("p", "ps", "pol", "polarity", "polarities", "on"),
}
"""What a column may be called, in small or capital letters."""

LARGEST = 2**53
"""Beyond it, neither times nor the product of a duration and the steps are exact."""

_COUNTER = 2**32  # values of a 32-bit clock of microseconds: it starts again after 71 minutes


class Events(NamedTuple):
    """One recording: times in microseconds, columns, rows and polarities (0 OFF, 1 ON), int64."""

    t: np.ndarray
    x: np.ndarray
    y: np.ndarray
    p: np.ndarray


def read_events(events: Any, sensor_size: tuple[int, int, int], sample: str = "sample") -> Events:
    """The events of one recording of a sensor (width, height, polarities), in their own order.

    `y` may be missing where the height is 1, `p` (which is not looked at) where there is one
    polarity.

    Raises:
        ValueError: naming `sample` and what cannot be understood; no events, or an event outside of
            the sensor.
    """
    width, height, polarities = sensor_size
    columns = _columns(events, sample)
    count = len(next(iter(columns.values())))
    if count == 0:
        raise ValueError(f"{sample}: no events; remove the recording or look at its file")
    nothing = np.zeros(count, np.int64)
    times = _column("t", columns, sample)
    t = _unwrapped(_whole("t", times, sample), _counter(times), sample)
    x = _whole("x", _column("x", columns, sample), sample)
    y = nothing if height == 1 and _lacks("y", columns) else _column("y", columns, sample)
    p = nothing if polarities == 1 else _column("p", columns, sample)
    found = Events(t, x, _whole("y", y, sample), _polarity(_whole("p", p, sample), polarities))
    for name, limit in (("x", width), ("y", height), ("p", polarities)):
        _check_range(name, getattr(found, name), limit, sample)
    return found


def name_columns(array: Any, order: str = "txyp") -> np.ndarray:
    """A plain array [events, columns] as events: `order` says what each column holds, by letter.

    Raises:
        ValueError: an array of another shape, or letters other than t, x, y and p, each once.
    """
    plain = plain_array("events", array)
    if not order or set(order) - set(NAMES) or len(set(order)) != len(order):
        raise ValueError(f"events: order {order!r} must be letters of 'txyp', each at most once")
    if plain.ndim != 2 or plain.shape[1] != len(order):
        raise ValueError(
            f"events: shape {plain.shape} is not [events, {len(order)}], the columns of {order!r}"
        )
    named = np.empty(len(plain), [(name, plain.dtype) for name in order])
    for place, name in enumerate(order):
        named[name] = plain[:, place]
    return named


def _columns(events: Any, sample: str) -> dict[str, np.ndarray]:
    """Name -> column [events]."""
    if isinstance(events, Mapping):
        named = {str(n): plain_array(f"{sample}: {n}", column) for n, column in events.items()}
    else:
        array = plain_array(f"{sample}: events", events)
        if array.dtype.names is None:
            raise ValueError(
                f"{sample}: a plain array of shape {array.shape} does not say which column is "
                "which; name them, as onchip.models.data.name_columns(events, 'txyp') does"
            )
        named = {name: array[name] for name in array.dtype.names}
    shapes = {column.shape for column in named.values()}
    if len(shapes) != 1 or len(next(iter(shapes))) != 1:
        raise ValueError(
            f"{sample}: its columns have shapes {sorted(shapes)}; each needs one number an event"
        )
    return named


def _lacks(kind: str, columns: Mapping[str, np.ndarray]) -> bool:
    return not any(name.lower() in NAMES[kind] for name in columns)


def _column(kind: str, columns: Mapping[str, np.ndarray], sample: str) -> np.ndarray:
    """The one column that is called a `kind` of :data:`NAMES`."""
    found = [name for name in columns if name.lower() in NAMES[kind]]
    if len(found) == 1:
        return columns[found[0]]
    if found:
        raise ValueError(
            f"{sample}: {' and '.join(found)} both name {kind}; leave all but one of them out"
        )
    raise ValueError(
        f"{sample}: field {kind!r} is missing among {', '.join(columns)}; it may be called "
        f"{', '.join(NAMES[kind])}"
    )


def _whole(name: str, values: np.ndarray, sample: str) -> np.ndarray:
    """A column as int64; ValueError unless its values are whole numbers that fit."""
    if values.dtype.kind in "bi":
        return values.astype(np.int64)
    if values.dtype.kind not in "uf":
        raise ValueError(f"{sample}: {name} has type {values.dtype}; it must be whole numbers")
    for wrong, said in (
        (values[~np.isfinite(values)], "is no number"),
        (values[values != np.rint(values)] if values.dtype.kind == "f" else [], "is a fraction"),
        (values[np.abs(values.astype(np.float64)) > LARGEST], "is too large"),
    ):
        if len(wrong):
            raise ValueError(f"{sample}: {name} = {wrong[0]} {said}; {_REMEDY[name]}")
    return values.astype(np.int64)


_REMEDY = {
    "t": "times are whole microseconds: multiply seconds by 1e6 and round",
    "x": "coordinates are whole pixels: repair or round them",
    "y": "coordinates are whole pixels: repair or round them",
    "p": "polarities are 0 and 1, or -1 and 1",
}


def _unwrapped(t: np.ndarray, counter: int, sample: str) -> np.ndarray:
    """Times with `counter` added wherever a clock of so many values started again.

    Certain where times only ever fall by more than half the counter's range and lie within it; a
    recording that also rises by as much has lost its order, and nothing tells which is which.
    """
    first, last = int(t.min()), int(t.max())
    if max(-first, last, last - first) > LARGEST:
        raise ValueError(f"{sample}: times {first}..{last} us are no recording's; repair the times")
    steps = np.diff(t)
    falls = steps <= -counter // 2
    if not falls.any():
        return t
    inside = -counter // 2 <= first and last - min(first, 0) < counter
    if (steps >= counter // 2).any() or not inside:
        place = int(np.argmax(falls))
        raise ValueError(
            f"{sample}: times fall from {t[place]} to {t[place + 1]} us at event {place + 1}; sort "
            "the events by time, or add what the clock lost when it started again"
        )
    turns = np.concatenate([[0], np.cumsum(falls)])
    return np.asarray(t + counter * turns)


def _counter(times: np.ndarray) -> int:
    """Values of the clock that may have started again: those of a narrow type, or of 32 bits."""
    narrow = times.dtype.kind in "iu" and times.dtype.itemsize < 4
    return 2 ** (8 * times.dtype.itemsize) if narrow else _COUNTER


def _polarity(p: np.ndarray, polarities: int) -> np.ndarray:
    """0 and 1 for the -1 and 1 of other conventions; everything else as it is."""
    signed = polarities == 2 and p.min() == -1 and bool(np.isin(p, (-1, 1)).all())
    return (p > 0).astype(np.int64) if signed else p


def _check_range(name: str, values: np.ndarray, limit: int, sample: str) -> None:
    if values.min() < 0 or values.max() >= limit:
        worst = values.max() if values.max() >= limit else values.min()
        raise ValueError(
            f"{sample}: {name} = {worst} is outside of the sensor's 0..{limit - 1}; "
            "is it a recording of another sensor?"
        )
