"""tonic's data sets, fabricated on disk and read through tonic's own classes."""

from __future__ import annotations

import shutil
import sys
from collections import Counter

import numpy as np
import pytest
from shuffled import assert_shuffled, file_order

from onchip.deploy.cli import main as onchip
from onchip.models import load_checkpoint, recommended_training
from onchip.models.cli.command_line import main as train_main
from onchip.models.data import load_dataset
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.tonic_datasets import find_recordings, without_download

SENSOR = {
    "cifar10dvs": (128, 128, 2),
    "nmnist": (34, 34, 2),
    "dvsgesture": (128, 128, 2),
    "shd": (700, 1, 1),
}


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Any attempt to reach the network is a failure."""

    def refuse(*_, **__):
        raise AssertionError("a download was tried")

    monkeypatch.setattr("tonic.download_utils.download_url", refuse)
    monkeypatch.setattr("socket.socket.connect", refuse)


def load(name, tmp_path, **arguments):
    return load_dataset(name, data_root=tmp_path, cache_dir=tmp_path / "cache", **arguments)


def expected_frames(name, tree, paths, **arguments):
    framing = Framing(SENSOR[name], **arguments)
    return np.stack([to_frames(tree[path], framing) for path in paths])


def test_cifar10dvs_is_read_by_tonic_and_split_by_the_index_in_the_file_name(
    cifar10dvs_tree, tmp_path
):
    tree = cifar10dvs_tree((2, 10, 900, 901))
    train, test = load("cifar10dvs", tmp_path, size=48, framing="count")
    classes = list(dict.fromkeys(path.split("/")[0] for path in tree))
    wanted = [f"{c}/cifar10_{c}_{i}.aedat4" for c in classes for i in (2, 10)]
    expected = expected_frames("cifar10dvs", tree, wanted, by="count", size=48)
    assert_shuffled(train.frames, train.labels, expected, np.repeat(np.arange(10), 2).tolist())
    wanted = [f"{c}/cifar10_{c}_{i}.aedat4" for c in classes for i in (900, 901)]
    expected = expected_frames("cifar10dvs", tree, wanted, by="count", size=48)
    np.testing.assert_array_equal(test.frames, expected)
    assert train.split == "standard:train"
    assert train.metadata["samples_found"] == 40
    assert train.metadata["samples_published"] == 10_000
    assert train.metadata["simulated"] is False


def test_cifar10dvs_reads_what_tonic_s_own_class_reads(cifar10dvs_tree, tmp_path, monkeypatch):
    from tonic.datasets import CIFAR10DVS

    cifar10dvs_tree((1, 900))
    monkeypatch.setattr(CIFAR10DVS, "_check_exists", lambda self: True)
    plain = CIFAR10DVS(str(tmp_path))
    theirs = {path: plain[i][0] for i, path in enumerate(plain.data)}
    for recording in find_recordings("cifar10dvs", tmp_path):
        events, expected = recording.events(), theirs[str(recording.file)]
        assert events.dtype == CIFAR10DVS.dtype
        for field in ("t", "x", "y", "p"):
            np.testing.assert_array_equal(events[field], expected[field])


def test_a_random_split_of_cifar10dvs_is_stratified(cifar10dvs_tree, tmp_path):
    cifar10dvs_tree(tuple(range(10)))
    train, test = load("cifar10dvs", tmp_path, split="random", size=16)
    assert np.bincount(train.labels).tolist() == [9] * 10
    assert np.bincount(test.labels).tolist() == [1] * 10


def test_nmnist_is_read_by_tonic_the_test_part_in_the_order_of_the_files(nmnist_tree, tmp_path):
    tree = nmnist_tree(train=3, test=1)
    train, test = load("nmnist", tmp_path, binary=False)
    paths = sorted(path for path in tree if path.startswith("Train"))
    expected = expected_frames("nmnist", tree, paths, binary=False)
    digits = [int(path.split("/")[1]) for path in paths]
    assert_shuffled(train.frames, train.labels, expected, digits)
    paths = sorted(path for path in tree if path.startswith("Test"))
    expected = expected_frames("nmnist", tree, paths, binary=False)
    np.testing.assert_array_equal(test.frames, expected)
    assert test.labels.tolist() == list(range(10))
    assert (len(train), len(test)) == (30, 10)
    assert test.metadata["samples_found"] == 40 and test.metadata["samples_published"] == 70_000


def test_a_limit_is_balanced_over_the_classes_and_reads_no_more(nmnist_tree, tmp_path):
    tree = nmnist_tree(train=3, test=1)
    (tmp_path / "NMNIST/Train/4/00002.bin").write_bytes(b"damaged, but not asked for")
    train, test = load("nmnist", tmp_path, limit=20)
    paths = [f"Train/{digit}/{index:05}.bin" for digit in range(10) for index in (0, 1)]
    expected = expected_frames("nmnist", tree, paths)
    assert_shuffled(train.frames, train.labels, expected, np.repeat(np.arange(10), 2).tolist())
    assert (train.metadata["samples"], test.metadata["samples"]) == (20, 10)


def test_dvsgesture_is_read_by_tonic_with_times_in_milliseconds(dvsgesture_tree, tmp_path):
    tree = dvsgesture_tree()
    train, test = load("dvsgesture", tmp_path, size=32)
    order = sorted(path for path in tree if "Train" in path)
    expected = expected_frames("dvsgesture", tree, order, size=32)
    gestures = [int(path.split("/")[2][:-4]) for path in order]
    assert_shuffled(train.frames, train.labels, expected, gestures)
    assert len(test) == train.classes == 11


def test_shd_is_read_by_tonic_as_one_row_of_channels(shd_tree, tmp_path):
    tree = shd_tree()
    train, test = load("shd", tmp_path, binary=False, size=100)
    paths = [f"shd_train.h5[{i}]" for i in range(40)]
    events = {path: tree[path][["t", "x"]] for path in paths}
    expected = expected_frames("shd", events, paths, binary=False, size=100)
    assert_shuffled(train.frames, train.labels, expected, (np.arange(40) % 20).tolist())
    assert train.frames.shape == (40, 10, 1, 1, 100)
    assert Counter(train.labels.tolist()) == dict.fromkeys(range(20), 2)
    assert len(test) == 20


def test_the_first_samples_of_a_training_part_are_of_many_classes(nmnist_tree, tmp_path):
    """The files are sorted by class: without another order the first fifty would be one digit."""
    nmnist_tree(train=60, test=1)
    train, _ = load("nmnist", tmp_path)
    counts = np.bincount(train.labels[:50], minlength=10)
    assert counts.min() >= 1 and counts.max() <= 15


def test_the_seed_decides_the_order_of_the_training_part_and_nothing_else(nmnist_tree, tmp_path):
    nmnist_tree(train=3, test=1)
    (train, test), (again, _), (other, other_test) = (
        load("nmnist", tmp_path, seed=seed) for seed in (4, 4, 5)
    )
    np.testing.assert_array_equal(train.frames, again.frames)
    np.testing.assert_array_equal(test.frames, other_test.frames)
    order = file_order(other.frames, train.frames)
    assert order != sorted(order)
    assert other.labels.tolist() == train.labels[order].tolist()
    assert train.metadata["shuffled"] is True and "shuffled" not in test.metadata
    assert len(list((tmp_path / "cache").iterdir())) == 1  # one file of frames for all orders


def test_the_command_says_where_the_settings_of_a_data_set_come_from(
    nmnist_tree, tmp_path, monkeypatch, capsys
):
    nmnist_tree()
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))
    words = ["--dataset", "nmnist", "--data-root", str(tmp_path), "--time-steps", "2"]
    words += ["--epochs", "1", "--model", "mlp", "--hidden", "8", "--out", str(tmp_path / "x.pt")]
    source = "settings not measured for 'mlp': measured here with a convnet by ottt_a, "
    for run, argv in ((onchip, ["train", *words]), (train_main, words)):
        assert run(argv) == 0
        said = capsys.readouterr()
        assert source in said.out + said.err and "scaled start" in said.out + said.err
        assert load_checkpoint(tmp_path / "x.pt").training == recommended_training(
            "mlp", dataset="nmnist", epochs=1
        )


def test_nothing_is_written_into_the_data_set_s_folder(nmnist_tree, tmp_path):
    tree = nmnist_tree()
    load("nmnist", tmp_path)
    files = [path for path in (tmp_path / "NMNIST").rglob("*") if path.is_file()]
    assert {path.relative_to(tmp_path / "NMNIST").as_posix() for path in files} == set(tree)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["NMNIST", "cache"]


def test_cached_frames_are_identical_and_a_changed_recording_is_read_again(nmnist_tree, tmp_path):
    tree = nmnist_tree()
    first, _ = load("nmnist", tmp_path)
    kept, _ = load("nmnist", tmp_path)
    np.testing.assert_array_equal(first.frames, kept.frames)
    source, target = (tmp_path / f"NMNIST/Train/{place}.bin" for place in ("3/00001", "3/00000"))
    shutil.copyfile(source, target)
    changed, _ = load("nmnist", tmp_path)
    paths = sorted(path for path in tree if path.startswith("Train"))
    order = file_order(first.frames, expected_frames("nmnist", tree, paths))
    six, seven = order.index(6), order.index(7)
    np.testing.assert_array_equal(changed.frames[six], changed.frames[seven])
    assert (first.frames[six] != first.frames[seven]).any()
    assert len(tree) == 30 and len(list((tmp_path / "cache").iterdir())) == 2


def test_the_adapter_keeps_tonic_s_class_and_refuses_to_download(tmp_path):
    from tonic.datasets import NMNIST

    adapter = without_download(NMNIST)
    dataset = adapter(str(tmp_path))
    assert isinstance(dataset, NMNIST) and dataset.location_on_system.endswith("NMNIST")
    assert adapter.__getitem__ is NMNIST.__getitem__
    with pytest.raises(FileNotFoundError, match="refusing to download"):
        dataset.download()


@pytest.mark.parametrize(
    ("name", "folder", "expected"),
    [
        ("cifar10dvs", "CIFAR10DVS", "airplane, automobile"),
        ("nmnist", "NMNIST", "Train and Test"),
        ("dvsgesture", "DVSGesture", "ibmGestureTrain and ibmGestureTest"),
        ("shd", "SHD", "shd_train.h5 and shd_test.h5"),
    ],
)
def test_a_missing_data_set_names_folder_contents_and_how_to_get_it(
    tmp_path, name, folder, expected
):
    with pytest.raises(FileNotFoundError) as caught:
        load(name, tmp_path)
    message = str(caught.value)
    assert f"no folder {tmp_path / folder}" in message and expected in message
    assert "To get it: " in message and "\n" not in message
    assert not (tmp_path / folder).exists()


def test_a_data_root_one_folder_too_deep_is_told(nmnist_tree, tmp_path):
    nmnist_tree()
    with pytest.raises(FileNotFoundError, match=f"should be the folder above, {tmp_path}$"):
        load("nmnist", tmp_path / "NMNIST")


def test_a_missing_part_is_told(nmnist_tree, tmp_path):
    nmnist_tree()
    shutil.rmtree(tmp_path / "NMNIST/Test")
    with pytest.raises(FileNotFoundError, match="NMNIST/Test is missing; expected Train and Test"):
        load("nmnist", tmp_path)


def test_missing_classes_are_named(cifar10dvs_tree, tmp_path):
    cifar10dvs_tree()
    shutil.rmtree(tmp_path / "CIFAR10DVS/frog")
    for file in (tmp_path / "CIFAR10DVS/ship").iterdir():
        file.unlink()
    with pytest.raises(FileNotFoundError, match=r"has 32 \.aedat4 files, none in frog/, ship/"):
        load("cifar10dvs", tmp_path)


def test_archives_that_are_there_are_to_be_unpacked_unless_empty(tmp_path):
    (tmp_path / "CIFAR10DVS").mkdir()
    archive = tmp_path / "CIFAR10DVS/CIFAR10DVS.zip"
    archive.write_bytes(b"PK")
    with pytest.raises(FileNotFoundError, match=r"To get it: unpack CIFAR10DVS\.zip there"):
        load("cifar10dvs", tmp_path)
    archive.write_bytes(b"")
    with pytest.raises(FileNotFoundError, match=r"zip is an empty file, a failed download; down"):
        load("cifar10dvs", tmp_path)


def test_recordings_in_a_folder_of_no_class_are_told(nmnist_tree, tmp_path):
    nmnist_tree()
    shutil.copytree(tmp_path / "NMNIST/Train/1", tmp_path / "NMNIST/Train/copy of 1")
    with pytest.raises(ValueError, match=r"copy of 1 holds \.bin files but is not one of class"):
        load("nmnist", tmp_path)


def test_a_cifar10dvs_file_without_index_is_told(cifar10dvs_tree, tmp_path):
    cifar10dvs_tree()
    folder = tmp_path / "CIFAR10DVS/bird"
    (folder / "cifar10_bird_2.aedat4").rename(folder / "first.aedat4")
    with pytest.raises(ValueError, match="no index in the file name"):
        load("cifar10dvs", tmp_path)


def test_a_split_without_test_recordings_is_told(cifar10dvs_tree, tmp_path):
    cifar10dvs_tree((0, 1))
    with pytest.raises(ValueError, match=r"no recordings for test in split 'standard'.*900-999"):
        load("cifar10dvs", tmp_path)


@pytest.mark.parametrize(
    "content", [b"12345", b"#!AER-DAT4.0\r\n", b"#!AER-DAT2.0\r\n" + bytes(99)]
)
def test_a_damaged_aedat_file_is_named(cifar10dvs_tree, tmp_path, content):
    cifar10dvs_tree()
    (tmp_path / "CIFAR10DVS/cat/cifar10_cat_2.aedat4").write_bytes(content)
    with pytest.raises(ValueError, match=r"CIFAR10DVS/cat/cifar10_cat_2\.aedat4: cannot be read"):
        load("cifar10dvs", tmp_path)
    assert not (tmp_path / "cache").exists()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "no events"),
        (b"12", "cannot be read"),
        (bytes([40, 3, 0, 0, 1]), r"x = 40 is outside of the sensor's 0\.\.33"),
    ],
)
def test_a_damaged_nmnist_file_is_named(nmnist_tree, tmp_path, content, message):
    nmnist_tree()
    (tmp_path / "NMNIST/Test/7/00000.bin").write_bytes(content)
    with pytest.raises(ValueError, match=rf"NMNIST/Test/7/00000\.bin: {message}"):
        load("nmnist", tmp_path)


def test_an_shd_file_that_is_none_is_told(shd_tree, tmp_path):
    shd_tree()
    (tmp_path / "SHD/shd_test.h5").write_bytes(b"not HDF5")
    with pytest.raises(ValueError, match="SHD: tonic cannot open it"):
        load("shd", tmp_path)


def test_a_dvsgesture_pickle_is_refused(dvsgesture_tree, tmp_path):
    dvsgesture_tree()
    np.save(tmp_path / "DVSGesture/ibmGestureTrain/user01_lab/3.npy", np.array([{}], object))
    with pytest.raises(ValueError, match=r"user01_lab/3\.npy: cannot be read"):
        load("dvsgesture", tmp_path)


def test_recordings_are_in_the_same_order_whatever_the_file_system_says(
    nmnist_tree, dvsgesture_tree, tmp_path, monkeypatch
):
    nmnist_tree()
    dvsgesture_tree()
    names = ("nmnist", "dvsgesture")
    before = [[r.name for r in find_recordings(name, tmp_path)] for name in names]
    walk = sys.modules["os"].walk

    def backwards(*arguments, **options):
        for path, folders, files in walk(*arguments, **options):
            yield path, folders, sorted(files, reverse=True)

    monkeypatch.setattr("os.walk", backwards)
    assert [[r.name for r in find_recordings(name, tmp_path)] for name in names] == before
