"""Figures of a network before and after quantization; as in `onchip.deploy.reports.figures`, arrays
and a path."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from onchip.arithmetic.loihi import WEIGHT_LIMITS
from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, save_figure
from onchip.network.spec import NetworkSpec
from onchip.program.integer_spec import FixedNetworkSpec


def draw_quantized_weights(
    path: Path, spec: NetworkSpec, fixed: FixedNetworkSpec, title: str
) -> None:
    """For each layer its float weights, their integers, and what rounding did to them.

    `fixed` holds the integers of `spec`. Recurrent weights are left out. Raises ValueError where
    the two have different layers.
    """
    names = [[layer.name for layer in network.layers] for network in (spec, fixed)]
    if names[0] != names[1]:
        raise ValueError(f"figure: the layers {names[0]} are not the integers' {names[1]}")
    figure = Figure(figsize=(10, 2.1 * len(names[0]) + 0.8), layout="constrained")
    axes = figure.subplots(len(names[0]), 3, squeeze=False)
    for row, layer, integers in zip(axes, spec.layers, fixed.layers, strict=True):
        _draw_layer(row, layer, integers)
    axes[-1][0].set_xlabel("weight (thresholds)")
    axes[-1][1].set_xlabel(f"integer ({WEIGHT_LIMITS[0]}..{WEIGHT_LIMITS[1]})")
    axes[-1][2].set_xlabel("integer × step − weight (steps)")
    figure.suptitle(title, fontsize=11)
    save_figure(figure, path)


def _draw_layer(row: Any, layer: Any, integers: Any) -> None:
    weight, whole = layer.weight.ravel(), integers.weight.ravel()
    low, high = WEIGHT_LIMITS
    _histogram(row[0], weight, 81, ACCENT)
    row[0].set_title(f"{layer.name}: {weight.size} weights in float", fontsize=9)
    row[0].set_ylabel("weights")
    _histogram(row[1], whole, np.linspace(low, high + 1, 65), FIXED)
    for limit in (low, high):
        row[1].axvline(limit, color=GRAY, linestyle="--", linewidth=1)
    step = f"one step is {integers.weight_step:.2g} thresholds"
    row[1].set_title(f"integers, {step}", fontsize=9)
    _histogram(row[2], whole - weight / integers.weight_step, 64, GRAY)
    row[2].set_title(f"rounding, {_clipped(weight, integers):.2%} clipped", fontsize=9)
    for axis in row[:2]:
        axis.set_yscale("log")
        axis.set_ylim(bottom=0.5)


def _histogram(axis: Any, values: np.ndarray, bins: Any, color: str) -> None:
    axis.stairs(*np.histogram(values, bins), fill=True, color=color)


def _clipped(weight: np.ndarray, integers: Any) -> float:
    """Share of the weights that lie beyond the last integer by more than rounding explains."""
    return float((np.abs(weight / integers.weight_step) > WEIGHT_LIMITS[1]).mean())


def draw_agreement(
    path: Path, ours: np.ndarray, theirs: np.ndarray, labels: np.ndarray, title: str
) -> None:
    """Outputs in float against outputs in integers, both in thresholds: [samples, classes] each.

    A dot for each sample and class, the true class's in color.
    """
    figure = Figure(figsize=(6.2, 5.6), layout="constrained")
    axis = figure.subplots()
    true = np.eye(ours.shape[1], dtype=bool)[labels]
    for mask, color, name in ((~true, GRAY, "other classes"), (true, ACCENT, "true class")):
        axis.plot(ours[mask], theirs[mask], ".", markersize=3, color=color, label=name)
    ends = [float(min(ours.min(), theirs.min())), float(max(ours.max(), theirs.max()))]
    axis.plot(ends, ends, color="black", linewidth=0.8, label="equal")
    axis.set_xlabel("float: sum of the output over the steps (thresholds)")
    axis.set_ylabel("integers: the same (thresholds)")
    axis.grid(alpha=0.25)
    axis.legend(fontsize=9, markerscale=3)
    axis.set_title(title, fontsize=11)
    save_figure(figure, path)
