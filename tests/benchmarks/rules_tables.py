"""The table of the family of rules on digits-dvs: offline, and online after drift."""

from __future__ import annotations

from statistics import mean, pstdev
from typing import Any

from table_text import results, share, table

NAMES = {
    "ottt": "`ottt`, error through the layers",
    "dfa": "`ottt`, direct random feedback",
    "decolle": "`decolle`",
    "erbp": "`erbp`",
    "readout": "the readout alone, by `ottt`",
}
"""Row of the measurement -> its words here."""

COLUMNS = {
    "offline": "trained offline",
    "float.drifted": "drifted sensor, before",
    "float.recovered": "after learning in Lava",
    "float.original_after": "original sensor, after it",
    "float.recovery": "recovery",
    "fixed.recovery": "recovery in integers",
    "late.recovery": "a step late",
}


def rules() -> str:
    """Accuracies and recovery of each rule, mean and spread of the seeds."""
    rows = results("rules")["rows"]
    lines = [[NAMES[name], *(_cell(rows, name, key) for key in COLUMNS)] for name in NAMES]
    seeds = len({row["seed"] for row in rows})
    samples = results("rules")["settings"]["samples"]
    return (
        f"The family of rules on digits-dvs (mlp, 256 hidden neurons, random split, {seeds} "
        f"seeds): trained offline by each, then learning online by it from {samples} samples of "
        "the drifted sensor, in one pass:\n\n" + table(["rule", *COLUMNS.values()], lines)
    )


def _cell(rows: list[dict[str, Any]], name: str, key: str) -> str:
    found = [row[key] for row in rows if row["rule"] == name and key in row]
    return share({"mean": mean(found), "spread": pstdev(found)}) if found else ""
