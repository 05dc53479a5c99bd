"""Tables of learning by spike times."""

from __future__ import annotations

import statistics
from typing import Any

from table_text import results, table


def spike_times() -> str:
    """What is reached, with the weight-sum cost and without."""
    content = results("spike_times")
    xor = [run["solved_after"] for run in content["xor"]["runs"]]
    solved = [updates for updates in xor if updates is not None]
    seconds = [run["cpu_seconds"] for run in content["digits"]]
    lines = [
        ["XOR", f"{len(solved)} of {len(xor)} seeds solved",
         f"median {statistics.median(solved):g} updates, most {max(solved)}"],
        ["digits, random split", percents(content["digits"]),
         f"{min(seconds):.0f} to {max(seconds):.0f} CPU seconds"],
        ["digits without the weight-sum cost", percents(content["control"]),
         f"no output for {unanswered(content['control'])} of the samples"],
    ]  # fmt: skip
    return table(["task", "reached", ""], lines)


def percents(runs: list[dict[str, Any]]) -> str:
    """The test accuracy of each seed."""
    return ", ".join(f"{100 * run['accuracy']:.1f}" for run in runs) + " %"


def unanswered(runs: list[dict[str, Any]]) -> str:
    """The share without an output spike, of each seed."""
    return ", ".join(f"{100 * run['unanswered']:.0f}" for run in runs) + " %"


def spike_time_settings() -> str:
    """How many seeds of XOR other settings leave unsolved."""
    lines = [
        [row["name"], f"{len(row['unsolved'])} of {row['seeds']}", f"{row['median_updates']:g}"]
        for row in results("spike_times")["settings"]
    ]
    return table(["settings", "seeds unsolved", "median updates of the others"], lines)
