"""Data of one's own by the command line: trained on, remembered, evaluated, learned from, shown."""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import types
from pathlib import Path

import numpy as np
import own_data
import pytest
from nir_cases import CASES
from own_data import LABELS, SIZE, by_class

from onchip import with_learning
from onchip.deploy import load_spec, save_spec
from onchip.deploy.cli import main
from onchip.deploy.cli.own_data import own_data as remembered

SENSOR = ",".join(map(str, SIZE))
TRAIN = ["train", "--model", "mlp", "--hidden", "24", "--epochs", "6", "--batch-size", "6"]

FORMS = {
    "npz of frames": (own_data.npz_frames, []),
    "npy of frames": (own_data.npy_frames, []),
    "h5 of frames": (own_data.h5_frames, []),
    "npz of events": (own_data.npz_events, ["--time-steps", "6"]),
    "h5 of events": (own_data.h5_events, ["--time-steps", "6"]),
    "folder of .npy": (
        by_class(".npy", own_data.write_npy), ["--time-steps", "6", "--sensor-size", SENSOR]
    ),
    "folder of .npz": (by_class(".npz", own_data.write_npz, parts=True), ["--time-steps", "6"]),
    "folder of .h5": (by_class(".h5", own_data.write_h5), ["--time-steps", "6"]),
    "folder of .bin": (by_class(".bin", own_data.write_nmnist), ["--time-steps", "6"]),
    "folder of .aedat4": (
        # events in a corner of a large sensor: turned about its middle, they would leave it
        by_class(".aedat4", own_data.write_aedat4),
        ["--scaled-start", "--max-rotation", "0", "--max-zoom", "0", "--time-steps", "6"],
    ),
    "folder of .dat": (by_class(".dat", own_data.write_dat), ["--time-steps", "6"]),
}  # fmt: skip


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))


def run(*words):
    assert main([str(word) for word in words]) == 0


def complaint(capsys, *words):
    capsys.readouterr()
    try:
        code = main([str(word) for word in words])
    except SystemExit as stop:
        code = stop.code
    error = capsys.readouterr().err
    assert code == 2
    lines = [line for line in error.splitlines() if line.startswith("onchip: error: ")]
    assert len(lines) == 1, error
    return lines[0]


@pytest.fixture
def trained(tmp_path):
    """A network file of a network that was trained on frames of one's own."""
    path = own_data.npz_frames(tmp_path)
    run(*TRAIN, "--dataset", path, "--out", tmp_path / "c.pt", "--seed", 4)
    run("export", tmp_path / "c.pt", "--out", tmp_path / "net.h5", "--learning-rate", 0.01)
    return tmp_path / "net.h5"


@pytest.fixture
def expelliarmus(monkeypatch):
    """The package's one function, reading .dat by its published layout."""
    package = types.ModuleType("expelliarmus")
    package.Wizard = lambda encoding: types.SimpleNamespace(read=own_data.read_dat)
    monkeypatch.setitem(sys.modules, "expelliarmus", package)


@pytest.mark.parametrize("form", FORMS)
def test_a_network_is_trained_on_every_form_and_evaluated_on_what_it_remembers(
    form, tmp_path, capsys, expelliarmus
):
    make, options = FORMS[form]
    path = make(tmp_path)
    run(*TRAIN, "--dataset", path, *options, "--out", tmp_path / "c.pt")
    results = tmp_path / "r.json"
    run("evaluate", tmp_path / "c.pt", "--json", results)
    found = json.loads(results.read_text())
    assert found["dataset"] == str(path)
    assert found["samples"] == 6
    assert found["accuracy"] >= 0.8  # each class has its own columns
    capsys.readouterr()
    run("datasets", path, *(o for o in options[-2:] if "--time-steps" not in options[-2:]))
    said = capsys.readouterr().out
    assert f"path     {path}" in said
    assert "samples  30" in said
    assert "classes  3: " in said


def test_the_network_file_remembers_path_and_digest(trained, tmp_path, capsys):
    metadata = load_spec(trained).metadata
    assert metadata["dataset"] == str(tmp_path / "frames.npz")
    assert len(metadata["data"]["digest"]) == 64
    assert metadata["framing"]["time_steps"] == 6
    np.savez(tmp_path / "frames.npz", Frames=1 - own_data.ALL_FRAMES, Labels=LABELS)
    said = complaint(capsys, "evaluate", trained)
    assert "its content is not what the network was trained with" in said
    run("evaluate", trained, "--dataset", tmp_path / "frames.npz")


def test_data_that_moved_are_named_again(trained, tmp_path, capsys):
    shutil.move(tmp_path / "frames.npz", tmp_path / "moved.npz")
    assert "does not exist; name a file" in complaint(capsys, "evaluate", trained)
    run("evaluate", trained, "--dataset", tmp_path / "moved.npz")


def test_a_network_learns_on_and_is_compared_with_its_own_data(trained, tmp_path, capsys):
    run("learn", trained, "--samples", 5, "--out", tmp_path / "learned.h5")
    assert load_spec(tmp_path / "learned.h5") != load_spec(trained)
    capsys.readouterr()
    run("parity", trained, "--samples", 1, "--executions", "torch,lava-fused-sequenced")
    assert "parity: passed" in capsys.readouterr().out


