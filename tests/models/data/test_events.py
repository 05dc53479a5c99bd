"""The border for events: what has one meaning is read, everything else is refused in one line."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.models.data import name_columns
from onchip.models.data.events import read_events
from onchip.models.data.frames import Framing, to_frames

SENSOR = (4, 5, 2)
COLUMNS = {"t": [10, 20, 25, 60], "x": [0, 3, 1, 2], "y": [4, 0, 2, 1], "p": [0, 1, 1, 0]}


def recording(names="txyp", types=None, **changed):
    """The events of COLUMNS under these names, with these types or other values."""
    columns = {**COLUMNS, **changed}
    types = types or [int] * 4
    events = np.zeros(4, list(zip(names, types, strict=True)))
    for name, values in zip(names, columns.values(), strict=True):
        events[name] = values
    return events


def assert_as_before(events):
    found = read_events(events, SENSOR)
    assert [column.tolist() for column in found] == list(COLUMNS.values())
    assert {column.dtype for column in found} == {np.dtype(np.int64)}


def refusal(events, sensor=SENSOR):
    with pytest.raises(ValueError) as caught:
        read_events(events, sensor, "walk 7")
    assert "\n" not in str(caught.value) and str(caught.value).startswith("walk 7: ")
    return str(caught.value)


@pytest.mark.parametrize(
    "names",
    [
        ("t", "x", "y", "p"),
        ("timestamp", "x", "y", "polarity"),
        ("ts", "x", "y", "pol"),
        ("Time", "X", "Y", "P"),
        ("timestamps", "xs", "ys", "ps"),
        ("t", "x", "y", "on"),
    ],
)
def test_the_names_of_other_conventions_mean_the_same(names):
    assert_as_before(recording(names))
    assert_as_before({name: np.array(c) for name, c in zip(names, COLUMNS.values(), strict=True)})


@pytest.mark.parametrize(
    "types",
    [
        [">i8", ">u2", ">u2", ">i4"],
        ["u8", "u2", "u2", "?"],
        ["f8", "f4", "f2", "f8"],
        ["i4", "i1", "u1", "i1"],
    ],
)
def test_whole_numbers_of_any_type_and_byte_order_mean_the_same(types):
    assert_as_before(recording(types=types))


def test_columns_may_be_lists_or_tensors():
    assert_as_before(COLUMNS)
    assert_as_before({name: torch.tensor(column) for name, column in COLUMNS.items()})


@pytest.mark.parametrize("kind", [np.int8, np.int64, np.float32])
def test_polarities_of_minus_one_and_one_are_off_and_on(kind):
    assert_as_before(recording(types=[int, int, int, kind], p=[-1, 1, 1, -1]))
    only_off = read_events(recording(p=[-1, -1, -1, -1]), SENSOR)
    assert only_off.p.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("polarities", [[-1, 0, 1, 1], [1, 2, 2, 1], [-2, 1, 1, 1], [255, 1, 1, 1]])
def test_polarities_that_could_mean_anything_are_refused(polarities):
    assert "p = " in refusal(recording(p=polarities))


def test_a_sensor_with_one_polarity_takes_every_polarity():
    found = read_events(recording(p=[1, 1, 1, 7]), (4, 5, 1))
    assert found.p.tolist() == [0, 0, 0, 0]


@pytest.mark.parametrize("missing", ["t", "x", "y", "p"])
def test_a_missing_field_is_named(missing):
    events = {name: column for name, column in COLUMNS.items() if name != missing}
    assert f"field '{missing}' is missing among" in refusal(events)


def test_only_the_row_of_a_one_dimensional_sensor_may_be_missing():
    events = {"t": [1, 2], "x": [0, 3], "p": [1, 1]}
    assert read_events(events, (4, 1, 2)).y.tolist() == [0, 0]
    assert "field 'x' is missing" in refusal({"t": [1], "y": [0], "p": [1]}, (1, 4, 2))


def test_two_columns_for_one_thing_are_refused():
    assert "t and timestamp both name t" in refusal({**COLUMNS, "timestamp": [1, 2, 3, 4]})


@pytest.mark.parametrize("order", ["txyp", "xytp", "ptxy"])
def test_a_plain_array_needs_names_for_its_columns(order):
    plain = np.stack([COLUMNS[name] for name in order], axis=1)
    assert "name them, as onchip.models.data.name_columns" in refusal(plain)
    assert_as_before(name_columns(plain, order))
    assert_as_before(name_columns(torch.tensor(plain), order))


@pytest.mark.parametrize("order", ["txy", "txyq", "txyx", ""])
def test_an_order_that_cannot_be_is_refused(order):
    with pytest.raises(ValueError, match=r"^events: "):
        name_columns(np.zeros((5, 4)), order)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"t": [0.0, 0.02, 0.04, 0.06]}, "t = 0.02 is a fraction; times are whole microseconds"),
        ({"t": [0.0, np.nan, 1, 2]}, "t = nan is no number"),
        ({"t": [0.0, np.inf, 1, 2]}, "t = inf is no number"),
        ({"t": np.array([0, 2**63, 1, 2], np.uint64)}, "is too large"),
        ({"t": [-(2**62), 2**62, 2**62, 2**62]}, "are no recording's"),
        ({"t": ["1", "2", "3", "4"]}, "t has type <U1"),
        ({"t": np.array([1, 2, 3, 4], "M8[us]")}, "t has type"),
        ({"x": [0.5, 1, 1, 1]}, "x = 0.5 is a fraction; coordinates are whole pixels"),
        ({"y": [0, np.nan, 0, 0]}, "y = nan is no number"),
        ({"x": np.ma.array([1, 2, 3, 4], mask=[0, 1, 0, 0])}, "x has masked values"),
        ({"x": [0, 1, 2]}, "its columns have shapes"),
        ({"x": np.zeros((4, 2))}, "its columns have shapes"),
        ({"x": [[1], [2, 3], [], [4]]}, "x cannot be read"),
    ],
)
def test_what_has_no_certain_meaning_is_refused_by_column_and_value(changed, message):
    assert message in refusal({**COLUMNS, **changed})


@pytest.mark.parametrize("events", [[], {}, np.float64(3), None, recording().reshape(2, 2)])
def test_what_is_no_recording_is_refused(events):
    refusal(events)


@pytest.mark.parametrize(
    ("start", "counter", "kind"),
    [
        (2**32 - 40, np.uint32, np.uint32),
        (2**31 - 40, np.uint32, np.int32),
        (2**32 - 40, np.uint32, np.int64),
        (2**16 - 40, np.uint16, np.uint16),
        (2**15 - 40, np.uint16, np.int16),
    ],
)
@pytest.mark.parametrize("by", ["time", "count"])
def test_a_clock_that_starts_again_gives_the_frames_of_one_that_does_not(start, counter, kind, by):
    rng = np.random.default_rng(0)
    steady = np.sort(rng.integers(0, 80, 200))
    columns = {"x": rng.integers(0, 4, 200), "y": rng.integers(0, 5, 200), "p": [1] * 200}
    wrapped = (steady + start).astype(counter).astype(kind)
    assert (np.diff(wrapped.astype(np.int64)) < 0).sum() == 1
    framing = Framing(SENSOR, 5, by, binary=False)
    np.testing.assert_array_equal(
        to_frames({"t": wrapped, **columns}, framing), to_frames({"t": steady, **columns}, framing)
    )


def test_times_in_no_order_are_taken_as_they_are_unless_a_clock_may_have_wrapped():
    assert read_events(recording(t=[60, 10, 25, 20]), SENSOR).t.tolist() == [60, 10, 25, 20]
    assert "sort the events" in refusal(recording(t=[0, 2**32 - 5, 3, 2**32 - 2]))
    assert "sort the events" in refusal(recording(t=[2**40, 2**40 + 1, 7, 8]))


def test_equidistant_times_in_whole_floats_fill_equal_windows():
    events = np.zeros(50, [("t", float), ("x", int), ("y", int), ("p", int)])
    events["t"] = np.arange(50) * 20_000
    frames = to_frames(events, Framing((4, 4, 2), time_steps=5, binary=False))
    assert frames.sum((1, 2, 3)).tolist() == [10] * 5


def test_a_recording_of_centuries_is_refused_before_its_windows_overflow():
    events = recording(t=[0, 1, 2, 2**53])
    with pytest.raises(ValueError, match="no recording's duration"):
        to_frames(events, Framing(SENSOR, time_steps=1000))
