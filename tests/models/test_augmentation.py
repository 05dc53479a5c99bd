"""Augmentation: one draw per sample for all its steps, the same on one process or several."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from onchip.models.config import TrainingConfig
from onchip.models.data.augmentation import (
    DROPS,
    Drop,
    augment,
    check_augmentation,
    draw,
    draw_drops,
    drop_events,
    flip_frames,
)
from onchip.models.data.load import dataset_table
from onchip.models.training.batches import epoch_batches, share_of_batch
from onchip.models.training.distributed import Processes

EVERYTHING = TrainingConfig(
    max_shift=2, max_rotation=10.0, max_zoom=0.2, flip=True, event_drop=0.5, batch_size=7
)
NOTHING, SINGLE, STEPS, BOX = range(len(DROPS))


def still(rng, samples=6, steps=5, side=9):
    """Samples that show the same picture at every step."""
    pictures = (rng.random((samples, 1, 2, side, side)) < 0.5).astype(np.uint8)
    return np.repeat(pictures, steps, axis=1)


def test_a_crop_is_drawn_once_for_all_steps_of_a_sample(rng):
    frames, config = still(rng), TrainingConfig(max_shift=3)
    found = augment(frames, draw(len(frames), config, rng))
    assert (found == found[:, :1]).all()
    assert not np.array_equal(found, frames)


def test_a_shift_is_the_crop_of_a_padded_frame(rng):
    frames, config = still(rng), TrainingConfig(max_shift=4)
    draws = draw(len(frames), config, rng)
    found = augment(frames, draws)
    padded = np.pad(frames, [(0, 0)] * 3 + [(4, 4)] * 2)
    for sample, (down, right) in enumerate(draws.shifts):
        top, left = 4 - down, 4 - right
        crop = padded[sample, ..., top : top + 9, left : left + 9]
        np.testing.assert_array_equal(found[sample], crop)
    assert len(np.unique(draws.shifts, axis=0)) > 2


def test_all_crops_of_the_padded_frame_occur():
    shifts = draw(4000, TrainingConfig(max_shift=2), np.random.default_rng(0)).shifts
    places, counts = np.unique(shifts, axis=0, return_counts=True)
    assert len(places) == 25
    assert counts.min() > 100  # 160 expected, standard deviation 12.4


def test_every_change_but_the_dropped_events_is_the_same_at_all_steps(rng):
    frames = still(rng)
    config = TrainingConfig(max_shift=2, max_rotation=20.0, max_zoom=0.3, flip=True)
    found = augment(frames, draw(len(frames), config, rng))
    assert (found == found[:, :1]).all()


def test_half_of_the_samples_are_flipped(rng):
    frames = rng.integers(0, 9, (3, 2, 1, 4, 5)).astype(np.uint8)
    found = flip_frames(frames, np.array([True, False, True]))
    for column in range(5):
        np.testing.assert_array_equal(found[0, ..., column], frames[0, ..., 4 - column])
        np.testing.assert_array_equal(found[2, ..., column], frames[2, ..., 4 - column])
    np.testing.assert_array_equal(found[1], frames[1])
    assert found.dtype == np.uint8
    flips = draw(4000, TrainingConfig(flip=True), rng).flips
    assert 0.46 < flips.mean() < 0.54


def test_flipping_is_refused_where_mirror_images_mean_something_else():
    flip = TrainingConfig(flip=True)
    refused = set()
    for info in dataset_table():
        try:
            check_augmentation(flip, SimpleNamespace(name=info.name))
        except ValueError as error:
            assert f"flip does not suit {info.name}: " in str(error)
            refused.add(info.name)
        check_augmentation(TrainingConfig(), SimpleNamespace(name=info.name))
    assert refused == {"digits-dvs", "nmnist", "dvsgesture", "shd"}
    check_augmentation(flip, SimpleNamespace())


def drop(frames, kind, share, place=(0.0, 0.0), seed=3):
    drops = [Drop(kind, share, place, seed)] * len(frames)
    return drop_events(frames, drops)


def test_dropped_steps_lie_in_a_row_where_they_were_drawn(rng):
    frames = rng.integers(1, 5, (2, 10, 2, 3, 3)).astype(np.uint8)
    for place, first in ((0.0, 0), (0.5, 4), (0.999, 7)):
        found = drop(frames, STEPS, 0.3, (place, 0.0))
        assert not found[:, first : first + 3].any()
        rest = np.r_[:first, first + 3 : 10]
        np.testing.assert_array_equal(found[:, rest], frames[:, rest])


def test_a_dropped_box_covers_its_share_of_the_area_at_all_steps(rng):
    frames = rng.integers(1, 5, (2, 3, 2, 10, 20)).astype(np.uint8)
    found = drop(frames, BOX, 0.25, (0.999, 0.0))
    expected = frames.copy()
    expected[..., 5:10, 0:10] = 0
    np.testing.assert_array_equal(found, expected)


def test_single_events_are_dropped_with_the_drawn_probability():
    frames = np.full((1, 10, 2, 32, 32), 4, np.uint8)
    found = drop(frames, SINGLE, 0.25)
    assert abs(found.mean() - 3.0) < 0.03  # 81920 events, standard deviation 0.006
    assert found.max() == 4 and found.dtype == np.uint8
    np.testing.assert_array_equal(found, drop(frames, SINGLE, 0.25))
    assert not np.array_equal(found, drop(frames, SINGLE, 0.25, seed=4))
    binary = np.ones((1, 10, 2, 32, 32), np.uint8)
    assert abs(drop(binary, SINGLE, 0.25).mean() - 0.75) < 0.02


def test_dropping_nothing_leaves_the_frames_and_no_drop_changes_its_input(rng):
    frames = still(rng)
    before = frames.copy()
    np.testing.assert_array_equal(drop(frames, NOTHING, 0.9), frames)
    for kind in (SINGLE, STEPS, BOX):
        found = drop(frames, kind, 0.5)
        assert (found <= before).all() and found.sum() < before.sum()
    np.testing.assert_array_equal(frames, before)


def test_the_four_ways_to_drop_are_equally_likely_and_shares_stay_below_the_largest(rng):
    drops = draw_drops(4000, 0.4, rng)
    counts = np.bincount([d.kind for d in drops])
    assert len(counts) == 4 and counts.min() > 880  # standard deviation 27
    shares = np.array([d.share for d in drops])
    assert 0 <= shares.min() < 0.01 and 0.39 < shares.max() < 0.4


def test_unused_changes_take_nothing_from_the_generator():
    plain, reference = np.random.default_rng(1), np.random.default_rng(1)
    draws = draw(5, TrainingConfig(), plain)
    assert draws == (None, None, None, None)
    assert plain.random() == reference.random()


def test_the_parts_of_the_processes_are_those_of_the_whole_batch(rng):
    frames = (rng.random((17, 4, 2, 9, 9)) < 0.5).astype(np.uint8)
    dataset = SimpleNamespace(frames=frames, labels=np.arange(17), classes=17)
    whole = list(epoch_batches(dataset, EVERYTHING, 2))
    assert [len(labels) for _, labels in whole] == [7, 7, 3]
    parts = [list(epoch_batches(dataset, EVERYTHING, 2, Processes(r, 2))) for r in (0, 1)]
    for batch, first, second in zip(whole, *parts, strict=True):
        for joint, left, right in zip(batch, first, second, strict=True):
            np.testing.assert_array_equal(np.concatenate([left, right]), joint)


def test_a_process_without_a_part_gets_a_sample_of_no_weight():
    frames = np.zeros((9, 1, 1, 1, 1), np.uint8)
    dataset = SimpleNamespace(frames=frames, labels=np.arange(9), classes=9)
    config = TrainingConfig(batch_size=4)
    (_, labels) = list(epoch_batches(dataset, config, 0))[2]
    found = []
    for rank in range(4):
        processes = Processes(rank, 4)
        (_, own) = list(epoch_batches(dataset, config, 0, processes))[2]
        assert own.tolist() == labels.tolist() and len(own) == 1
        found.append(share_of_batch(9, config, 2, processes))
        assert share_of_batch(9, config, 1, processes) == (1, 0.25)
    assert sorted(found) == [(0, 0.0), (0, 0.0), (0, 0.0), (1, 1.0)]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"event_drop": 1.0}, "event_drop is 1.0; it must lie in"),
        ({"event_drop": -0.1}, "event_drop is -0.1"),
        ({"flip": 1}, "flip is 1; it must be a bool"),
        ({"max_shift": 1.5}, "max_shift is 1.5"),
    ],
)
def test_bad_settings_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        TrainingConfig(**options)
