"""Tables of FPTT with liquid time constants."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from table_text import mebibytes, results, table


def fptt_short() -> str:
    """The add task over 60 steps: cells and methods."""
    lines = [
        [settings["cell"], settings["method"], settings["target"],
         four_places(row["best_mean_loss"]), four_places(row["last_loss"]),
         f"{row['cpu_seconds']:.0f}"]
        for row in results("fptt")["short"]
        for settings in [row["settings"]]
    ]  # fmt: skip
    return table(["cell", "method", "target", "best mean", "last 100", "CPU seconds"], lines)


def fptt_long() -> str:
    """The add task over 200 to 1000 steps, seeds side by side."""
    runs = results("fptt_long")["runs"]
    groups: dict[tuple[int, str], list[dict[str, Any]]] = {}
    for row in runs:
        groups.setdefault((row["settings"]["steps"], row["method"]), []).append(row)
    lines = [
        [str(steps), method, f"{rows[0]['done']:,}", f"{rows[0]['updates']:,}",
         side_by_side(row["best_loss"] for row in rows),
         side_by_side(row["last_loss"] for row in rows),
         f"{max(row['cpu_seconds'] for row in rows):.0f}"]
        for (steps, method), rows in sorted(groups.items())
    ]  # fmt: skip
    heading = ["steps", "method", "batches", "updates", "best batch", "last 100", "CPU s, most"]
    return table(heading, lines)


def fptt_memory() -> str:
    """Peak memory of the tensors of a batch."""
    rows = results("fptt")["memory"]
    lengths = list(rows[0]["peak_bytes"])
    lines = [
        [row["method"], *(mebibytes(row["peak_bytes"][length]) for length in lengths),
         f"{row['longest_to_shortest']:.2f}"]
        for row in rows
    ]  # fmt: skip
    return table(["method", *(f"MiB, {length} steps" for length in lengths), "times"], lines)


def side_by_side(losses: Iterable[float]) -> str:
    """One loss a seed."""
    return ", ".join(four_places(loss) for loss in losses)


def four_places(loss: float) -> str:
    """A mean squared error."""
    return f"{loss:.4f}"
