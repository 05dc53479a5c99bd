"""Data of one's own: each form gives the same frames, and what is damaged one line."""

from __future__ import annotations

import re
import sys
import types

import h5py
import numpy as np
import own_data
import pytest
from own_data import ALL_FRAMES, CLASSES, LABELS, SAMPLES, SIZE, STEPS, by_class

from onchip.models import load_dataset
from onchip.models.data.own.loading import find_samples

OPTIONS = {"time_steps": STEPS}
EVENT_OPTIONS = {**OPTIONS, "sensor_size": SIZE}

FORMS = {
    "npz of frames": (own_data.npz_frames, {}),
    "npz with parts": (own_data.npz_parts, {}),
    "npy of frames": (own_data.npy_frames, {}),
    "h5 of frames": (own_data.h5_frames, {}),
    "npz of events": (own_data.npz_events, OPTIONS),
    "h5 of events": (own_data.h5_events, OPTIONS),
    "folder of .npy": (by_class(".npy", own_data.write_npy), EVENT_OPTIONS),
    "folder of .npz": (by_class(".npz", own_data.write_npz, parts=True), OPTIONS),
    "folder of .h5": (by_class(".h5", own_data.write_h5), OPTIONS),
    "folder of frames": (by_class(".npy", own_data.write_frames, parts=True), {}),
    "folder of .bin": (by_class(".bin", own_data.write_nmnist), EVENT_OPTIONS),
    "folder of .dat": (by_class(".DAT", own_data.write_dat), OPTIONS),
}


@pytest.fixture
def expelliarmus(monkeypatch):
    """The package's one function, reading .dat by its published layout."""

    class Wizard:
        def __init__(self, encoding):
            self.encoding = encoding

        def read(self, path):
            if self.encoding != "dat":
                asked.append(self.encoding)
                return own_data.events_of(int(path[-5]))
            return own_data.read_dat(path)

    asked: list[str] = []
    package = types.ModuleType("expelliarmus")
    package.Wizard = Wizard
    monkeypatch.setitem(sys.modules, "expelliarmus", package)
    return asked


@pytest.mark.parametrize(
    ("header", "encoding", "size"),
    [
        ("% Date 2026-01-01\n% evt 2.0 \n% geometry 12x10\n", "evt2", SIZE),
        ("% evt 3.0\n% system_ID 48\n", "evt3", None),
        ("% format EVT3;height=10;width=12\n", "evt3", SIZE),
        ("% format EVT2;width=12;height=10\n% end\n", "evt2", SIZE),
    ],
)
def test_the_header_of_a_raw_file_says_its_encoding_and_sensor(
    header, encoding, size, tmp_path, expelliarmus
):
    for label in range(2):
        (tmp_path / "set" / f"c{label}").mkdir(parents=True)
        (tmp_path / "set" / f"c{label}" / f"{label}.raw").write_bytes(header.encode() + b"\x01")
    assert find_samples(tmp_path / "set").sensor_size == size
    assert expelliarmus == [encoding]


def test_a_raw_file_of_another_encoding_is_refused(tmp_path, expelliarmus):
    (tmp_path / "set" / "a").mkdir(parents=True)
    (tmp_path / "set" / "a" / "1.raw").write_bytes(b"% Date 2026\n\x00")
    with pytest.raises(ValueError, match=r"names neither EVT 2.0 nor EVT 3.0"):
        find_samples(tmp_path / "set")


def indices_of(frames: np.ndarray) -> list[int]:
    """Which samples these are, by their frames."""
    known = {ALL_FRAMES[i].tobytes(): i for i in range(SAMPLES)}
    return [known[np.ascontiguousarray(sample).tobytes()] for sample in frames]


@pytest.mark.parametrize("form", FORMS)
def test_every_form_gives_the_same_frames_and_labels(form, tmp_path, expelliarmus):
    make, options = FORMS[form]
    path = make(tmp_path)
    train, test = load_dataset(str(path), cache_dir=tmp_path / "cache", seed=3, **options)
    found = indices_of(train.frames), indices_of(test.frames)
    assert sorted(found[0] + found[1]) == list(range(SAMPLES))
    for part, indices in zip((train, test), found, strict=True):
        np.testing.assert_array_equal(part.labels, LABELS[indices])
        assert part.classes == CLASSES
        assert part.metadata["dataset"] == str(path)
    own_parts = "parts" in form or form in ("folder of .npz", "folder of frames")
    assert train.split == ("standard:train" if own_parts else "random:train")
    assert sorted(found[0]) == list(range(24)) or not own_parts
    assert len(test) == 6  # 20 % of each class, or the part
    assert found[0] != sorted(found[0])  # the training part in an order drawn by the seed


def test_aedat4_says_its_sensor(tmp_path):
    for index in range(12):
        place = tmp_path / "set" / f"c{LABELS[index]}"
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{index}.aedat4").write_bytes(own_data.aedat4_bytes(own_data.events_of(index)))
    found = find_samples(tmp_path / "set")
    assert found.sensor_size == (128, 128, 2)
    train, _ = load_dataset(str(tmp_path / "set"), time_steps=STEPS, cache_dir=tmp_path / "cache")
    assert train.frames.shape == (9, STEPS, 2, 128, 128)
    counts = {int(sample[..., :10, :12].sum()) for sample in train.frames}
    assert counts <= {int(frames.sum()) for frames in ALL_FRAMES}


