"""Figures of the learning rule: one synapse step by step, and OTTT beside BPTT.

As in `onchip.deploy.reports.figures`, every function takes plain arrays and a path.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.figure import Figure

from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, ON, save_figure

SERIES = (ACCENT, FIXED, "#2e7d32", "#7a3b8f")
MARKS = ("o", "s", "^", "D")


class SynapseCourse(NamedTuple):
    """One synapse and its neuron over T steps, all [T], potentials in the unit of the threshold.

    `inputs` presynaptic spikes, `trace` a, `potential` u, `outputs` the neuron's spikes,
    `derivative` sigma'(u - Vth), `signal` the error fed back to the neuron, `update` the weight's
    change in each step.
    """

    inputs: np.ndarray
    trace: np.ndarray
    potential: np.ndarray
    outputs: np.ndarray
    derivative: np.ndarray
    signal: np.ndarray
    update: np.ndarray


def draw_synapse(path: Path, course: SynapseCourse, v_threshold: float, title: str) -> None:
    """The three factors of one synapse and their product, a panel each, against the step."""
    figure = Figure(figsize=(8, 9), layout="constrained")
    axes = figure.subplots(5, 1, sharex=True, height_ratios=(1.2, 1.5, 1, 1, 1.2))
    steps = np.arange(1, len(course.inputs) + 1)
    _draw_trace(axes[0], steps, course)
    _draw_membrane(axes[1], steps, course, v_threshold)
    _bars(axes[2], steps, course.derivative, GRAY, "surrogate derivative σ'(u − Vth)", "1 / Vth")
    _bars(axes[3], steps, course.signal, FIXED, "error fed back to the neuron", "dL / ds")
    _bars(axes[4], steps, course.update, ON, "update, −η × trace × derivative × error", "weight")
    axes[4].step(
        steps, np.cumsum(course.update), where="mid", color="black", linewidth=1, label="sum so far"
    )
    _legend(axes[4])
    axes[4].set_xlabel("time step n")
    axes[4].set_xticks(steps)
    axes[4].set_xlim(0.4, len(steps) + 0.6)
    figure.align_ylabels(axes)
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _draw_trace(axis: Any, steps: np.ndarray, course: SynapseCourse) -> None:
    axis.plot(steps, course.trace, "o-", color=ACCENT, label="trace a")
    axis.vlines(steps[course.inputs > 0], 0, 1, color="black", linewidth=3, label="input spike")
    axis.set_ylim(0, 1.15 * max(float(course.trace.max()), 1.0))
    _titled(axis, "presynaptic spikes and their trace", "spikes")
    _legend(axis)


def _draw_membrane(axis: Any, steps: np.ndarray, course: SynapseCourse, threshold: float) -> None:
    axis.plot(steps, course.potential, "o-", color=ACCENT, label="membrane u")
    axis.axhline(threshold, color=GRAY, linestyle="--", label="threshold Vth")
    fired = course.outputs > 0
    axis.plot(
        steps[fired], course.potential[fired], "^", color=ON, markersize=10, label="output spike"
    )
    _titled(axis, "membrane; a spike subtracts Vth before the next step", "u (thresholds)")
    axis.margins(y=0.15)
    _legend(axis)


def _bars(
    axis: Any, steps: np.ndarray, values: np.ndarray, color: Any, title: str, unit: str
) -> None:
    axis.bar(steps, values, width=0.5, color=color)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.margins(y=0.1)
    _titled(axis, title, unit)


def draw_cosines(
    path: Path, series: Mapping[str, Mapping[str, Sequence[float]]], title: str
) -> None:
    """Cosines between gradients, by layer: name of a series -> layer -> one cosine for each run.

    Every run is a dot, their mean a dash with its value; the layers of all series are alike.
    """
    layers = list(next(iter(series.values())))
    figure = Figure(figsize=(8, 4.6), layout="constrained")
    axis = figure.subplots()
    spacing = 0.8 / len(series)
    for index, (name, by_layer) in enumerate(series.items()):
        color, shift = SERIES[index % len(SERIES)], (index - (len(series) - 1) / 2) * spacing
        for place, layer in enumerate(layers):
            _draw_runs(axis, place + shift, np.asarray(by_layer[layer]), color, index)
        axis.plot([], [], MARKS[index % len(MARKS)], color=color, label=name)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.axhline(1, color=GRAY, linestyle="--", linewidth=1)
    for edge in np.arange(len(layers) - 1) + 0.5:
        axis.axvline(edge, color=GRAY, linewidth=0.5)
    axis.set_xticks(range(len(layers)), layers)
    axis.set_xlim(-0.5, len(layers) - 0.5)
    axis.set_ylim(min(axis.get_ylim()[0], -0.1), 1.16)
    axis.set_xlabel("layer, from the input to the readout")
    axis.set_ylabel("cosine to BPTT's gradient")
    axis.set_title(title, fontsize=11)
    figure.legend(loc="outside lower center", ncols=len(series), fontsize=9)
    save_figure(figure, path)


def _draw_runs(axis: Any, x: float, cosines: np.ndarray, color: str, index: int) -> None:
    axis.plot(np.full(len(cosines), x), cosines, MARKS[index % len(MARKS)], color=color, alpha=0.6)
    mean = float(cosines.mean())
    axis.plot([x - 0.08, x + 0.08], [mean, mean], color="black", linewidth=1.5, zorder=1)
    axis.annotate(
        f"{round(mean, 2) + 0.0:.2f}",  # no -0.00
        (x, float(cosines.max())),
        (0, 8),
        textcoords="offset points",
        ha="center",
        fontsize=8,
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.6},
    )


def draw_memory(
    path: Path, steps: Sequence[int], peaks: Mapping[str, Sequence[int]], title: str
) -> None:
    """Peak memory of one update against T: name of a method -> bytes for each of `steps`."""
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axis = figure.subplots()
    for index, (name, values) in enumerate(peaks.items()):
        mebibytes = np.asarray(values) / 2**20
        axis.plot(
            steps, mebibytes, f"{MARKS[index % len(MARKS)]}-", color=SERIES[index], label=name
        )
    axis.set_xticks(list(steps))
    axis.set_ylim(bottom=0)
    axis.set_xlabel("time steps T of a sample")
    axis.set_ylabel("peak memory of tensors (MiB)")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=9)
    axis.set_title(title, fontsize=11)
    save_figure(figure, path)


def _titled(axis: Any, title: str, unit: str) -> None:
    axis.set_title(title, fontsize=9, loc="left")
    axis.set_ylabel(unit)


def _legend(axis: Any) -> None:
    axis.legend(fontsize=8, loc="upper left", bbox_to_anchor=(1.0, 1.0))
