"""The simulated event camera does what an event camera does."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from scipy import ndimage

from onchip.models.data.digits_dvs import load_digits
from onchip.models.data.event_camera import EventCamera, threshold_crossings
from onchip.models.data.optics import optical_map, path_positions
from onchip.models.data.sensor import SensorConfig, sensor_pattern

QUIET = SensorConfig(noise_rate=0.0, jitter=0.0)


def crossings_by_loop(path, threshold):
    """(interval, sign, fraction) of one pixel, by the definition: compare, fire, move the level."""
    reference, found = path[0], []
    for i, (a, b) in enumerate(pairwise(path)):
        while abs(b - reference) >= threshold:
            sign = 1 if b > reference else -1
            reference += sign * threshold
            found.append((i, sign, (reference - a) / (b - a)))
    return found


@pytest.mark.parametrize("k", [1, 2, 7])
def test_brightening_by_k_thresholds_fires_k_on_events_and_dimming_k_off_events(k):
    threshold = np.float32(0.3)
    path = np.array([[0], [k * threshold], [0]], np.float32)
    found = threshold_crossings(path, np.array([threshold]))
    assert found.sign.tolist() == [1] * k + [-1] * k
    assert found.interval.tolist() == [0] * k + [1] * k


def test_a_change_of_less_than_a_threshold_fires_nothing():
    path = np.array([[0.0], [0.299], [-0.299], [0.1]])
    assert threshold_crossings(path, np.array([0.3])).sign.size == 0


def test_an_event_falls_where_the_straight_line_crosses_its_level():
    found = threshold_crossings(np.array([[0.0], [1.0]]), np.array([0.4]))
    np.testing.assert_allclose(found.fraction, [0.4, 0.8], atol=1e-12)


def test_crossings_equal_the_pixel_by_pixel_loop():
    rng = np.random.default_rng(5)
    path = np.cumsum(rng.normal(0, 0.4, (80, 12)), axis=0)
    thresholds = rng.uniform(0.1, 0.6, 12)
    found = threshold_crossings(path, thresholds)
    for pixel in range(12):
        mine = found.pixel == pixel
        expected = crossings_by_loop(path[:, pixel], thresholds[pixel])
        assert expected, "the oracle must see events"
        assert found.interval[mine].tolist() == [e[0] for e in expected]
        assert found.sign[mine].tolist() == [e[1] for e in expected]
        np.testing.assert_allclose(found.fraction[mine], [e[2] for e in expected], atol=1e-9)


def test_repeating_the_second_loop_equals_simulating_all_six():
    camera = EventCamera(QUIET)
    picture = load_digits()[0][3]
    path = camera.log_intensity(picture)
    full = threshold_crossings(np.concatenate([path] * 6 + [path[:1]]), camera.thresholds)
    time = np.floor((full.interval + full.fraction) * 5000.0).astype(int)
    expected = sorted(zip(time, full.pixel, full.sign > 0, strict=True))
    events = camera.record(picture, np.random.default_rng(0))
    pixel = events["y"].astype(int) * 32 + events["x"]
    got = sorted(zip(events["t"], pixel, events["p"], strict=True))
    assert len(got) == len(expected)
    assert [e[1:] for e in sorted(got, key=lambda e: e[1:])] == [
        e[1:] for e in sorted(expected, key=lambda e: e[1:])
    ]
    np.testing.assert_allclose([e[0] for e in got], [e[0] for e in expected], atol=1)


def test_a_still_black_scene_gives_only_noise_at_its_rate():
    config = SensorConfig(noise_rate=5.0)
    events = EventCamera(config).record(np.zeros((8, 8)), np.random.default_rng(1))
    expected = 5.0 * 32 * 32 * 1.2
    assert abs(len(events) - expected) < 5 * np.sqrt(expected)
    assert abs(events["p"].mean() - 0.5) < 5 * 0.5 / np.sqrt(expected)
    assert len(EventCamera(QUIET).record(np.zeros((8, 8)), np.random.default_rng(1))) == 0


def test_a_dead_pixel_never_fires_and_a_fifth_of_them_are_dead():
    config = SensorConfig(dead_fraction=0.2, noise_rate=20.0)
    camera = EventCamera(config)
    assert np.count_nonzero(~camera.alive) == round(0.2 * 1024)
    fired = np.zeros((32, 32), bool)
    for i, picture in enumerate(load_digits()[0][:5]):
        events = camera.record(picture, np.random.default_rng(i))
        fired[events["y"], events["x"]] = True
    assert not fired.ravel()[~camera.alive].any()
    assert fired.ravel()[camera.alive].all()


def test_events_are_sorted_and_lie_inside_of_the_recording():
    config = SensorConfig(jitter=20_000.0)
    events = EventCamera(config).record(load_digits()[0][0], np.random.default_rng(2))
    assert (np.diff(events["t"]) >= 0).all()
    assert events["t"][0] >= 0 and events["t"][-1] < config.duration == 1_200_000
    assert events["x"].min() >= 0 and events["x"].max() < 32


def test_the_path_is_a_closed_diamond_of_four_segments_of_ten_pixels():
    path = path_positions(SensorConfig())
    steps = np.diff(np.concatenate([path, path[:1]]), axis=0)
    np.testing.assert_allclose(np.hypot(*steps.T), 1.0, atol=1e-12)
    np.testing.assert_allclose(steps.sum(axis=0), 0.0, atol=1e-12)
    directions = [tuple(np.sign(np.round(s, 9)).astype(int)) for s in steps]
    assert directions == [(1, 1)] * 10 + [(-1, 1)] * 10 + [(-1, -1)] * 10 + [(1, -1)] * 10


@pytest.mark.parametrize("degrees", [0.0, 25.0])
def test_the_optics_equal_scipy_s_bilinear_interpolation(degrees):
    config = SensorConfig(rotation_degrees=degrees)
    picture = np.random.default_rng(3).uniform(size=(8, 8))
    seen = (optical_map(config, 8) @ picture.ravel()).reshape(40, 32, 32)
    points = 4.0 * (np.arange(0.25, 32, 0.5) - 16)  # monitor pixels from the middle of the field
    u, v = np.meshgrid(points, points)
    turn = np.exp(-1j * np.deg2rad(degrees)) * (u + 1j * v)
    for position in (0, 7, 25):
        dx, dy = path_positions(config)[position]
        grid = [(turn.imag - dy) / 12 + 3.5, (turn.real - dx) / 12 + 3.5]
        fine = ndimage.map_coordinates(np.pad(picture, 9), np.add(grid, 9), order=1)
        expected = fine.reshape(32, 2, 32, 2).mean(axis=(1, 3))
        np.testing.assert_allclose(seen[position], expected, atol=1e-6)


def test_a_quarter_turn_of_the_scene_turns_the_image_by_a_quarter():
    rng = np.random.default_rng(3)
    picture = rng.uniform(size=64)
    still = SensorConfig(segment=1, monitor_per_pixel=4.0, monitor_per_scene_pixel=12.0)
    plain = (optical_map(still, 8) @ picture).reshape(4, 32, 32)
    turned = optical_map(replace(still, rotation_degrees=90.0), 8) @ picture
    turns = [np.rot90(plain[0], k) for k in (1, 3)]
    assert min(np.abs(turned.reshape(4, 32, 32)[0] - t).max() for t in turns) < 1e-5


def test_mismatch_and_dead_pixels_belong_to_the_sensor():
    thresholds, _ = sensor_pattern(SensorConfig(threshold_mismatch=0.05))
    wider, alive = sensor_pattern(SensorConfig(threshold_mismatch=0.15, dead_fraction=0.2))
    np.testing.assert_allclose(wider - 0.3, 3 * (thresholds - 0.3), atol=1e-6)
    assert abs(thresholds.std() / 0.3 - 0.05) < 0.005
    _, fewer = sensor_pattern(SensorConfig(dead_fraction=0.1))
    assert not (fewer < alive).any(), "more dead pixels are the same and others"
    assert (sensor_pattern(SensorConfig(seed=1))[0] != sensor_pattern(SensorConfig())[0]).any()


def test_drifted_turns_by_25_degrees_kills_a_fifth_and_triples_the_mismatch():
    drifted = SensorConfig(seed=4).drifted()
    assert drifted == SensorConfig(
        seed=4, rotation_degrees=25.0, dead_fraction=0.2, threshold_mismatch=3 * 0.1
    )


def test_a_share_of_the_drift_is_that_share_of_each_change():
    half = SensorConfig(seed=4).drifted(0.5)
    assert half == SensorConfig(
        seed=4, rotation_degrees=12.5, dead_fraction=0.1, threshold_mismatch=2 * 0.1
    )
    assert SensorConfig(dead_fraction=0.4).drifted(0.25).dead_fraction == pytest.approx(0.35)
    assert SensorConfig(seed=4).drifted(0.0) == SensorConfig(seed=4)
    for share in (-0.1, 4.5, float("nan")):
        with pytest.raises(ValueError, match=r"sensor: drift is .*; it must lie in \[0, 4\]"):
            SensorConfig().drifted(share)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("pixels", 0),
        ("loops", 0),
        ("threshold", 0.0),
        ("threshold", float("nan")),
        ("black_level", 0.0),
        ("speed", -1.0),
        ("dead_fraction", 1.0),
        ("noise_rate", -1.0),
        ("jitter", float("inf")),
        ("rotation_degrees", float("nan")),
        ("seed", -1),
    ],
)
def test_a_sensor_that_cannot_be_is_refused_by_field_and_value(field, value):
    with pytest.raises(ValueError, match=f"SensorConfig: {field} = {value!r} must be"):
        SensorConfig(**{field: value})


def test_a_picture_of_another_shape_or_brightness_is_refused():
    camera = EventCamera(SensorConfig())
    with pytest.raises(ValueError, match=r"shape \(4, 4\) is not \(8, 8\)"):
        camera.log_intensity(np.zeros((4, 4)))
    with pytest.raises(ValueError, match="brightness"):
        camera.log_intensity(np.full((8, 8), 16.0))