def test_lists_of_spikes_are_events_of_a_row(tmp_path):
    """SHD's and SSC's layout: times in seconds, units, labels."""
    with h5py.File(tmp_path / "mine.h5", "w") as file:
        for name, kind in (("times", np.float64), ("units", np.uint16)):
            data = file.create_dataset(f"spikes/{name}", (10,), dtype=h5py.vlen_dtype(kind))
            for i in range(10):
                data[i] = np.array([0.0, 0.05, 0.0999]) if name == "times" else [i, i + 1, i + 2]
        file["labels"] = np.arange(10) % 2
    train, test = load_dataset(
        str(tmp_path / "mine.h5"), time_steps=2, sensor_size=(20, 1, 1), cache_dir=tmp_path / "c"
    )
    assert (len(train), len(test)) == (8, 2)
    assert train.frames.shape[1:] == (2, 1, 1, 20)
    assert set(np.unique(train.frames.sum(axis=(2, 3, 4)))) == {1, 2}


def test_labels_come_from_a_file_beside_or_one_that_is_named(tmp_path):
    np.save(tmp_path / "x.npy", ALL_FRAMES)
    (tmp_path / "words.txt").write_text("\n".join("abc"[label] for label in LABELS))
    np.save(tmp_path / "numbers.npy", np.eye(3)[LABELS])
    for name, classes in (("words.txt", ("a", "b", "c")), ("numbers.npy", ("0", "1", "2"))):
        found = find_samples(tmp_path / "x.npy", labels=tmp_path / name)
        np.testing.assert_array_equal(found.labels, LABELS)
        assert found.classes == classes


def test_labels_of_a_text_file_are_lines_which_may_hold_blanks(tmp_path):
    np.save(tmp_path / "x.npy", ALL_FRAMES)
    names = ("left hand", "right hand", "wave  both")
    (tmp_path / "names.txt").write_text(
        "\n".join(f" {names[label]} \r" for label in LABELS) + "\n\n"
    )
    found = find_samples(tmp_path / "x.npy", labels=tmp_path / "names.txt")
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.classes == names
    (tmp_path / "row.txt").write_text(" ".join(map(str, LABELS)))
    found = find_samples(tmp_path / "x.npy", labels=tmp_path / "row.txt")
    np.testing.assert_array_equal(found.labels, LABELS)
    assert found.classes == ("0", "1", "2")


def test_rows_of_features_are_maps_of_one_row(tmp_path):
    rng = np.random.default_rng(0)
    np.savez(tmp_path / "rows.npz", frames=rng.normal(size=(20, 5, 7)), labels=np.arange(20) % 2)
    train, _ = load_dataset(str(tmp_path / "rows.npz"))
    assert train.frames.shape[1:] == (5, 1, 1, 7)
    assert train.frames.dtype == np.float32


def test_the_digest_is_of_the_content(tmp_path):
    path = own_data.npz_frames(tmp_path)
    before = find_samples(path).digest()
    assert find_samples(path).digest() == before
    np.savez(path, Frames=1 - ALL_FRAMES, Labels=LABELS)
    assert find_samples(path).digest() != before
    folder = by_class(".npy", own_data.write_npy)(tmp_path)
    before = find_samples(folder, sensor_size=SIZE).digest()
    own_data.write_npy(folder / "c0" / "000.npy", 5)
    assert find_samples(folder, sensor_size=SIZE).digest() != before


