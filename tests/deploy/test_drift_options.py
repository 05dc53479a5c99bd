"""`--drift SHARE` is as much of the drift as it says, on every command that takes `--drifted`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onchip import DenseSpec, LeakyIntegrator, NetworkSpec, with_learning
from onchip.deploy import save_spec
from onchip.deploy.cli import main
from onchip.models.data import FrameDataset, SensorConfig


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch, rng: np.random.Generator) -> list[Any]:
    """The sensors that commands asked digits-dvs for; it has six samples of noise."""
    frames = (rng.random((6, 2, 2, 3, 3)) < 0.3).astype(np.uint8)
    sensors: list[Any] = []

    def load(name: str, **options: Any) -> tuple[FrameDataset, FrameDataset]:
        sensors.append(options["sensor"])
        parts = ("random:train", "random:test")
        return tuple(FrameDataset(name, part, frames, np.arange(6) % 3, 3) for part in parts)

    monkeypatch.setattr("onchip.models.data.load_dataset", load)
    return sensors


@pytest.mark.parametrize("command", ["learn", "evaluate", "run", "cost"])
def test_the_drift_is_none_all_of_it_or_the_share_that_is_named(
    command: str, asked: list[Any], tmp_path: Path, rng: np.random.Generator
) -> None:
    layer = DenseSpec("readout", rng.normal(size=(3, 18)), LeakyIntegrator())
    spec = NetworkSpec((layer,), (2, 3, 3), 2, metadata={"dataset": "digits-dvs"})
    save_spec(tmp_path / "n.h5", with_learning(spec, learning_rate=0.1))
    words = [command, str(tmp_path / "n.h5"), "--json", str(tmp_path / "r.json")]
    words += ["--samples", "3"]
    cases = {"": 0.0, "--drifted": 1.0, "--drift 0.5": 0.5, "--drifted --drift 2": 2.0}
    for options, share in cases.items():
        asked.clear()
        assert main([*words, *options.split()]) == 0
        assert asked == [SensorConfig().drifted(share) if share else None]
        results = json.loads((tmp_path / "r.json").read_text())
        assert command == "run" or (results["drift"], results["drifted"]) == (share, share > 0)


def test_a_drift_that_no_sensor_has_is_refused_in_one_line(asked, tmp_path: Path, capsys) -> None:
    spec = NetworkSpec(
        (DenseSpec("readout", np.ones((3, 18)), LeakyIntegrator()),),
        (2, 3, 3),
        2,
        metadata={"dataset": "digits-dvs"},
    )
    save_spec(tmp_path / "n.h5", spec)
    assert main(["evaluate", str(tmp_path / "n.h5"), "--drift", "5"]) == 2
    said = capsys.readouterr().err
    assert "sensor: drift is 5.0; it must lie in [0, 4]" in said and len(said.splitlines()) == 1


@pytest.mark.parametrize("command", ["learn", "evaluate", "run", "cost"])
def test_a_drifted_sensor_that_has_not_drifted_is_refused(
    command: str, asked: list[Any], tmp_path: Path, capsys
) -> None:
    layer = DenseSpec("readout", np.ones((3, 18)), LeakyIntegrator())
    spec = NetworkSpec((layer,), (2, 3, 3), 2, metadata={"dataset": "digits-dvs"})
    save_spec(tmp_path / "n.h5", with_learning(spec, learning_rate=0.1))
    words = [command, str(tmp_path / "n.h5"), "--samples", "3", "--drift", "0"]
    assert main([*words, "--drifted"]) == 2
    (said,) = capsys.readouterr().err.splitlines()
    assert said.endswith("--drift 0 for one that has not; leave one out") and not asked
    assert main(words) == 0 and asked == [None]
