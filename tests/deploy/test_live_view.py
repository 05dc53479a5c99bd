"""`onchip learn --live`: the view in a terminal of 80 columns, and without one."""

from __future__ import annotations

import json
import os
import re
import sys
from pathlib import Path

import numpy as np
import pytest
from terminal import run_in_terminal, screen

from onchip.deploy.cli import main
from onchip.deploy.cli.live_view import bar, course
from onchip.deploy.files.hdf5 import load_spec, save_spec

LEARN = ["learn", "network.h5", "--dataset", "random", "--samples", "30", "--limit", "40"]


@pytest.fixture
def workplace(dense, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    save_spec(tmp_path / "network.h5", dense)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_view_fits_a_terminal_and_tells_the_truth(workplace: Path, columns: int = 80) -> None:
    command = [sys.executable, "-m", "onchip.deploy.cli", *LEARN, "--live", "--json", "x.json"]
    command += ["--out", "learned.h5", "--log", "x.csv"]
    environment = {**os.environ, "TERM": "xterm-256color", "COLUMNS": ""}
    code, written = run_in_terminal(command, columns, 30, environment)
    assert code == 0, written
    left = screen(written, columns)
    top = next(i for i, line in enumerate(left) if line.startswith("╭─ network.h5 learns ─"))
    bottom = next(i for i, line in enumerate(left) if line.startswith("╰─"))
    assert [len(line) for line in left[top : bottom + 1]] == [columns] * (bottom + 1 - top)
    shown = {line[2:10].strip(): line[10:-1].strip() for line in left[top + 1 : bottom]}
    assert list(shown) == ["samples", "accuracy", "", "weights", "speed", "first", "second"]
    assert shown["samples"].endswith("█ 30 of 30")
    results = json.loads((workplace / "x.json").read_text())
    right = round(100 * results["accuracy_stream"], 1)
    assert shown["accuracy"] == f"{right:.1f}% of the last 30 samples, before learning"
    assert shown["weights"].startswith(changed(workplace))
    assert re.fullmatch(r"[\d,]+ steps a second", shown["speed"])
    assert re.fullmatch(r"[█▏▎▍▌▋▊▉·]{24} \d+\.\d% spike in a step", shown["first"])
    spikes = [row.split(",")[6] for row in (workplace / "x.csv").read_text().splitlines()[1:]]
    assert all(0 < float(value) < 1 for value in spikes)  # the log has them as well
    assert "\x1b[?25h" in written  # the cursor is there again


def changed(folder: Path) -> str:
    """By the two files: how many of the parameters that learn are others."""
    pairs = []
    for name in ("network.h5", "learned.h5"):
        layers = load_spec(folder / name).layers
        parts = ("weight", "bias", "recurrent_weight")
        found = [getattr(layer, part) for layer in layers for part in parts]
        pairs.append(np.concatenate([a.ravel() for a in found if a is not None]))
    return f"{(pairs[0] != pairs[1]).sum():,} of {pairs[0].size:,} changed, by "


def test_without_a_terminal_the_view_is_left_out_with_a_word(
    workplace: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*LEARN, "--live"]) == 0
    said = capsys.readouterr()
    assert "note: --live is left out: standard error is not a terminal" in said.err
    assert "╭" not in said.err + said.out


def test_without_rich_the_view_is_refused_before_the_work(
    workplace: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "rich.console", None)
    assert main([*LEARN, "--live"]) == 2
    assert "--live needs the package rich" in capsys.readouterr().err


def test_bars_and_courses_are_as_long_as_their_values() -> None:
    assert bar(0.0, 4) == "····" and bar(1.0, 4) == bar(7.0, 4) == "████"
    assert bar(0.5, 4) == "██··" and bar(0.53125, 4) == "██▏·" and bar(0.97, 1) == "█"
    assert course([], 5) == "" and course([0.0, 0.5, 1.0], 5) == " ▄█"
    values = [i / 99 for i in range(100)]
    assert course(values, 10) == "".join(" ▁▂▃▄▅▆▇█"[round(8 * v)] for v in values[9::10])
