"""The rules' benchmark goes on where it was stopped, and its table says what the file says."""

from __future__ import annotations

import json
import runpy
from pathlib import Path
from typing import Any

import pytest

BENCHMARKS = Path(__file__).parents[1] / "benchmarks"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Its names, with rows that are made up in no time and counted."""
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = runpy.run_path(str(BENCHMARKS / "bench_rules.py"))
    scope, played = names["measure"].__globals__, []

    def play(name: str, seed: int, kept: Path) -> dict[str, Any]:
        if (name, seed) == scope.get("fails_at"):
            raise KeyboardInterrupt
        played.append((name, seed))
        return {"offline": 0.9 + seed / 100, "float.recovery": 0.5}

    monkeypatch.setitem(scope, "play", play)
    return {"scope": scope, "played": played, "measure": names["measure"]}


def test_rows_are_kept_as_they_come_and_are_not_measured_again(benchmark, tmp_path, monkeypatch):
    out, scope, played = tmp_path / "rules.json", benchmark["scope"], benchmark["played"]
    wanted = ([1, 2], ["ottt", "erbp"], tmp_path)
    scope["fails_at"] = ("ottt", 2)
    with pytest.raises(KeyboardInterrupt):
        benchmark["measure"](out, *wanted)
    rows = json.loads(out.read_text())["rows"]
    assert [(row["rule"], row["seed"]) for row in rows] == played == [("ottt", 1), ("erbp", 1)]
    scope.pop("fails_at")
    benchmark["measure"](out, *wanted)
    assert played[2:] == [("ottt", 2), ("erbp", 2)]
    benchmark["measure"](out, *wanted)
    assert len(played) == 4
    monkeypatch.setitem(scope["SHARES"], "erbp", 0.25)
    benchmark["measure"](out, *wanted)
    assert played[4:] == [("erbp", 1), ("erbp", 2)]
    rows = json.loads(out.read_text())["rows"]
    assert len(rows) == 4 and rows[-1]["share"] == 0.25


def test_the_table_has_each_rules_mean_and_leaves_out_what_was_not_measured(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    names = runpy.run_path(str(BENCHMARKS / "rules_tables.py"))
    rows = [{"rule": "ottt", "seed": s, "offline": a} for s, a in ((1, 0.9), (2, 0.96))]
    made = {"settings": {"samples": 600}, "rows": rows}
    monkeypatch.setitem(names["rules"].__globals__, "results", lambda name: made)
    text = names["rules"]()
    assert "2 seeds" in text and "600 samples" in text
    (line,) = [line for line in text.splitlines() if "through the layers" in line]
    assert line.startswith("| `ottt`, error through the layers | 93.0 ± 3.0 % |  |")
