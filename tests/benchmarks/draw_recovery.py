"""The figure of what comes back after a drift, by layers, feedback and rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, save_figure

COLORS = (ACCENT, FIXED, "#2e7d32", "#7a3b8f")
Series = Mapping[str, Mapping[str, Sequence[float]]]
"""Name of a series -> group on the axis -> a value for each seed."""


def draw_recovery(
    path: Path, nothing: Mapping[str, Sequence[float]], by_layers: Series, by_rule: Series
) -> None:
    """Two panels: which layers of the convnet learn, and by which rule the mlp does.

    `nothing` is a group of its own, of networks that do not learn; groups without values are left
    out.
    """
    panels = [("plastic layers of the convnet, by ottt", _with(nothing, by_layers))]
    if any(by_rule.values()):
        panels.append(("rule of the mlp", by_rule))
    figure = Figure(figsize=(5.6 * len(panels), 4.4), layout="constrained")
    axes = figure.subplots(1, len(panels), squeeze=False, sharey=True)[0]
    for axis, (title, series) in zip(axes, panels, strict=True):
        _draw_panel(axis, title, series)
    axes[0].set_ylabel("share of the fall that comes back")
    save_figure(figure, path)


def _with(nothing: Mapping[str, Sequence[float]], series: Series) -> Series:
    first, *others = series.items()
    return {first[0]: {**nothing, **first[1]}, **dict(others)}


def _draw_panel(axis: Any, title: str, series: Series) -> None:
    groups = list(
        dict.fromkeys(
            group for by_group in series.values() for group in by_group if by_group[group]
        )
    )
    width = 0.8 / len(series)
    for index, (name, by_group) in enumerate(series.items()):
        color = COLORS[index % len(COLORS)]
        for place, group in enumerate(groups):
            values = np.asarray(by_group.get(group, []))
            if not values.size:
                continue
            x = place + (index - (len(series) - 1) / 2) * width
            axis.bar(x, values.mean(), width=0.9 * width, color=color, alpha=0.35)
            axis.plot(np.full(values.size, x), values, ".", color=color)
            axis.annotate(
                f"{values.mean():.2f}", (x, max(values.max(), 0)), ha="center", va="bottom",
                fontsize=7, xytext=(0, 2), textcoords="offset points",
            )  # fmt: skip
        axis.plot([], [], "s", color=color, label=name)
    axis.axhline(0, color="black", linewidth=0.8)
    axis.axhline(1, color=GRAY, linestyle="--", linewidth=1)
    axis.set_xticks(range(len(groups)), groups, rotation=20, ha="right", rotation_mode="anchor")
    axis.set_title(title, fontsize=10)
    axis.legend(fontsize=8, loc="upper left")
    axis.set_ylim(min(axis.get_ylim()[0], -0.05), 1.3)
