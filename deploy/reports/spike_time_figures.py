"""A figure of networks whose neurons fire at most once.

As in `onchip.deploy.reports.figures`, the function takes plain values and a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, save_figure

COLORS = (GRAY, ACCENT, FIXED, "#2e7d32", "#7a3b8f")
"""Of the layers, inputs first; they repeat."""

COLUMNS = 2

Layers = Mapping[str, Sequence[float | None]]
"""Layer -> the time of each neuron's spike, infinity or None for "never"; inputs come first."""


def draw_spike_times(path: Path, patterns: Mapping[str, Layers], title: str) -> None:
    """When each neuron fires, a panel for each of `patterns` (title -> layers), a row a neuron.

    Times are in synaptic time constants. A line leads from the last layer's first spike to the
    axis; a cross at the right edge is a neuron that never fires.
    """
    rows = -(-len(patterns) // COLUMNS)
    figure = Figure(figsize=(9, 0.7 + 2.7 * rows), layout="constrained")
    axes = figure.subplots(rows, COLUMNS, squeeze=False, sharex=True, sharey=True)
    times = {name: _arrays(layers) for name, layers in patterns.items()}
    latest = max(
        time[np.isfinite(time)].max(initial=0.0) for part in times.values() for time in part
    )
    for axis, (name, layers) in zip(axes.flat, patterns.items(), strict=False):
        _draw_pattern(axis, list(layers), times[name], edge=1.1 * latest + 0.1)
        axis.set_title(name, fontsize=9)
    for axis in list(axes.flat)[len(patterns) :]:
        axis.set_visible(False)
    for axis in axes[-1]:
        axis.set_xlabel("time (synaptic time constants)", fontsize=9)
    handles, labels = axes[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), fontsize=8)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _arrays(layers: Layers) -> list[np.ndarray]:
    return [np.array([np.inf if t is None else t for t in layer]) for layer in layers.values()]


def _draw_pattern(axis: Any, names: list[str], layers: list[np.ndarray], edge: float) -> None:
    """One panel; the neurons from the first input at the top to the last output below."""
    ticks: list[str] = []
    for name, times, number in zip(names, layers, range(len(names)), strict=True):
        color, row = COLORS[number % len(COLORS)], len(ticks) + np.arange(len(times))
        fires = np.isfinite(times)
        axis.plot(times[fires], row[fires], "o", color=color, label=name)
        axis.plot(np.full((~fires).sum(), edge), row[~fires], "x", color=color, label="_never")
        ticks += [f"{name} {neuron}" for neuron in range(len(times))]
    last = layers[-1]
    if np.isfinite(last).any():
        first = len(ticks) - len(last) + int(last.argmin())
        axis.plot(
            [last.min()] * 2, [first, len(ticks)], color=GRAY, linewidth=1, label="first to fire"
        )
    axis.set_yticks(range(len(ticks)), ticks, fontsize=8)
    axis.set_ylim(len(ticks) - 0.4, -0.6)
    axis.set_xlim(-0.05 * edge, 1.05 * edge)
    axis.grid(True, axis="x", alpha=0.3)
    axis.tick_params(axis="x", labelsize=8)
    axis.spines[["top", "right"]].set_visible(False)
