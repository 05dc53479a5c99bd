"""Figures of a study: each measure against each setting that varied."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean, pstdev
from typing import Any

from matplotlib.figure import Figure

from onchip.deploy.reports.figures import ACCENT, GRAY, save_figure
from onchip.deploy.studies.running import Run
from onchip.deploy.studies.study import Study
from onchip.deploy.studies.table import setting_text

LOGARITHMIC = 20
"""An axis is logarithmic from this ratio of its largest to its smallest value on."""

LINES = 6
"""Lines are told apart where at most so many values of the other settings make them."""

ASIDE = 0.07
"""By how much the lines of an axis of names stand beside each other, so that all are seen."""

SERIES = (ACCENT, "#d98200", "#2e7d32", "#7a3b8f", "#b3261e", "#00696b")
MARKS = ("o", "s", "^", "D", "v", "P")


def draw_measures(study: Study, runs: Sequence[Run], folder: Path) -> list[Path]:
    """Write MEASURE.png for each measure of a study: a panel for each setting that varied.

    A panel shows every run, and mean and spread over the runs of a value; lines are told apart by
    the other settings where they are few. Returns the files; none where no run was done.
    """
    done = [run for run in runs if run.error is None]
    settings = study.shown or study.varied
    if not done or not settings:
        return []
    return [_draw(study, name, settings, done, folder) for name in study.measure]


def _draw(
    study: Study, measure: str, settings: Sequence[str], runs: Sequence[Run], folder: Path
) -> Path:
    figure = Figure(figsize=(4.6 * len(settings) + 0.6, 4), layout="constrained")
    axes = figure.subplots(1, len(settings), sharey=True, squeeze=False)[0]
    for axis, setting in zip(axes, settings, strict=True):
        others = [name for name in study.shown if name != setting]
        _panel(axis, setting, measure, _groups(runs, others))
    axes[0].set_ylabel(measure)
    averaged = [name for name in study.varied if name not in study.shown]
    over = f"; bars: standard deviation over {', '.join(averaged)}" if averaged else ""
    figure.suptitle(f"{measure}: {len(runs)} runs{over}", fontsize=10)
    path = folder / f"{re.sub(r'[^A-Za-z0-9._-]', '-', measure)}.png"
    save_figure(figure, path)
    return path


def _groups(runs: Sequence[Run], others: Sequence[str]) -> Mapping[str, list[Run]]:
    """Runs by the values of the other settings; all in one where those are too many."""
    groups: dict[str, list[Run]] = {}
    for run in runs:
        label = ", ".join(f"{name} {setting_text(run.settings[name])}" for name in others)
        groups.setdefault(label, []).append(run)
    return groups if len(groups) <= LINES else {"": list(runs)}


def _panel(axis: Any, setting: str, measure: str, groups: Mapping[str, list[Run]]) -> None:
    values = _values(setting, [run for group in groups.values() for run in group])
    numeric = all(_is_number(value) for value in values)
    for number, (label, runs) in enumerate(groups.items()):
        aside = 0 if numeric else ASIDE * (number - (len(groups) - 1) / 2)
        places = {setting_text(v): v if numeric else i + aside for i, v in enumerate(values)}
        _line(axis, setting, measure, runs, places, label, number)
    axis.set_xlabel(setting)
    axis.grid(color="#e4e4e4", linewidth=0.6)
    axis.set_axisbelow(True)
    if numeric and values[0] > 0 and values[-1] >= LOGARITHMIC * values[0]:
        axis.set_xscale("log")
    elif not numeric:
        axis.set_xticks(range(len(values)), [setting_text(value) for value in values])
        axis.set_xlim(-0.5, len(values) - 0.5)
    if any(groups):
        axis.legend(fontsize=7)


def _line(
    axis: Any,
    setting: str,
    measure: str,
    runs: Sequence[Run],
    places: Mapping[str, Any],
    label: str,
    number: int,
) -> None:
    """The runs as dots, and their means with the spread; later lines have smaller marks."""
    color = SERIES[number]
    found: dict[str, list[float]] = {text: [] for text in places}
    for run in runs:
        found[setting_text(run.settings[setting])].append(run.values[measure])
    found = {text: values for text, values in found.items() if values}
    x = [places[text] for text in found]
    dots = [(places[text], value) for text, values in found.items() for value in values]
    axis.scatter(*zip(*dots, strict=True), s=10, color=color if label else GRAY, alpha=0.5)
    axis.errorbar(
        x,
        [mean(values) for values in found.values()],
        [pstdev(values) for values in found.values()],
        color=color,
        marker=MARKS[number],
        markersize=8 - number,
        linewidth=2.2 - 0.3 * number,
        capsize=3,
        label=label or None,
    )


def _values(setting: str, runs: Sequence[Run]) -> list[Any]:
    """The values of a setting: numbers in their order, others as they come."""
    found = list({setting_text(r.settings[setting]): r.settings[setting] for r in runs}.values())
    return sorted(found) if all(_is_number(value) for value in found) else found


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