@pytest.mark.parametrize("name", ["DIGITS-DVS", "Digits_DVS", "digitsdvs"])
def test_names_of_data_sets_are_taken_however_they_are_spelled(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    train, _ = load_dataset(name, time_steps=2, limit=10, cache_dir=tmp_path)
    assert train.metadata["dataset"] == "digits-dvs"


def damaged_npz(folder):
    path = own_data.npz_frames(folder)
    path.write_bytes(path.read_bytes()[:2000])
    return path


def damaged_h5(folder):
    path = own_data.h5_frames(folder)
    path.write_bytes(path.read_bytes()[:3000])
    return path


def damaged_recording(folder):
    root = by_class(".bin", own_data.write_nmnist)(folder)
    (root / "c1" / "001.bin").write_bytes(b"1234567")
    return root


def damaged_first(folder):
    root = by_class(".npy", own_data.write_npy)(folder)
    (root / "c0" / "000.npy").write_bytes(b"\x93NUMPY")
    return root


def objects(folder):
    np.save(folder / "objects.npy", np.array([{}, {}], object), allow_pickle=True)
    return folder / "objects.npy"


def saved(**arrays):
    def make(folder):
        np.savez(folder / "set.npz", **arrays)
        return folder / "set.npz"

    return make


def empty_class(folder):
    (folder / "set" / "a").mkdir(parents=True)
    return folder / "set"


def mixed_parts(folder):
    for name in ("train", "test", "other"):
        (folder / "set" / name / "a").mkdir(parents=True)
    return folder / "set"


def two_sizes(folder):
    root = by_class(".npz", own_data.write_npz)(folder)
    events = own_data.events_of(1)
    np.savez(root / "c1" / "001.npz", **{n: events[n] for n in "txyp"}, sensor_size=(9, 9))
    return root


BAD = {
    "a cut .npz": (damaged_npz, {}, "it cannot be read"),
    "a cut .h5": (damaged_h5, {}, "it cannot be read"),
    "a cut recording": (damaged_recording, EVENT_OPTIONS, "no whole number of events of 5 bytes"),
    "a cut first recording": (damaged_first, EVENT_OPTIONS, "000.npy: it cannot be read"),
    "pickled objects": (objects, {}, "save it again without objects"),
    "no labels": (saved(frames=ALL_FRAMES), {}, "it holds no labels"),
    "too few labels": (saved(frames=ALL_FRAMES, labels=LABELS[:-1]), {}, "30 samples and 29"),
    "labels of fractions": (saved(frames=ALL_FRAMES, labels=LABELS + 0.5), {}, "class number"),
    "NaN": (saved(frames=np.full((4, 2, 3), np.nan), labels=[0, 1, 0, 1]), {}, "NaN"),
    "a strange shape": (saved(frames=np.zeros((4, 2, 3, 3)), labels=[0, 1, 0, 1]), {}, "shape"),
    "strange names": (saved(a=1, b=2), {}, "it holds a, b; name the arrays"),
    "no sensor size": (by_class(".npy", own_data.write_npy), OPTIONS, "pass --sensor-size"),
    "events outside": (
        by_class(".npy", own_data.write_npy), {**OPTIONS, "sensor_size": (5, 10, 2)}, "outside"
    ),
    "two sensors": (two_sizes, OPTIONS, "001.npz: its sensor is (9, 9, 2)"),
    "an empty class": (empty_class, {}, "no recordings in its folders a"),
    "strange parts": (mixed_parts, {}, "are not a training and a test part"),
    "other steps": (
        own_data.npz_frames, {"time_steps": 4},
        "have 6 steps, not 4; train with --time-steps 6, or give a trained network data of 4 steps"
    ),
    "labels beside those of the parts": (
        saved(x_train=ALL_FRAMES, y_train=LABELS, x_test=ALL_FRAMES, y_test=LABELS),
        {"labels": __file__}, "would not be used; leave --labels out"
    ),
    "events whose only y is a place": (
        saved(t=[1, 2], x=[0, 0], y=[0, 1], p=[0, 0], offsets=[0, 1, 2]), {},
        "it holds no labels; put an array 'labels' into it, or name a file with --labels"
    ),
    "a framing of frames": (own_data.npz_frames, {"framing": "count"}, "leave both out"),
    "an unknown split": (own_data.npz_frames, {"split": "standard"}, "valid: random"),
    "a data root": (own_data.npz_frames, {"data_root": "x"}, "data_root is for data sets by name"),
    "labels of a folder": (
        by_class(".npy", own_data.write_npy), {"labels": "x.npy", **EVENT_OPTIONS}, "leave --labels"
    ),
    "falling offsets": (
        saved(t=[1, 2], x=[0, 0], y=[0, 0], p=[0, 0], offsets=[0, 2, 1], labels=[0, 1]), {},
        "offsets must rise"
    ),
    "columns of two lengths": (
        saved(t=[1, 2], x=[0], y=[0, 0], p=[0, 0], offsets=[0, 1, 2], labels=[0, 1]), {},
        "not columns of the same events"
    ),
    "one part lacks": (
        saved(frames=ALL_FRAMES[:3], labels=LABELS[:3]), {}, "no samples for test"
    ),
    ".dat without its reader": (by_class(".dat", own_data.write_dat), OPTIONS, "pip install exp"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_what_is_damaged_or_unclear_is_one_line_with_a_remedy(case, tmp_path, monkeypatch):
    make, options, text = BAD[case]
    monkeypatch.setitem(sys.modules, "expelliarmus", None)
    path = make(tmp_path)
    with pytest.raises(ValueError, match=re.escape(text)) as error:
        load_dataset(str(path), cache_dir=tmp_path / "cache", **options)
    assert "\n" not in str(error.value)
    assert "/" in str(error.value)  # the file or folder is named


def test_what_is_not_there_says_so():
    with pytest.raises(FileNotFoundError, match="does not exist; name a file"):
        load_dataset("nowhere/frames.npz")
    with pytest.raises(ValueError, match="'nowhere' is unknown; valid: digits-dvs"):
        load_dataset("nowhere")


def test_counts_and_smaller_maps_of_events(tmp_path):
    path = own_data.npz_events(tmp_path)
    options = {"cache_dir": tmp_path / "cache", "time_steps": STEPS}
    counts, _ = load_dataset(str(path), binary=False, **options)
    assert counts.frames.reshape(len(counts), -1).sum(axis=1).tolist() == [120] * len(counts)
    small, _ = load_dataset(str(path), size=5, **options)
    assert small.frames.shape[2:] == (2, 5, 5)
