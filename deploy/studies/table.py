"""What came of a study as tables: one of its runs, one of means over their seeds."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any, NamedTuple

from onchip.deploy.reports.table import aligned
from onchip.deploy.studies.running import Run
from onchip.deploy.studies.study import Study
from onchip.files.writing import write_csv, write_text

RUNS, TABLE, TEXT = "runs.csv", "table.csv", "table.md"
"""Files in the folder of a study."""


class Figure(NamedTuple):
    """Mean and spread (population standard deviation) over the runs of a row; None without any."""

    mean: float
    spread: float


class Row(NamedTuple):
    """Runs that differ in their seeds alone: how many, how many failed, each measure's figure."""

    settings: Mapping[str, Any]
    runs: int
    failed: int
    figures: Mapping[str, Figure]


def summarize(study: Study, runs: Sequence[Run]) -> list[Row]:
    """Return the rows of the table, in the order of their settings.

    A run counts once in a row, however many settings name it, as two names of one file do.
    """
    groups: dict[str, dict[str, Run]] = {}
    for run in runs:
        shown = {name: run.settings[name] for name in study.shown}
        groups.setdefault(json.dumps(shown), {}).setdefault(run.digest, run)
    return [_row(study, json.loads(shown), [*group.values()]) for shown, group in groups.items()]


def write_tables(study: Study, runs: Sequence[Run], folder: Path) -> str:
    """Write runs.csv, table.csv and table.md; returns the text of the last."""
    columns = ["run", *study.varied, *study.measure, "failure"]
    write_csv(folder / RUNS, columns, map(_run_entries, runs))
    rows = summarize(study, runs)
    names = [f"{name} {what}" for name in study.measure for what in ("mean", "spread")]
    write_csv(folder / TABLE, [*study.shown, "runs", "failed", *names], map(_row_entries, rows))
    text = "\n".join([*_text_lines(study, rows), *_failures(runs)]) + "\n"
    write_text(folder / TEXT, text)
    return text


def setting_text(value: Any) -> str:
    """A setting as a table shows it."""
    return value if isinstance(value, str) else json.dumps(value)


def _row(study: Study, settings: Mapping[str, Any], runs: Sequence[Run]) -> Row:
    done = [run for run in runs if run.error is None]
    figures = {}
    for name in study.measure if done else ():
        values = [run.values[name] for run in done]
        figures[name] = Figure(mean(values), pstdev(values))
    return Row(settings, len(runs), len(runs) - len(done), figures)


def _run_entries(run: Run) -> dict[str, Any]:
    shown = {name: setting_text(value) for name, value in run.settings.items()}
    return {"run": run.digest[:20], **shown, **run.values, "failure": run.error or ""}


def _row_entries(row: Row) -> dict[str, Any]:
    shown = {name: setting_text(value) for name, value in row.settings.items()}
    figures = {
        f"{name} {what}": value
        for name, figure in row.figures.items()
        for what, value in figure._asdict().items()
    }
    return {**shown, "runs": row.runs, "failed": row.failed, **figures}


def _text_lines(study: Study, rows: Sequence[Row]) -> list[str]:
    """The table in Markdown: mean and spread in one cell."""
    table = [[*study.shown, "runs", *study.measure]]
    for row in rows:
        done = row.runs - row.failed
        count = f"{done} of {row.runs}" if row.failed else str(row.runs)
        cells = [_figure_text(row.figures.get(name)) for name in study.measure]
        table.append([*(setting_text(row.settings[n]) for n in study.shown), count, *cells])
    return aligned(table)


def _figure_text(figure: Figure | None) -> str:
    return "" if figure is None else f"{figure.mean:.4g} ± {figure.spread:.2g}"


def _failures(runs: Sequence[Run]) -> list[str]:
    """A line for each run that failed."""
    failed = [run for run in runs if run.error is not None]
    lines = [f"- {run.digest[:20]} {settings_text(run.settings)}: {run.error}" for run in failed]
    return ["", f"{len(failed)} of {len(runs)} runs failed:", "", *lines] if failed else []


def settings_text(settings: Mapping[str, Any]) -> str:
    """Settings in one line."""
    return ", ".join(f"{name}={setting_text(value)}" for name, value in settings.items())
