"""A figure of the costs by layer: operations of a sample on a logarithmic axis, and memory."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from onchip.deploy.costs.counts import Costs
from onchip.deploy.costs.layers import by_layer
from onchip.deploy.costs.memory import KINDS, memory_of
from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, save_figure
from onchip.program.graphs import AnyNetwork

TERMS = (
    ("forward", "synaptic operations (effective)", ACCENT),
    ("neurons", "neuron updates", GRAY),
    ("feedback", "feedback operations (effective)", "#2e7d32"),
    ("traces", "trace updates", "#8f5600"),
    ("rules", "rule evaluations", "#f3c98a"),
    ("rules_met", "rule evaluations, both sides not zero", FIXED),
    ("changed", "weights that change", "#d63d29"),
)
"""Attribute of `LayerCost`, its words and its color."""

COLORS = (ACCENT, "#9ec2ea", GRAY, "#8f5600", FIXED, "#2e7d32")


def draw_costs(path: Path, spec: AnyNetwork, costs: Sequence[Costs], title: str) -> None:
    """Draw the last of `costs` by layer (what learning takes, where a network learns)."""
    layers = by_layer(costs[-1])
    terms = [t for t in TERMS if any(getattr(layer, t[0]) for layer in layers)]
    height = 1.6 + 0.17 * len(layers) * len(terms) + 0.35 * len(layers)
    figure = Figure(figsize=(11, max(3.2, height)), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    _draw_operations(left, layers, terms)
    _draw_memory(right, spec)
    figure.legend(*left.get_legend_handles_labels(), fontsize=8, loc="outside lower left", ncols=2)
    figure.legend(
        *right.get_legend_handles_labels(), fontsize=8, loc="outside lower right", ncols=3
    )
    what = "a learned sample" if costs[-1].learning else "a sample"
    figure.suptitle(f"What {what} costs by layer: {title}", fontsize=11)
    save_figure(figure, path)


def _draw_operations(axis: Any, layers: Sequence[Any], terms: Sequence[Any]) -> None:
    thickness = 0.8 / len(terms)
    for index, (name, words, color) in enumerate(terms):
        places = [i + (index + 0.5) * thickness - 0.4 for i in range(len(layers))]
        values = [getattr(layer, name) for layer in layers]
        bars = axis.barh(places, values, thickness * 0.92, color=color, label=words)
        labels = [f"{value:,.3g}" if value < 1000 else f"{value:,.0f}" for value in values]
        labels = [text if value else "" for text, value in zip(labels, values, strict=True)]
        axis.bar_label(bars, labels, fontsize=7, padding=2)
    axis.set_xscale("log")
    axis.set_xlim(left=0.7, right=axis.get_xlim()[1] * 4)
    _name_layers(axis, [layer.name for layer in layers])
    axis.set_xlabel("operations of a sample (logarithmic)")
    axis.set_title("operations", fontsize=9, loc="left")


def _draw_memory(axis: Any, spec: AnyNetwork) -> None:
    memory = memory_of(spec)
    start = [0.0] * len(memory)
    for kind, color in zip(KINDS, COLORS, strict=True):
        sizes = [getattr(m, kind.name) / 8 / 1024 for m in memory.values()]
        if any(sizes):
            axis.barh(list(memory), sizes, 0.6, left=start, color=color, label=kind.name)
        start = [a + b for a, b in zip(start, sizes, strict=True)]
    axis.set_xlim(0, 1.06 * max(start))
    _name_layers(axis, list(memory))
    axis.set_xlabel("memory (KiB)")
    axis.set_title("memory, kernels stored once", fontsize=9, loc="left")


def _name_layers(axis: Any, names: list[str]) -> None:
    axis.set_yticks(range(len(names)), names)
    axis.set_ylim(len(names) - 0.5, -0.5)
