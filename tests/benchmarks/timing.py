"""Times two ways of doing the same in one run and writes what one takes relative to the other."""

from __future__ import annotations

import json
import platform
import time
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from onchip.files.writing import write_text

RESULTS = Path(__file__).parent / "results"


class Row(NamedTuple):
    """`ratio` = `baseline_seconds` / `seconds`: how many times faster `name` is than `baseline`."""

    name: str
    baseline: str
    ratio: float
    seconds: float
    baseline_seconds: float


def compare(
    name: str,
    run: Callable[[], Any],
    baseline: str,
    run_baseline: Callable[[], Any],
    *,
    repeats: int = 30,
    warm_up: int = 3,
    per: int = 1,
    baseline_per: int | None = None,
    clock: Callable[[], float] = time.perf_counter,
) -> Row:
    """Median seconds of both, measured in turn so that a noisy machine hits both alike.

    A call of `run` does `per` units of work, one of `run_baseline` `baseline_per` (the same); the
    seconds are of one unit, by `clock`: wall time, or CPU time by time.process_time.
    """
    for _ in range(warm_up):
        run()
        run_baseline()
    ours, theirs = zip(
        *((timed(run, clock), timed(run_baseline, clock)) for _ in range(repeats)), strict=True
    )
    ours_each, theirs_each = np.median(ours) / per, np.median(theirs) / (baseline_per or per)
    return row(name, baseline, float(ours_each), float(theirs_each))


def row(name: str, baseline: str, seconds: float, baseline_seconds: float) -> Row:
    """A row of two measured times, printed as it is made."""
    made = Row(name, baseline, baseline_seconds / seconds, seconds, baseline_seconds)
    print(f"{name}: {made.ratio:.2f} x {baseline} ({seconds:.3e} s, {baseline_seconds:.3e} s)")
    return made


def timed(run: Callable[[], Any], clock: Callable[[], float] = time.perf_counter) -> float:
    """Seconds that one call takes, by `clock`."""
    started = clock()
    run()
    return clock() - started


def write_rows(path: Path, rows: list[Row], **facts: Any) -> None:
    """The rows as JSON with the machine, the versions and whatever else a reader must know."""
    content = {
        "machine": {"processor": platform.machine(), "system": platform.system()},
        "versions": {name: version(name) for name in ("onchip", "numpy", "lava-nc")},
        **facts,
        "rows": [made._asdict() for made in rows],
    }
    text = json.dumps(content, indent=1) + "\n"
    write_text(path, text)
