"""The measurements in tests/benchmarks/results, and their numbers as Markdown."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent


def ratios(rows: Iterable[dict[str, Any]]) -> str:
    """Rows of a benchmark as a table."""
    lines = [
        [
            row["name"],
            row["baseline"],
            three_digits(row["ratio"]),
            milliseconds(row["seconds"]),
            milliseconds(row["baseline_seconds"]),
        ]
        for row in rows
    ]
    return table(["", "against", "times faster", "ms", "ms, baseline"], lines)


def milliseconds(seconds: float) -> str:
    """Seconds as milliseconds."""
    return three_digits(1000 * seconds)


def three_digits(value: float) -> str:
    """A number's first three digits, in full: 0.0123, 4.56, 789, 12,300."""
    rounded = float(f"{value:.3g}")
    return f"{rounded:,.0f}" if abs(rounded) >= 100 else f"{rounded:g}"


def results(name: str) -> Any:
    """The content of one measurement."""
    return json.loads((FOLDER / "results" / f"{name}.json").read_text())


def share(entry: dict[str, float]) -> str:
    """Mean and spread of a fraction, in per cent."""
    return f"{100 * entry['mean']:.1f} ± {100 * entry['spread']:.1f} %"


def mebibytes(count: float) -> str:
    """Bytes in MiB."""
    return f"{count / 2**20:.2f}"


def table(heading: list[str], lines: list[list[str]]) -> str:
    """A Markdown table."""
    rows = [heading, ["---"] * len(heading), *lines]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows)
