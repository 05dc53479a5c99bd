"""Figures of a network and its learning, each written to one PNG file.

Every function takes plain arrays and a path; nothing is shown on a screen.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from onchip.files.writing import write_bytes
from onchip.network.parts import ALWAYS_ON
from onchip.program.graphs import AnyNetwork, as_graph

OFF, ON, BOTH = (0.12, 0.36, 0.70), (0.84, 0.24, 0.16), (0.45, 0.20, 0.45)
"""Colors of OFF and ON events, and of pixels with both."""

RASTER = (0.12, 0.37, 0.66)
ACCENT, FIXED, GRAY = "#1f5fa8", "#d98200", "#8a8a8a"
"""Floating point, integers, and what stays in the background."""

DASH = 5
"""Length of a dash and of a gap, in widths of the line."""

BEFORE = "#cdd3da"
"""Of an area behind the line of what came after."""

LEVELS = ("#2e7d32", "#d63d29", "#17406f", "#8f5600", GRAY)


def draw_events(path: Path, rows: Mapping[str, np.ndarray], shown: int = 5) -> None:
    """Event frames of one sample: a row of `shown` steps for each entry of `rows`.

    `rows`: title -> [T, 2, height, width] (channel 0 OFF, 1 ON) of the same T.
    """
    steps = len(next(iter(rows.values())))
    picked = np.unique(np.linspace(0, steps - 1, min(shown, steps)).round().astype(int))
    figure = Figure(figsize=(2 * len(picked) + 1.2, 2.25 * len(rows) + 0.9), layout="constrained")
    axes = figure.subplots(len(rows), len(picked), squeeze=False)
    for row, (title, frames) in zip(axes, rows.items(), strict=True):
        for axis, step in zip(row, picked, strict=True):
            axis.imshow(event_colors(frames[step]), interpolation="nearest")
            axis.set_title(f"step {step + 1} of {steps}", fontsize=9)
            axis.set_xticks([0, frames.shape[-1] - 1])
            axis.set_yticks([0, frames.shape[-2] - 1])
            axis.tick_params(labelsize=7)
        row[0].set_ylabel(f"{title}\ny (pixel)", fontsize=9)
    for axis in axes[-1]:
        axis.set_xlabel("x (pixel)", fontsize=9)
    _legend(figure, {"OFF event": OFF, "ON event": ON, "both within the step": BOTH})
    save_figure(figure, path)


def event_colors(frame: np.ndarray) -> np.ndarray:
    """RGB [height, width, 3] of one frame [2, height, width]; white where nothing happened."""
    off, on = frame[0] > 0, frame[1] > 0
    image = np.ones((*off.shape, 3))
    image[off], image[on], image[off & on] = OFF, ON, BOTH
    return image


def draw_raster(
    path: Path,
    spikes: Mapping[str, np.ndarray],
    outputs: np.ndarray,
    label: int,
    title: str,
    shown: int = 128,
) -> None:
    """Spike rasters of one sample, a panel for each layer, and the readout below.

    `spikes`: layer -> [T, neurons], of which at most `shown` are drawn, chosen at random (always
    the same ones) and kept in order; `outputs` [T, classes]; `label` is the true class.
    """
    panels, steps = len(spikes) + 1, len(outputs)
    figure = Figure(figsize=(8, 1.6 * panels + 0.6), layout="constrained")
    axes = figure.subplots(panels, 1, sharex=True)
    for axis, (name, values) in zip(axes, spikes.items(), strict=False):
        _draw_spikes(axis, name, np.asarray(values), shown)
    _draw_outputs(axes[-1], outputs, label)
    axes[-1].set_xticks(range(1, steps + 1))
    axes[-1].set_xlim(0.5, steps + 0.5)
    figure.legend(
        *axes[-1].get_legend_handles_labels(), fontsize=8, loc="outside lower center", ncols=3
    )
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _draw_spikes(axis: Any, name: str, values: np.ndarray, shown: int) -> None:
    """A dark cell for each spike, steps to the right, neurons upwards."""
    steps, neurons = values.shape
    count = min(neurons, shown)
    drawn = np.sort(np.random.default_rng(0).choice(neurons, count, replace=False))
    picked = values[:, drawn].T > 0
    extent = (0.5, steps + 0.5, -0.5, count - 0.5)
    image = np.where(picked[..., None], RASTER, 1.0)
    axis.imshow(image, aspect="auto", interpolation="nearest", origin="lower", extent=extent)
    some = "" if count == neurons else f" ({count} drawn)"
    share = f"{values.mean():.1%} spike in a step"
    axis.set_title(f"{name}: {neurons} neurons{some}, {share}", fontsize=9, loc="left")
    axis.set_ylabel("neuron" if count == neurons else "neuron drawn")


def _draw_outputs(axis: Any, outputs: np.ndarray, label: int) -> None:
    steps, predicted = np.arange(1, len(outputs) + 1), int(outputs.sum(0).argmax())
    for index in range(outputs.shape[1]):
        if index not in (label, predicted):
            axis.plot(steps, outputs[:, index], color=GRAY, linewidth=0.8)
    axis.plot([], [], color=GRAY, linewidth=0.8, label="other classes")
    if predicted != label:
        axis.plot(steps, outputs[:, predicted], color=ON, label=f"class {predicted} (predicted)")
    truth = "true and predicted" if predicted == label else "true"
    axis.plot(steps, outputs[:, label], color=ACCENT, linewidth=2, label=f"class {label} ({truth})")
    axis.set_title("readout, never reset", fontsize=9, loc="left")
    axis.set_ylabel("o (thresholds)")
    axis.set_xlabel("time step")


def draw_stream(
    path: Path,
    positions: np.ndarray,
    streams: Mapping[str, np.ndarray],
    levels: Mapping[str, float],
    window: int = 50,
    title: str = "Accuracy along the stream, each sample before it is learned from",
) -> None:
    """Accuracy along a stream: moving averages, each sample measured before it was learned from.

    `positions` [n]: samples learned from before each measurement; `streams`: name -> [n] whether
    the prediction was right; `levels`: name -> accuracy drawn as a horizontal line. The average is
    over the last `window` measurements, fewer at the start, where the curve is thin.
    """
    figure = Figure(figsize=(8, 4.8), layout="constrained")
    axis = figure.subplots()
    full = slice(min(window, len(positions)) - 1, None)
    styles = ((ACCENT, 3.6), (FIXED, 1.8))  # both are seen where they are equal
    averages = {n: 100 * moving_average(np.asarray(v, float), window) for n, v in streams.items()}
    for (name, average), (color, width) in zip(averages.items(), styles, strict=False):
        axis.plot(positions, average, color=color, linewidth=0.7)
        axis.plot(positions[full], average[full], color=color, linewidth=width, label=name)
    for i, ((name, level), color) in enumerate(zip(levels.items(), LEVELS, strict=False)):
        style = (DASH * (i % 2), (DASH, DASH))  # those in turn fill each other's gaps
        axis.axhline(100 * level, color=color, linestyle=style, linewidth=1.4)
        axis.plot([], [], color=color, linestyle="--", label=f"{name}: {level:.1%}")
    axis.set_xlabel("labelled samples learned from")
    axis.set_ylabel(f"accuracy (%), mean of {window} samples")
    axis.set_ylim(lowest_shown(list(averages.values()), list(levels.values()), window), 101)
    axis.set_xlim(0, max(float(positions[-1]), 1.0))
    axis.grid(alpha=0.25)
    figure.legend(fontsize=8, loc="outside lower center", ncols=2)
    axis.set_title(title, fontsize=11)
    save_figure(figure, path)


def lowest_shown(averages: Sequence[np.ndarray], levels: Sequence[float], window: int) -> float:
    """Return where an axis of accuracies in percent begins: a ten below all that is to be seen.

    `averages` in percent, of which those of fewer than `window` measurements may be left out, where
    there are others; `levels` in [0, 1].
    """
    seen = [a[window - 1 :] if len(a) >= window else a for a in averages]
    lowest = min([*(a.min(initial=100.0) for a in seen), *(100 * level for level in levels)])
    return max(0.0, 10 * np.floor(lowest / 10) - 10)


def moving_average(values: np.ndarray, window: int) -> np.ndarray:
    """Mean of the last `window` values at each place; of all so far at the start."""
    totals = np.concatenate([[0.0], np.cumsum(values)])
    ends = np.arange(1, len(values) + 1)
    starts = np.maximum(ends - window, 0)
    return (totals[ends] - totals[starts]) / (ends - starts)


def draw_weight_change(path: Path, before: AnyNetwork, after: AnyNetwork) -> None:
    """What learning changed: of each plastic connection the weights' change, and all weights."""
    ours, theirs = as_graph(before), as_graph(after)
    changed = [
        (name.removesuffix(".synapses"), old.transform.weight, new.transform.weight)
        for name, old, new in zip(ours.names, ours.connections, theirs.connections, strict=True)
        if old.plastic and old.source != ALWAYS_ON
    ]
    figure = Figure(figsize=(8.4, 2.7 * len(changed) + 0.3), layout="constrained")
    axes = figure.subplots(len(changed), 2, squeeze=False)
    for (left, right), (name, old, new) in zip(axes, changed, strict=True):
        change, norm = (new - old).ravel(), float(np.linalg.norm(old))
        share = f"{np.linalg.norm(change) / norm:.2g} of the norm" if norm else "from zero"
        left.hist(change, bins=81, color=ACCENT)
        left.set_yscale("log")
        left.set_title(f"{name}: change {share}", fontsize=9)
        left.set_xlabel("weight change (thresholds)")
        left.locator_params(axis="x", nbins=5)
        left.set_ylabel("synapses")
        _draw_weights(right, name, old, new)
    save_figure(figure, path)


