"""Frames against a loop over the events."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from onchip.models.data.frames import Framing, to_frames


def random_events(count=500, width=34, height=34, duration=300_000, seed=0):
    rng = np.random.default_rng(seed)
    events = np.empty(count, [("t", int), ("x", int), ("y", int), ("p", bool)])
    events["t"] = np.sort(rng.integers(0, duration, count))
    events["x"], events["y"] = rng.integers(0, width, count), rng.integers(0, height, count)
    events["p"] = rng.integers(0, 2, count)
    return events


def frames_by_loop(events, steps, step_of, size=None, side=34):
    frames = np.zeros((steps, 2, size or side, size or side), int)
    for k, event in enumerate(events):
        x, y = (int(Fraction(int(event[n]), side) * (size or side)) for n in ("x", "y"))
        frames[step_of(k, event), int(event["p"]), y, x] += 1
    return frames


@pytest.mark.parametrize("steps", [1, 3, 10])
@pytest.mark.parametrize("size", [None, 20, 34])
def test_frames_by_time_equal_the_loop_over_windows(steps, size):
    events = random_events()
    first, last = int(events["t"].min()), int(events["t"].max())
    edges = [Fraction(last + 1 - first, steps) * k for k in range(steps + 1)]

    def window(_, event):
        return next(k for k in range(steps) if edges[k] <= event["t"] - first < edges[k + 1])

    expected = frames_by_loop(events, steps, window, size)
    got = to_frames(events, Framing((34, 34, 2), steps, binary=False, size=size))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("steps", [1, 7, 10])
def test_frames_by_count_hold_equally_many_events_to_within_one(steps):
    events = random_events(count=503)
    got = to_frames(events, Framing((34, 34, 2), steps, "count", binary=False))
    per_step = got.reshape(steps, -1).sum(axis=1)
    assert per_step.sum() == 503 and np.ptp(per_step) <= 1
    bounds = np.cumsum(per_step)
    expected = frames_by_loop(events, steps, lambda k, _: int(np.searchsorted(bounds, k, "right")))
    np.testing.assert_array_equal(got, expected)


@pytest.mark.parametrize("by", ["time", "count"])
def test_the_order_of_the_events_in_the_file_does_not_matter(by):
    events = random_events()
    events["t"] = np.arange(len(events)) * 7  # without ties, whose order by count is the file's
    framing = Framing((34, 34, 2), 10, by, binary=False)
    shuffled = np.random.default_rng(1).permutation(events)
    np.testing.assert_array_equal(to_frames(shuffled, framing), to_frames(events, framing))


def test_binary_frames_are_the_presence_of_counts():
    events = random_events(count=5000, width=8, height=8)
    counts = to_frames(events, Framing((8, 8, 2), 4, binary=False))
    presence = to_frames(events, Framing((8, 8, 2), 4, binary=True))
    assert counts.max() > 1
    np.testing.assert_array_equal(presence, np.minimum(counts, 1))


@pytest.mark.parametrize(("count", "expected"), [(255, 255), (256, 255), (70_000, 255)])
def test_counts_saturate_and_never_wrap(count, expected):
    events = random_events(count=count, width=1, height=1)
    events["p"] = True
    frames = to_frames(events, Framing((1, 1, 2), 1, binary=False))
    assert frames.ravel().tolist() == [0, expected]


def test_pooling_keeps_every_event_present():
    for x in range(128):
        events = random_events(count=1, width=1, height=1)
        events["x"], events["y"] = x, 127 - x
        frames = to_frames(events, Framing((128, 128, 2), 1, size=48))
        assert frames.sum() == 1
        assert frames[0, int(events["p"][0]), (127 - x) * 48 // 128, x * 48 // 128] == 1


def test_a_fixed_recording_keeps_its_empty_beginning_and_end():
    events = random_events(count=3)
    events["t"] = [450, 500, 599]
    frames = to_frames(events, Framing((34, 34, 2), 10, binary=False, start=0, end=1000))
    assert frames.reshape(10, -1).sum(axis=1).tolist() == [0, 0, 0, 0, 1, 2, 0, 0, 0, 0]


def test_windows_of_a_given_time_agree_with_tonic():
    from tonic.transforms import ToFrame

    events = random_events()
    theirs = ToFrame((34, 34, 2), time_window=30_000, start_time=0, end_time=300_000)(events)
    ours = to_frames(events, Framing((34, 34, 2), 10, binary=False, start=0, end=300_000))
    np.testing.assert_array_equal(ours, theirs)


def test_no_event_is_lost_where_tonic_loses_the_last_ones():
    from tonic.transforms import ToFrame

    events = random_events(count=503)
    theirs = [
        ToFrame((34, 34, 2), n_time_bins=10)(events).sum(),
        ToFrame((34, 34, 2), n_event_bins=10)(events).sum(),
    ]
    ours = [
        to_frames(events, Framing((34, 34, 2), 10, by, binary=False)).sum()
        for by in ("time", "count")
    ]
    assert ours == [503, 503]
    assert max(theirs) < 503, "tonic keeps all events now: say so in frames.py"


def test_a_one_dimensional_sensor_has_one_channel_and_height_one():
    events = np.zeros(2, [("t", int), ("x", int), ("p", int)])
    events["x"], events["p"] = [0, 699], 1
    assert to_frames(events, Framing((700, 1, 1), 5)).shape == (5, 1, 1, 700)
    binned = to_frames(events, Framing((700, 1, 1), 5, size=70))
    assert binned.shape == (5, 1, 1, 70)
    assert np.argwhere(binned)[:, 3].tolist() == [0, 69]


def test_an_empty_stream_is_refused_by_the_sample_s_name():
    with pytest.raises(ValueError, match=r"recording 7: no events"):
        to_frames(random_events(0), Framing((34, 34, 2)), "recording 7")


@pytest.mark.parametrize(("field", "value"), [("x", 34), ("y", 200), ("x", -1)])
def test_an_event_outside_of_the_sensor_is_refused(field, value):
    events = random_events()
    events[field][17] = value
    with pytest.raises(ValueError, match=rf"file: {field} = {value} is outside .* 0\.\.33"):
        to_frames(events, Framing((34, 34, 2)), "file")


def test_an_event_outside_of_the_given_recording_is_refused():
    with pytest.raises(ValueError, match=r"leave \[0, 1000\)"):
        to_frames(random_events(), Framing((34, 34, 2), start=0, end=1000), "file")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"by": "space"}, "framing 'space' is unknown; valid: time, count"),
        ({"time_steps": 0}, "time_steps = 0 must be at least 1"),
        ({"size": 35}, r"size = 35 must lie in 1\.\.34"),
        ({"size": 0}, "size = 0"),
    ],
)
def test_a_framing_that_cannot_be_is_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Framing((34, 34, 2), **arguments)
