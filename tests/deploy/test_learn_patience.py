"""`onchip learn --patience` ends the stream where its accuracy has not risen, resumed or not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec, with_learning
from onchip.deploy import build, load_spec, save_spec
from onchip.deploy.backends.execution import Execution
from onchip.deploy.cli import main

PATIENCE, WINDOW, SAMPLES = 12, 100, 190


@pytest.fixture
def folder(tmp_path: Path, rng: np.random.Generator, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a network and data of one's own without a pattern."""
    monkeypatch.setenv("ONCHIP_CACHE", str(tmp_path / "cache"))
    layers = (
        DenseSpec("hidden", rng.normal(0, 0.6, (6, 8)), LIF()),
        DenseSpec("readout", rng.normal(0, 0.6, (3, 6)), LeakyIntegrator()),
    )
    spec = NetworkSpec(layers, (1, 2, 4), 3)
    save_spec(tmp_path / "n.h5", with_learning(spec, learning_rate=0.05, feedback="symmetric"))
    frames = (rng.random((260, 3, 1, 2, 4)) < 0.4).astype(np.uint8)
    np.savez(tmp_path / "own.npz", frames=frames, labels=np.arange(260) % 3)
    return tmp_path


def command(folder: Path, out: str, *more: str) -> list[str]:
    files = [str(folder / "n.h5"), "--dataset", str(folder / "own.npz"), "--out", str(folder / out)]
    options = ["--samples", str(SAMPLES), "--seed", "3", "--json", str(folder / f"{out}.json")]
    return ["learn", *files, *options, "--patience", str(PATIENCE), *more]


def learned_by_hand(folder: Path, samples: int, out: str) -> tuple[list[bool], Any]:
    """(whether each sample was right before it was learned from, the network after `samples`)."""
    from onchip.deploy.cli.data import take
    from onchip.models import load_dataset

    train_set, _ = load_dataset(str(folder / "own.npz"), time_steps=3, seed=3)
    frames, labels = take(train_set, SAMPLES, np.random.default_rng(3))
    right = []
    with build(load_spec(folder / "n.h5"), "numpy") as network:
        for frame, label in zip(frames[:samples], labels[:samples], strict=True):
            right.append(bool(network.run(frame[None]).predictions[0] == label))
            network.learn(frame[None], np.array([label]))
        return right, network.snapshot()


def test_the_stream_ends_where_a_plain_count_says_and_so_does_a_resumed_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys
) -> None:
    assert main(command(folder, "whole.h5")) == 0
    result = json.loads((folder / "whole.h5.json").read_text())
    assert result["stopped"] and WINDOW + PATIENCE <= result["samples"] < SAMPLES
    right, network = learned_by_hand(folder, result["samples"], "whole.h5")
    assert result["accuracy_stream"] == np.mean(right)
    best, waited, end = -1.0, 0, None
    for n in range(WINDOW, len(right) + 1):
        accuracy = sum(right[n - WINDOW : n]) / WINDOW
        waited = 0 if accuracy > best else waited + 1
        best = max(best, accuracy)
        if waited >= PATIENCE and end is None:
            end = n
    assert end == result["samples"]
    learned = load_spec(folder / "whole.h5")
    for ours, theirs in zip(learned.layers, network.layers, strict=True):
        np.testing.assert_array_equal(ours.weight, theirs.weight)
    honest, calls = Execution.learn, []

    def interrupted(*arguments: Any) -> Any:
        calls.append(1)
        if len(calls) > end - 5:
            raise KeyboardInterrupt
        return honest(*arguments)

    monkeypatch.setattr(Execution, "learn", interrupted)
    assert main(command(folder, "part.h5", "--keep-every", "50")) == 130
    monkeypatch.setattr(Execution, "learn", honest)
    assert f"learned from {(end - 5) // 50 * 50} of" in capsys.readouterr().err
    assert main(command(folder, "part.h5", "--resume")) == 0
    assert json.loads((folder / "part.h5.json").read_text())["samples"] == end
    assert load_spec(folder / "part.h5").layers == learned.layers


def test_a_stream_that_goes_on_rising_is_learned_from_to_its_end(folder: Path) -> None:
    assert main([*command(folder, "short.h5"), "--samples", "100"]) == 0
    result = json.loads((folder / "short.h5.json").read_text())
    assert (result["samples"], result["stopped"]) == (100, False)
