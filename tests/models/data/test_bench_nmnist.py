"""The benchmark on N-MNIST: what it writes, and that no path of the data is in it."""

from __future__ import annotations

import json
import runpy
import sys
from pathlib import Path

import pytest

from onchip.models import recommended_training

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "bench_nmnist.py"
SUMMARY = SCRIPT.parent / "results" / "nmnist.json"


@pytest.fixture
def script():
    """The benchmark with one small network and one epoch."""
    names = runpy.run_path(str(SCRIPT))
    known = names["main"].__globals__
    known["ARCHITECTURES"] = (("mlp", {"hidden": (9, 8)}, 20),)
    known["recommended_training"] = lambda *model, **changes: recommended_training(
        *model, **changes, epochs=1
    )
    return names["main"]


def test_it_writes_accuracies_and_rates_and_no_path(nmnist_tree, tmp_path, monkeypatch, script):
    nmnist_tree(train=2, test=1)
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "found.json"
    words = ["--data-root", str(tmp_path), "--seeds", "4", "5", "--out", str(out)]
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *words])
    script()
    content = json.loads(out.read_text())
    assert [run["seed"] for run in content["runs"]] == [4, 5]
    assert all(
        (run["train_samples"], run["test_samples"], len(run["accuracy_by_epoch"])) == (20, 10, 1)
        for run in content["runs"]
    )
    mean = sum(run["accuracy"] for run in content["runs"]) / 2
    assert content["summary"]["mean"] == pytest.approx(mean)
    (row,) = content["rates_at_the_start"]
    assert row["as_built"].keys() == row["scaled_start"].keys() == {"fc1", "fc2"}
    assert min(row["scaled_start"].values()) > max(row["as_built"]["fc2"], 0.001)
    assert str(tmp_path) not in out.read_text()


def test_without_a_folder_it_ends_as_where_nothing_can_be_measured(monkeypatch, script, capsys):
    monkeypatch.setattr(sys, "argv", [str(SCRIPT)])
    with pytest.raises(SystemExit) as caught:
        script()
    assert caught.value.code == 2 and "--data-root" in capsys.readouterr().err


def test_the_committed_figures_are_those_of_the_recommended_settings():
    content = json.loads(SUMMARY.read_text())
    settings = recommended_training("convnet", dataset="nmnist")
    assert content["settings"]["training"] == vars(settings)
    assert len(content["runs"]) == 3 and content["summary"]["mean"] >= 0.96
    assert {(run["train_samples"], run["test_samples"]) for run in content["runs"]} == {(200, 50)}
    networks = content["rates_at_the_start"]
    assert {row["model"] for row in networks} == {"mlp", "convnet", "vgg", "vggf", "resnet34"}
    for row in networks:
        assert all(0.01 <= rate <= 0.5 for rate in row["scaled_start"].values())
