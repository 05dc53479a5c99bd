"""The training programs take data of one's own with the options that those need."""

from __future__ import annotations

import numpy as np
import own_data
import pytest
from own_data import LABELS, SIZE, by_class

from onchip.deploy.cli import main as onchip
from onchip.models import load_checkpoint
from onchip.models.cli.command_line import main as train
from onchip.models.tdbn.command_line import main as train_tdbn

SENSOR = ",".join(map(str, SIZE))
SMALL = ["--model", "mlp", "--hidden", "8", "--epochs", "1", "--batch-size", "6", "--seed", "4"]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))


def test_python_m_onchip_models_trains_on_events_and_labels_as_onchip_train_does(tmp_path):
    events = by_class(".npy", own_data.write_npy)(tmp_path)
    np.save(tmp_path / "x.npy", own_data.ALL_FRAMES)
    (tmp_path / "words.txt").write_text("\n".join("abc"[label] for label in LABELS))
    cases = {
        "events": ["--dataset", str(events), "--sensor-size", SENSOR, "--time-steps", "6"],
        "labels": ["--dataset", str(tmp_path / "x.npy"), "--labels", str(tmp_path / "words.txt")],
    }
    for name, words in cases.items():
        files = [str(tmp_path / f"{name}{n}.pt") for n in range(2)]
        assert train([*SMALL, *words, "--out", files[0]]) == 0
        assert onchip(["train", *SMALL, *words, "--out", files[1]]) == 0
        ours, theirs = map(load_checkpoint, files)
        for key, values in theirs.model.items():
            np.testing.assert_array_equal(ours.model[key], values, strict=True)
        assert ours.metadata["data"] == theirs.metadata["data"]


@pytest.mark.parametrize("program", [train, train_tdbn])
def test_the_options_are_refused_in_one_line_for_data_of_the_table(program, tmp_path, capsys):
    out = ["--out", str(tmp_path / "x.pt")]
    assert program(["--sensor-size", "3,4,2", *out]) == 2
    said = capsys.readouterr().err
    assert "sensor_size is for data of your own" in said and len(said.splitlines()) == 1
    with pytest.raises(SystemExit):
        program(["--sensor-size", "3", *out])
    assert "3 must be WIDTH,HEIGHT,POLARITIES, like 34,34,2" in capsys.readouterr().err
