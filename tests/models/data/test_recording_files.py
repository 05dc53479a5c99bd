"""What is counted is what is read: the files of a data set's folder, through tonic's readers."""

from __future__ import annotations

import os

import h5py
import numpy as np
import pytest

from onchip.models.data import load_dataset
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.tonic_datasets import find_recordings

MAC = (bytes.fromhex("0005160700020000") + b"Mac OS X        ").ljust(4095, b"\0")


def load(name, tmp_path, **arguments):
    return load_dataset(name, data_root=tmp_path, cache_dir=tmp_path / "cache", **arguments)


def assert_unchanged(name, tmp_path, before):
    """The same recordings, labels and frames as before the folder got what does not count."""
    for ours, theirs in zip(load(name, tmp_path), before, strict=True):
        np.testing.assert_array_equal(ours.labels, theirs.labels)
        np.testing.assert_array_equal(ours.frames, theirs.frames)


@pytest.mark.parametrize(
    ("name", "folder", "recording"),
    [
        ("nmnist", "NMNIST/Train/0", "00000.bin"),
        ("cifar10dvs", "CIFAR10DVS/cat", "cifar10_cat_2.aedat4"),
        ("dvsgesture", "DVSGesture/ibmGestureTrain/user01_lab", "3.npy"),
    ],
)
def test_hidden_files_and_names_that_only_end_like_data_are_left_out(
    request, tmp_path, name, folder, recording
):
    request.getfixturevalue(f"{name}_tree")()
    before = load(name, tmp_path)
    place, suffix = tmp_path / folder, recording.rpartition(".")[2]
    (place / f"._{recording}").write_bytes(MAC)
    (place / f".{recording}").write_bytes(MAC)
    (place / f"notes_{suffix}").write_bytes((place / recording).read_bytes())
    (place / ".DS_Store").write_bytes(MAC)
    rest = tmp_path / folder.split("/")[0] / "__MACOSX" / "more"
    rest.mkdir(parents=True)
    (rest / f"._{recording}").write_bytes(MAC)
    (place / ".cache").mkdir()
    (place / ".cache" / recording).write_bytes(MAC)
    assert_unchanged(name, tmp_path, before)


@pytest.mark.parametrize(
    ("name", "folder"),
    [
        ("nmnist", "NMNIST/Train/3"),
        ("nmnist", "NMNIST/Test"),
        ("nmnist", "NMNIST"),
        ("cifar10dvs", "CIFAR10DVS/frog"),
        ("dvsgesture", "DVSGesture/ibmGestureTest/user24_led"),
    ],
)
def test_folders_that_are_links_are_read(request, tmp_path, name, folder):
    request.getfixturevalue(f"{name}_tree")()
    before = load(name, tmp_path)
    (tmp_path / folder).rename(tmp_path / "elsewhere")
    (tmp_path / folder).symlink_to(tmp_path / "elsewhere")
    assert_unchanged(name, tmp_path, before)


def test_files_that_are_links_are_read_with_their_own_label(nmnist_tree, tmp_path):
    tree = nmnist_tree()
    (tmp_path / "NMNIST/Train/5/00000.bin").rename(tmp_path / "five")
    (tmp_path / "NMNIST/Train/5/00000.bin").symlink_to(tmp_path / "five")
    train, _ = load("nmnist", tmp_path, binary=False)
    expected = to_frames(tree["Train/5/00000.bin"], Framing((34, 34, 2), binary=False))
    (place,) = np.flatnonzero((train.frames == expected).all((1, 2, 3, 4)))
    assert train.labels[place] == 5


def test_one_folder_under_two_names_is_refused(nmnist_tree, tmp_path):
    nmnist_tree()
    place = tmp_path / "NMNIST/Train/3"
    place.rename(tmp_path / "three")
    place.symlink_to(tmp_path / "NMNIST/Train/4")
    with pytest.raises(ValueError, match=r"Train/4 is the same folder as .*Train/3: .* read twice"):
        load("nmnist", tmp_path)


def test_a_link_in_a_circle_ends(nmnist_tree, tmp_path):
    nmnist_tree()
    before = load("nmnist", tmp_path)
    (tmp_path / "NMNIST/Train/again").symlink_to(tmp_path / "NMNIST/Train")
    assert_unchanged("nmnist", tmp_path, before)


def test_recordings_behind_a_link_in_a_folder_of_no_class_are_told(nmnist_tree, tmp_path):
    nmnist_tree()
    (tmp_path / "NMNIST/Train/1").rename(tmp_path / "ones")
    (tmp_path / "NMNIST/Train/1").mkdir()
    (tmp_path / "NMNIST/Train/1/more").symlink_to(tmp_path / "ones")
    with pytest.raises(ValueError, match=r"Train/1/more holds \.bin files but is not one of class"):
        load("nmnist", tmp_path)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to(path.parent / "gone"), "is a link to nothing"),
        (lambda path: path.mkdir(), "is no file"),
        (os.mkfifo, "is no file"),
    ],
)
def test_what_is_named_like_a_recording_and_is_none_is_refused(
    nmnist_tree, tmp_path, make, message
):
    nmnist_tree()
    make(tmp_path / "NMNIST/Train/7/00009.bin")
    with pytest.raises(ValueError, match=rf"Train/7/00009\.bin {message}, though it is named like"):
        load("nmnist", tmp_path)


@pytest.mark.parametrize("name", ["nmnist", "dvsgesture", "cifar10dvs"])
def test_a_plain_tree_is_read_as_tonic_lists_it(request, tmp_path, name, monkeypatch):
    import tonic.datasets

    request.getfixturevalue(f"{name}_tree")()
    folder = {"nmnist": "NMNIST", "dvsgesture": "DVSGesture", "cifar10dvs": "CIFAR10DVS"}[name]
    theirs = getattr(tonic.datasets, folder)
    monkeypatch.setattr(theirs, "_check_exists", lambda self: True)
    parts = [{}] if name == "cifar10dvs" else [{"train": True}, {"train": False}]
    sets = [theirs(str(tmp_path), **part) for part in parts]
    expected = {path: label for s in sets for path, label in zip(s.data, s.targets, strict=True)}
    found = find_recordings(name, tmp_path)
    assert {str(recording.file): recording.label for recording in found} == expected
    assert len(found) == len(expected)


@pytest.mark.parametrize("stem", ["11", "-1", "03", "three"])
def test_a_gesture_that_does_not_exist_is_named(dvsgesture_tree, tmp_path, stem):
    dvsgesture_tree()
    place = tmp_path / "DVSGesture/ibmGestureTrain/user01_lab"
    (place / "3.npy").rename(place / f"{stem}.npy")
    with pytest.raises(ValueError, match=rf"{stem}\.npy: no gesture in the file name; expected 0"):
        load("dvsgesture", tmp_path)


@pytest.mark.parametrize("damage", ["no labels", "too few", "label 20", "fractions"])
def test_an_shd_file_whose_labels_do_not_fit_is_named(shd_tree, tmp_path, damage):
    shd_tree()
    with h5py.File(tmp_path / "SHD/shd_train.h5", "r+") as file:
        labels = file["labels"][()]
        del file["labels"]
        if damage == "too few":
            file["labels"] = labels[:-1]
        elif damage == "label 20":
            file["labels"] = labels + np.uint16(1)
        elif damage == "fractions":
            file["labels"] = labels + 0.5
    with pytest.raises(ValueError, match=r"SHD/shd_train\.h5: .*; fetch the file again") as caught:
        load("shd", tmp_path)
    assert "\n" not in str(caught.value)