def _draw_weights(axis: Any, name: str, old: np.ndarray, new: np.ndarray) -> None:
    both = np.concatenate([old.ravel(), new.ravel()])
    bins = np.linspace(both.min(), both.max() + 1e-12, 82)
    axis.hist(old.ravel(), bins=bins, color=BEFORE, label="before")  # an area behind a line:
    axis.hist(new.ravel(), bins=bins, histtype="step", color=ON, label="after")  # both are seen
    axis.set_yscale("log")
    axis.set_title(f"{name}: all {old.size} weights", fontsize=9)
    axis.set_xlabel("weight (thresholds)")
    axis.set_ylabel("synapses")
    axis.legend(fontsize=8)


def draw_accuracies(path: Path, bars: Mapping[str, Mapping[str, float]], title: str) -> None:
    """Horizontal bars, grouped: precision -> name -> accuracy in [0, 1], the names of all alike."""
    names = list(next(iter(bars.values())))
    height = 0.8 / len(bars)
    figure = Figure(figsize=(8, 0.75 * len(names) + 1.3), layout="constrained")
    axis = figure.subplots()
    for index, (precision, found) in enumerate(bars.items()):
        places = np.arange(len(names)) + (index - (len(bars) - 1) / 2) * height
        values = [100 * found[name] for name in names]
        color = (ACCENT, FIXED)[index % 2]
        rows = axis.barh(places, values, color=color, height=0.92 * height, label=precision)
        axis.bar_label(rows, fmt="%.1f %%", padding=4, fontsize=9)
    axis.set_yticks(range(len(names)), names)
    axis.invert_yaxis()
    axis.set_xlim(0, 100)  # the numbers of long bars stand beyond the frame, not in the axis
    axis.spines[["top", "right"]].set_visible(False)
    axis.set_xlabel("accuracy on test samples (%)")
    figure.suptitle(title, fontsize=11)
    if len(bars) > 1:
        figure.legend(fontsize=9, loc="outside lower center", ncols=len(bars))
    save_figure(figure, path)


def _legend(figure: Figure, colors: Mapping[str, tuple[float, float, float]]) -> None:
    from matplotlib.patches import Patch

    patches = [Patch(color=color, label=name) for name, color in colors.items()]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(patches), fontsize=9)


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure as PNG, all of it or nothing."""
    picture = io.BytesIO()
    figure.savefig(picture, format="png", dpi=130, bbox_inches="tight", pad_inches=0.12)
    write_bytes(path, picture.getvalue())
