"""The notebooks' data: a made set in CIFAR10-DVS's layout, or the user's own folder."""

from __future__ import annotations

import numpy as np
import pytest

from onchip.models.data import load_dataset, walkthrough
from onchip.models.data.digits_dvs import load_digits
from onchip.models.data.event_camera import EventCamera
from onchip.models.data.tonic_datasets import find_recordings
from onchip.models.data.walkthrough import SENSOR, made_cifar10dvs, open_cifar10dvs, write_aedat4


@pytest.fixture(autouse=True)
def no_environment(monkeypatch):
    for name in (walkthrough.DATA, walkthrough.QUICK, "ONCHIP_CACHE"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """A made set of two training and one test recordings a class, and the cache it lies in."""
    cache = tmp_path_factory.mktemp("cache")
    return made_cifar10dvs(2, 1, cache_dir=cache), cache


def test_written_events_are_read_back_by_aedat(tmp_path):
    import aedat

    rng = np.random.default_rng(0)
    events = np.zeros(70_000, [("t", "i8"), ("x", "i8"), ("y", "i8"), ("p", "?")])
    events["t"] = np.sort(rng.integers(0, 2**40, len(events)))
    for name, limit in (("x", 128), ("y", 128), ("p", 2)):
        events[name] = rng.integers(0, limit, len(events))
    write_aedat4(tmp_path / "events.aedat4", events)
    packets = [packet["events"] for packet in aedat.Decoder(tmp_path / "events.aedat4")]
    read = np.concatenate(packets)
    for name, theirs in (("t", "t"), ("x", "x"), ("y", "y"), ("p", "on")):
        np.testing.assert_array_equal(read[theirs], events[name])


def test_the_made_set_has_cifar10dvs_s_layout_and_is_read_by_tonic(made):
    folder, _ = made
    files = sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())
    classes = "airplane automobile bird cat deer dog frog horse ship truck".split()
    assert files == [
        f"CIFAR10DVS/{name}/cifar10_{name}_{i}.aedat4" for name in classes for i in (0, 1, 900)
    ]
    recordings = find_recordings("cifar10dvs", folder)
    assert [r.label for r in recordings] == [*np.repeat(np.arange(10), 2), *range(10)]
    assert [r.part for r in recordings] == ["train"] * 20 + ["test"] * 10


def test_every_recording_shows_another_digit_of_its_class(tmp_path, monkeypatch):
    pictures, labels = load_digits()
    few = np.concatenate([np.flatnonzero(labels == label)[:3] for label in range(10)])
    pictures, labels = pictures[few], labels[few]
    monkeypatch.setattr(walkthrough, "load_digits", lambda: (pictures, labels))
    folder = made_cifar10dvs(2, 1, seed=5, cache_dir=tmp_path)
    camera = EventCamera(SENSOR)
    expected = [camera.record(p, np.random.default_rng([5, i])) for i, p in enumerate(pictures)]
    shown = []
    for recording in find_recordings("cifar10dvs", folder):
        events = recording.events()
        same = [i for i, e in enumerate(expected) if np.array_equal(e["t"], events["t"])]
        assert len(same) == 1 and labels[same[0]] == recording.label
        for field in ("x", "y", "p"):
            np.testing.assert_array_equal(events[field], expected[same[0]][field])
        shown += same
    assert sorted(shown) == list(range(30))


def test_the_same_seed_makes_the_same_files_and_another_seed_others(made, tmp_path):
    folder, _ = made
    again, other = (made_cifar10dvs(2, 1, seed=s, cache_dir=tmp_path) for s in (0, 1))
    files = [p.relative_to(folder) for p in sorted(folder.rglob("*.aedat4"))]
    assert all((folder / p).read_bytes() == (again / p).read_bytes() for p in files)
    assert all((folder / p).read_bytes() != (other / p).read_bytes() for p in files)
    assert {p.name for p in tmp_path.iterdir()} == {again.name, other.name}


def test_the_user_s_folder_and_the_made_set_go_through_the_same_loading(made, monkeypatch):
    folder, cache = made
    expected = load_dataset(
        "cifar10dvs", data_root=folder, framing="count", size=48, time_steps=10, cache_dir=cache
    )
    monkeypatch.setattr(walkthrough, "made_cifar10dvs", lambda *_, **__: folder)
    ours = open_cifar10dvs(cache_dir=cache)
    monkeypatch.undo()
    for root in (folder, folder / "CIFAR10DVS"):
        theirs = open_cifar10dvs(root, cache_dir=cache)
        for data in (ours, theirs):
            for part, wanted in zip((data.train, data.test), expected, strict=True):
                np.testing.assert_array_equal(part.frames, wanted.frames)
                np.testing.assert_array_equal(part.labels, wanted.labels)
        assert ours.made and not theirs.made
        assert "made set" in ours.caption and "not CIFAR10-DVS itself" in ours.caption
        assert "as given by the user (20 training and 10 test" in theirs.caption
    assert ours.train.frames.shape == (20, 10, 2, 48, 48) and ours.train.frames.max() == 1


def test_the_environment_names_the_folder_and_asks_for_little_time(made, tmp_path, monkeypatch):
    folder, _ = made
    monkeypatch.setenv("ONCHIP_DATA", str(folder))
    full = open_cifar10dvs(cache_dir=tmp_path)
    monkeypatch.setenv("ONCHIP_QUICK", "1")
    quick = open_cifar10dvs(cache_dir=tmp_path)
    assert not full.made and (full.quick, quick.quick) == (False, True)
    assert full.results != quick.results and full.results.is_dir() and quick.results.is_dir()
    monkeypatch.setenv("ONCHIP_QUICK", "yes")
    with pytest.raises(ValueError, match="ONCHIP_QUICK is 'yes'; set it to 1"):
        open_cifar10dvs(cache_dir=tmp_path)


def test_a_limit_is_balanced_over_the_classes_of_the_user_s_folder(made):
    folder, cache = made
    data = open_cifar10dvs(folder, limit=10, cache_dir=cache)
    assert sorted(data.train.labels.tolist()) == data.test.labels.tolist() == list(range(10))


def test_a_folder_without_cifar10dvs_says_what_belongs_there(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no folder .*CIFAR10DVS; expected class folders"):
        open_cifar10dvs(tmp_path, cache_dir=tmp_path)


def test_a_made_set_is_not_made_twice_and_never_half(made, tmp_path, monkeypatch):
    folder, cache = made
    monkeypatch.setattr(walkthrough, "EventCamera", lambda sensor: pytest.fail("made again"))
    assert made_cifar10dvs(2, 1, cache_dir=cache) == folder
    monkeypatch.undo()

    def full_disk(path, events):
        raise OSError("no space left")

    monkeypatch.setattr(walkthrough, "write_aedat4", full_disk)
    with pytest.raises(OSError, match="no space left"):
        made_cifar10dvs(2, 1, cache_dir=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("train", "test"), [(0, 1), (1, 0), (100, 100)])
def test_more_digits_than_there_are_or_none_are_refused(tmp_path, train, test):
    with pytest.raises(ValueError, match=rf"made set: {train} \+ {test} .* at most 174 in all"):
        made_cifar10dvs(train, test, cache_dir=tmp_path)