@pytest.fixture
def from_arrays(tmp_path):
    """A network file that remembers no data: it was made from arrays."""
    network = with_learning(CASES["chain"](np.random.default_rng(0)), learning_rate=0.05)
    from dataclasses import replace

    save_spec(tmp_path / "made.h5", replace(network, metadata={}))
    return tmp_path / "made.h5"


def test_a_network_from_arrays_runs_learns_and_is_compared_on_random_frames(
    from_arrays, tmp_path, capsys
):
    assert "random makes frames of its size" in complaint(capsys, "evaluate", from_arrays)
    run("evaluate", from_arrays, "--dataset", "random", "--json", tmp_path / "r.json")
    assert json.loads((tmp_path / "r.json").read_text())["samples"] == 50
    run("learn", from_arrays, "--dataset", "random", "--samples", 4, "--out", tmp_path / "l.h5")
    assert load_spec(tmp_path / "l.h5").layers != load_spec(from_arrays).layers
    capsys.readouterr()
    run("parity", from_arrays, "--dataset", "random", "--samples", 2, "--executions",
        "torch,lava-fused-sequenced")  # fmt: skip
    assert "parity: passed" in capsys.readouterr().out
    said = complaint(capsys, "train", "--dataset", "random", "--out", tmp_path / "x.pt")
    assert "name data to train one with" in said


def test_a_network_from_arrays_takes_given_frames(from_arrays, tmp_path, capsys):
    rng = np.random.default_rng(0)
    frames, labels = rng.integers(0, 2, (20, 8, 5)), np.arange(20) % 3
    np.savez(tmp_path / "rows.npz", frames=frames, labels=labels)
    run("evaluate", from_arrays, "--dataset", tmp_path / "rows.npz", "--part", "train")
    run("learn", from_arrays, "--dataset", tmp_path / "rows.npz", "--out", tmp_path / "l.h5")
    assert load_spec(tmp_path / "l.h5").layers != load_spec(from_arrays).layers
    np.savez(tmp_path / "rows.npz", frames=frames[:, :7], labels=labels)
    said = complaint(capsys, "evaluate", from_arrays, "--dataset", tmp_path / "rows.npz")
    assert "its frames have 7 steps, not 8" in said


def test_a_picture_shows_a_few_samples(tmp_path, capsys, drawn):
    path = own_data.npz_events(tmp_path)
    run("datasets", path, "--picture", tmp_path / "samples.png")
    assert (tmp_path / "samples.png").read_bytes().startswith(b"\x89PNG")
    (figure,) = drawn
    titles = [axis.get_title() for axis in figure.axes if axis.get_title()]
    assert titles == [f"events.npz[{i}] ({LABELS[i]})" for i in range(6)]
    said = capsys.readouterr().out
    sketch = said.split("events.npz[0] (0)\n")[1].split("\n\n")[0].split("\n")
    assert len(sketch) == SIZE[1]
    assert max(len(line) for line in sketch) == 4  # its class's columns alone


def cut(path):
    path.write_bytes(path.read_bytes()[:1500])
    return path


DAMAGED = {
    "frames.npz": lambda folder: cut(own_data.npz_frames(folder)),
    "frames.h5": lambda folder: cut(own_data.h5_frames(folder)),
    "000.bin": lambda folder: cut_recording(folder),
}


def cut_recording(folder):
    root = by_class(".bin", own_data.write_nmnist)(folder)
    (root / "c0" / "000.bin").write_bytes(b"1234567")
    return root


@pytest.mark.parametrize("name", DAMAGED)
@pytest.mark.parametrize("command", ["train", "datasets"])
def test_damaged_data_are_one_line_that_names_the_file(command, name, tmp_path, capsys):
    path = DAMAGED[name](tmp_path)
    train = ("train", "--dataset", path, "--out", tmp_path / "c.pt")
    said = complaint(capsys, *(train if command == "train" else ("datasets", path)))
    assert name in said
    assert not (tmp_path / "c.pt").exists()


def test_options_that_mean_nothing_are_refused(tmp_path, capsys):
    assert "--labels is for a path" in complaint(capsys, "datasets", "--labels", "x.npy")
    assert "use .png" in complaint(capsys, "datasets", tmp_path, "--picture", tmp_path / "a.svg")
    said = complaint(capsys, "datasets", tmp_path, "--sensor-size", "3")
    assert "must be WIDTH,HEIGHT,POLARITIES" in said
    said = complaint(capsys, "train", "--sensor-size", "3,4", "--out", tmp_path / "c.pt")
    assert "sensor_size is for data of your own" in said


def test_labels_that_a_network_remembers_and_never_used_are_forgotten() -> None:
    nothing = argparse.Namespace(labels=None, sensor_size=None, dataset=None)
    data = {"labels_file": "/a/labels.npy", "split": "standard", "digest": "d"}
    assert remembered(nothing, {"data": data}, True)["labels"] is None
    random = remembered(nothing, {"data": {**data, "split": "random"}}, True)
    assert random["labels"] == Path("/a/labels.npy")
