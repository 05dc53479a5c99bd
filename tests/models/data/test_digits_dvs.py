"""digits-dvs: seeds, splits, limits and the cache."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from onchip.models.data import (
    EventCamera,
    FrameDataset,
    SensorConfig,
    dataset_table,
    digits_dvs,
    load_dataset,
)
from onchip.models.data.cache import cache_directory, load_frames, save_frames
from onchip.models.data.dataset import first_balanced
from onchip.models.data.digits_dvs import digit_events, load_digits, split_digits
from onchip.models.data.frames import Framing, to_frames


def load(tmp_path, **arguments):
    return load_dataset("digits-dvs", cache_dir=tmp_path, **{"limit": 20, **arguments})


def test_a_sample_is_the_same_whatever_else_is_built(tmp_path):
    few, _ = load(tmp_path, split="contiguous", limit=10, binary=False)
    more, _ = load(tmp_path, split="contiguous", limit=30, binary=False)
    _, labels = load_digits()
    train, _ = split_digits(labels, "contiguous", 0)
    wanted = train[first_balanced(labels[train], 10)]
    place = np.searchsorted(train[first_balanced(labels[train], 30)], wanted)
    np.testing.assert_array_equal(few.frames, more.frames[place])
    framing = Framing((32, 32, 2), 10, binary=False, start=0, end=1_200_000)
    for frames, index in zip(few.frames, wanted, strict=True):
        np.testing.assert_array_equal(frames, to_frames(digit_events(index), framing))


def test_the_seed_alone_decides_the_events():
    first, again, other = (digit_events(5, seed=seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert len(first) != len(other) or (first["t"] != other["t"]).any()
    with pytest.raises(ValueError, match=r"index 1797 must lie in 0\.\.1796"):
        digit_events(1797)


@pytest.mark.parametrize("split", ["random", "contiguous"])
def test_splits_are_disjoint_complete_and_four_to_one(split):
    _, labels = load_digits()
    train, test = split_digits(labels, split, seed=3)
    assert sorted([*train, *test]) == list(range(1797))
    assert abs(len(train) / 1797 - 0.8) < 0.002


def test_the_random_split_is_stratified_and_drawn_by_the_seed():
    _, labels = load_digits()
    train, _ = split_digits(labels, "random", seed=3)
    share = np.bincount(labels[train]) / np.bincount(labels)
    assert np.abs(share - 0.8).max() < 0.004
    again, other = (split_digits(labels, "random", seed=seed)[0] for seed in (3, 4))
    assert train.tolist() == again.tolist() != other.tolist()


def test_the_contiguous_split_tests_on_the_end_of_the_file():
    _, labels = load_digits()
    train, test = split_digits(labels, "contiguous", seed=3)
    assert train.max() < test.min()


def test_the_event_count_says_little_and_the_events_say_a_lot():
    """Digits are told apart by where events fall: the nearest class mean beats counting by far."""
    pictures, labels = load_digits()
    camera = EventCamera(SensorConfig())
    counts = np.zeros((300, 1024))
    for i in range(300):
        events = camera.record(pictures[i], np.random.default_rng([0, i]))
        pixel = events["y"].astype(int) * 32 + events["x"]
        counts[i] = np.bincount(pixel, minlength=1024)

    def nearest_mean(features):
        means = np.stack([features[:200][labels[:200] == c].mean(axis=0) for c in range(10)])
        distance = np.linalg.norm(features[200:, None] - means, axis=2)
        return np.mean(distance.argmin(axis=1) == labels[200:300])

    assert 10_000 < counts.sum(axis=1).mean() < 16_000
    assert nearest_mean(counts.sum(axis=1, keepdims=True)) < 0.35
    assert nearest_mean(counts) > 0.7


def test_metadata_states_sensor_split_framing_seed_and_that_it_is_simulated(tmp_path):
    train, test = load(tmp_path, split="contiguous", seed=2, time_steps=4, size=16, framing="count")
    assert (train.name, train.split, test.split) == (
        "digits-dvs",
        "contiguous:train",
        "contiguous:test",
    )
    assert train.frames.shape == (20, 4, 2, 16, 16) and train.classes == 10
    metadata = json.loads(json.dumps(test.metadata))
    assert metadata["simulated"] is True
    assert metadata["samples"] == 20 and metadata["samples_published"] == 1797
    assert metadata["split_description"].startswith("first 80 %")
    assert metadata["sensor"]["threshold"] == 0.3
    assert metadata["framing"]["by"] == "count" and metadata["framing"]["time_steps"] == 4
    assert metadata["seed"] == 2 and metadata["part"] == "test"


def test_a_limit_takes_the_first_of_every_class(tmp_path):
    train, test = load(tmp_path, limit=30)
    assert np.bincount(train.labels).tolist() == np.bincount(test.labels).tolist() == [3] * 10
    assert first_balanced(np.array([1, 1, 1, 0, 1, 0]), 4).tolist() == [0, 1, 3, 5]
    assert first_balanced(np.array([1, 1, 1, 0]), 3).tolist() == [0, 1, 3]
    assert first_balanced(np.array([1, 0]), 9).tolist() == [0, 1]


def test_a_drifted_sensor_changes_the_frames_and_kills_a_fifth_of_the_pixels(tmp_path):
    before, _ = load(tmp_path)
    after, _ = load(tmp_path, sensor=replace(SensorConfig().drifted(), noise_rate=20.0))
    assert (before.frames != after.frames).any()
    silent = ~after.frames.any(axis=(0, 1, 2))
    assert silent.sum() == round(0.2 * 1024)
    np.testing.assert_array_equal(before.labels, after.labels)


@pytest.mark.parametrize("binary", [True, False])
def test_a_cache_hit_is_identical_and_builds_nothing(tmp_path, monkeypatch, binary):
    built = load(tmp_path, binary=binary)
    assert len(list(tmp_path.iterdir())) == 1

    def refuse(*_):
        raise AssertionError("built again")

    monkeypatch.setattr(digits_dvs, "EventCamera", refuse)
    kept = load(tmp_path, binary=binary)
    for old, new in zip(built, kept, strict=True):
        np.testing.assert_array_equal(old.frames, new.frames)
        np.testing.assert_array_equal(old.labels, new.labels)
        assert new.frames.dtype == np.uint8 and old.metadata == new.metadata


def test_part_of_a_kept_whole_is_taken_from_it(tmp_path, monkeypatch):
    monkeypatch.setattr(digits_dvs, "load_digits", lambda: tuple(a[:60] for a in load_digits()))
    whole, _ = load(tmp_path, split="contiguous", limit=None)
    assert len(whole) == 48
    monkeypatch.setattr(digits_dvs, "EventCamera", None)
    part, _ = load(tmp_path, split="contiguous", limit=10)
    chosen = first_balanced(whole.labels, 10)
    np.testing.assert_array_equal(part.frames, whole.frames[chosen])


@pytest.mark.parametrize(
    "damage",
    [
        lambda content: content[: len(content) // 2],
        lambda content: b"",
        lambda content: b"something else entirely",
        lambda content: content[:300] + bytes(40) + content[340:],
    ],
    ids=["truncated", "empty", "foreign", "overwritten"],
)
def test_a_damaged_cache_file_is_built_again_and_said(tmp_path, damage):
    built, _ = load(tmp_path)
    [file] = tmp_path.iterdir()
    file.write_bytes(damage(file.read_bytes()))
    with pytest.warns(UserWarning, match="damaged .* building it again"):
        again, _ = load(tmp_path)
    np.testing.assert_array_equal(built.frames, again.frames)
    kept, _ = load(tmp_path)
    np.testing.assert_array_equal(built.frames, kept.frames)
    assert [f.suffix for f in tmp_path.iterdir()] == [".npz"]


def test_every_parameter_has_its_own_cache_file(tmp_path):
    variants = [
        {},
        {"seed": 1},
        {"time_steps": 5},
        {"framing": "count"},
        {"binary": False},
        {"size": 16},
        {"limit": 10},
        {"sensor": SensorConfig(jitter=0.0)},
    ]
    for variant in variants:
        load(tmp_path, **variant)
    assert len(list(tmp_path.iterdir())) == len(variants)


def test_a_cache_folder_that_cannot_be_made_costs_time_only(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.warns(UserWarning, match="not written"):
        train, _ = load(tmp_path / "file" / "below")
    assert len(train) == 20


def test_a_failing_write_leaves_no_file(tmp_path, monkeypatch):
    def fail(*_, **__):
        raise OSError("disk full")

    monkeypatch.setattr(np, "savez", fail)
    with pytest.raises(OSError, match="disk full"):
        save_frames(tmp_path / "a.npz", np.zeros((2, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("top", [1, 255])
def test_frames_survive_the_file(tmp_path, top):
    rng = np.random.default_rng(0)
    frames = rng.integers(0, top, (3, 5, 1, 7, 3), np.uint8, endpoint=True)
    save_frames(tmp_path / "a.npz", frames)
    np.testing.assert_array_equal(load_frames(tmp_path / "a.npz"), frames)


def test_the_cache_folder_is_the_given_the_environment_s_or_the_user_s(tmp_path, monkeypatch):
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "env"))
    assert cache_directory() == tmp_path / "env"
    assert cache_directory(tmp_path / "given") == tmp_path / "given"
    monkeypatch.delenv("ONCHIP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    monkeypatch.setattr(sys, "platform", "linux")
    assert cache_directory() == tmp_path / "xdg" / "onchip"


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("mnist", {}, "dataset 'mnist' is unknown; valid: digits-dvs, cifar10dvs, nmnist"),
        ("digits-dvs", {"split": "odd"}, "split 'odd' is unknown; valid: random, contiguous"),
        ("digits-dvs", {"framing": "odd"}, "framing 'odd' is unknown; valid: time, count"),
        ("digits-dvs", {"size": 33}, r"size = 33 must lie in 1\.\.32"),
        ("digits-dvs", {"time_steps": 0}, "time_steps = 0"),
        ("digits-dvs", {"limit": 0}, "limit = 0 must be at least 1"),
        ("digits-dvs", {"seed": -1}, "seed = -1 must not be negative"),
        ("nmnist", {"sensor": SensorConfig()}, "nmnist: recorded by a real sensor"),
        ("nmnist", {}, "nmnist: needs data_root"),
    ],
)
def test_what_cannot_be_loaded_is_refused_in_one_line(tmp_path, name, arguments, message):
    with pytest.raises(ValueError, match=message) as caught:
        load_dataset(name, cache_dir=tmp_path, **arguments)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_the_table_lists_every_name_with_a_valid_default_split():
    table = dataset_table()
    events = ["digits-dvs", "cifar10dvs", "nmnist", "dvsgesture", "shd"]
    assert [i.name for i in table] == [*events, "cifar10", "cifar100"]
    for info in table:
        assert info.default_split in info.splits and info.obtain and info.classes >= 10
    assert [info.name for info in table if info.simulated] == ["digits-dvs"]
    assert [info.name for info in table if info.images] == ["cifar10", "cifar100"]


def test_a_subset_keeps_frames_and_labels_together(tmp_path):
    train, _ = load(tmp_path)
    part = train.subset([4, 2, 2])
    np.testing.assert_array_equal(part.frames, train.frames[[4, 2, 2]])
    assert part.labels.tolist() == train.labels[[4, 2, 2]].tolist()
    assert part.metadata["samples"] == len(part) == 3 and train.metadata["samples"] == 20
    with pytest.raises(ValueError, match="outside of its 20 samples"):
        train.subset([20])


def test_parts_that_do_not_fit_together_are_no_data_set():
    frames, labels = np.zeros((2, 1, 1, 1, 1), np.uint8), np.array([0, 1])
    with pytest.raises(ValueError, match="frames are float64"):
        FrameDataset("a", "b", frames.astype(float), labels, 2)
    with pytest.raises(ValueError, match="labels are int64"):
        FrameDataset("a", "b", frames, labels[:1], 2)
    with pytest.raises(ValueError, match=r"labels must lie in 0\.\.0"):
        FrameDataset("a", "b", frames, labels, 1)


def test_importing_the_package_imports_neither_torch_nor_tonic():
    code = "import sys, onchip.models.data\n"
    code += "print(sorted({'torch', 'tonic', 'sklearn'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
