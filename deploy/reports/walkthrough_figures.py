"""Figures of the walkthroughs: training, and what each phase of a schedule does.

As in `onchip.deploy.reports.figures`, every function takes plain arrays and a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, ON, save_figure


class Course(NamedTuple):
    """A quantity after each Lava step, [steps], with its unit."""

    values: np.ndarray
    unit: str


def draw_training(
    path: Path, history: Sequence[Mapping[str, float]], chance: float, title: str
) -> None:
    """Loss and accuracies by epoch: entries as in `onchip.models.TrainingResult.history`.

    `chance` is the accuracy of guessing, in [0, 1]. Without losses the accuracies are drawn alone.
    """
    figure = Figure(figsize=(9, 3.8), layout="constrained")
    *others, right = figure.subplots(1, 2 if "loss" in history[0] else 1, squeeze=False)[0]
    epochs = [entry["epoch"] for entry in history]
    for left in others:
        left.plot(epochs, [entry["loss"] for entry in history], "o-", color=ACCENT)
        left.set_ylabel("loss of a sample, summed over its steps")
        left.set_ylim(bottom=0)
    for name, color, width in (("train", GRAY, 4.0), ("test", ACCENT, 1.5)):
        values = [100 * entry[f"{name}_accuracy"] for entry in history]
        right.plot(epochs, values, "o-", color=color, linewidth=width, label=f"{name} samples")
    right.axhline(100 * chance, color=ON, linestyle="--", label="guessing")
    right.set_ylabel("accuracy (%)")
    right.set_ylim(0, 102)
    right.legend(fontsize=9)
    for axis in (*others, right):
        axis.set_xlabel("epoch")
        axis.xaxis.set_major_locator(MaxNLocator(integer=True))
        axis.grid(alpha=0.25)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def draw_phases(
    path: Path,
    timetable: Mapping[str, np.ndarray],
    courses: Mapping[str, Course],
    period: int,
    title: str,
) -> None:
    """Lava step by Lava step: who acts when, and what that does to single variables.

    `timetable`: who -> bool [steps], whether it acts in the step; `courses`: a panel each, values
    after the step; `period` Lava steps, one algorithmic step, are set off by lines.
    """
    panels = len(courses) + 1
    figure = Figure(figsize=(9, 1.5 * len(courses) + 0.35 * len(timetable) + 1.2))
    figure.set_layout_engine("constrained")
    ratios = [0.28 * len(timetable), *[1.0] * len(courses)]
    axes = figure.subplots(panels, 1, sharex=True, height_ratios=ratios)
    steps = len(next(iter(timetable.values())))
    _draw_timetable(axes[0], timetable)
    for axis, (name, course) in zip(axes[1:], courses.items(), strict=True):
        axis.step(np.arange(1, steps + 1), course.values, "o-", where="post", color=ACCENT, ms=4)
        axis.set_title(name, fontsize=9, loc="left")
        axis.set_ylabel(course.unit, fontsize=9)
        axis.margins(y=0.15)
    for axis in axes:
        for edge in range(0, steps + 1, period):
            axis.axvline(edge + 0.5, color=GRAY, linewidth=0.8, linestyle="--")
    axes[-1].set_xlim(0.4, steps + 0.6)
    axes[-1].set_xticks(range(1, steps + 1))
    axes[-1].set_xlabel(f"Lava time step; dashed lines part algorithmic steps of {period}")
    figure.align_ylabels(axes[1:])
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _draw_timetable(axis: Any, timetable: Mapping[str, np.ndarray]) -> None:
    for row, acts in enumerate(timetable.values()):
        places = np.flatnonzero(acts)
        axis.barh(np.full(len(places), row), 1, left=places + 0.5, height=0.7, color=FIXED)
    axis.set_yticks(range(len(timetable)), list(timetable), fontsize=9)
    axis.set_ylim(len(timetable) - 0.5, -0.5)
    axis.set_title("who acts in which step", fontsize=9, loc="left")
