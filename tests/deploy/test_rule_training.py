"""`onchip train --rule`: a network trained offline by another rule, and what it does afterwards."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from onchip import Engine
from onchip.deploy.cli import main
from onchip.deploy.files.hdf5 import load_spec
from onchip.models.data import load_dataset

TRAIN = ["train", "--model", "mlp", "--hidden", "12,8", "--size", "8", "--time-steps", "4"]
TRAIN += ["--limit", "40", "--epochs", "2"]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("rules")
    options = ["--rule", "decolle", "--update", "online", "--json", str(folder / "train.json")]
    assert main([*TRAIN, *options, "--out", str(folder / "network.h5")]) == 0
    return folder


def test_the_file_holds_the_trained_network_with_its_local_readouts(trained: Path):
    values = json.loads((trained / "train.json").read_text())
    network = load_spec(trained / "network.h5")
    assert network.learning.feedback == "decolle" and network.learning.mode == "online"
    assert network.plastic_names == ("fc1", "fc2")
    assert network.readouts == ("fc1_readout", "readout")
    _, test_set = load_dataset("digits-dvs", size=8, time_steps=4, limit=40)
    outputs = Engine(network, np.float32).run(test_set.frames)
    share = float(np.mean(outputs.sum(1).argmax(1) == test_set.labels))
    assert values["accuracy"] == share and values["rule"] == "decolle"


@pytest.mark.parametrize("command", [["quantize"], []])
def test_it_learns_online_in_lava_in_floats_and_integers(trained: Path, command, capsys):
    file = str(trained / "network.h5")
    if command:
        assert main(["quantize", file, "--out", str(trained / "chip.h5")]) == 0
        file = str(trained / "chip.h5")
    out, made = str(trained / "learned.h5"), str(trained / "learn.json")
    learn = ["learn", file, "--samples", "3", "--limit", "20", "--out", out, "--json", made]
    assert main([*learn, "--backend", "lava-fast"]) == 0
    values = json.loads(Path(made).read_text())
    assert values["samples"] == 3
    before, after = load_spec(file), load_spec(out)
    moved = [
        name
        for name, a, b in zip(before.names, before.connections, after.connections, strict=True)
        if not np.array_equal(a.transform.weight, b.transform.weight)
    ]
    assert {name.split(".")[0] for name in moved} == {"fc1", "fc2"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rule", "hebb"], "rule 'hebb' is unknown; choose"),
        (["--rule", "superspike"], "rule 'superspike' is defined for SpikeTrains, not for labels"),
        (["--rule", "decolle", "--scaled-start"], "--scaled-start is for --rule ottt"),
        (["--rule", "decolle", "--method", "bptt"], "bptt is no learning rule"),
        (
            ["--method", "ottt_a", "--update", "online"],
            "--method ottt_a and --update online differ",
        ),
    ],
)
def test_what_does_not_fit_is_told_in_one_line(tmp_path, capsys, options, message):
    code = main([*TRAIN, *options, "--out", str(tmp_path / "n.h5")])
    lines = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert code == 2 and len(lines) == 1 and message in lines[0], lines
    assert not list(tmp_path.iterdir())
