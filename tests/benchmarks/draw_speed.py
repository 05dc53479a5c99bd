"""The figure of speeds that the README shows, from the JSON that the benchmarks wrote.

python tests/benchmarks/draw_speed.py
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from timing import RESULTS

from onchip.files.writing import write_bytes

FIGURE = RESULTS / "speed.png"
SOURCES = ("connections", "convolution", "network")
"""JSON files whose rows against stock Lava are drawn."""

STOCK = ("stock", "lava", "Var.get")
"""How a baseline of stock Lava begins."""

COLOURS = {
    "lava on Lava's runtime": "#c4c4c4",
    "lava": "#8a8a8a",
    "lava-fast": "#d98200",
    "lava-fused": "#1f5fa8",
    "numpy": "#2e7d32",
}
LABELS = {
    "lava on Lava's runtime": "Lava's runtime, stock layers",
    "lava": "Lava, stock layers",
    "lava-fast": "Lava, fast layers",
    "lava-fused": "Lava, fused",
    "numpy": "NumPy engine",
}


def main() -> None:
    results = {name: json.loads((RESULTS / f"{name}.json").read_text()) for name in SOURCES}
    rows = [row for name in SOURCES for row in results[name]["rows"] if against_stock(row)]
    figure = Figure(figsize=(12, 1.6 + 0.3 * len(rows)), layout="constrained")
    left, right = figure.subfigures(1, 2, width_ratios=(1.25, 1))
    bars = left.subplots()
    by_width, by_depth = right.subplots(1, 2, sharey=True)
    draw_ratios(bars, rows)
    network = results["network"]
    draw_scaling(by_width, network["widths"], network["scaling"]["width"], "N-N-10, width N")
    draw_scaling(
        by_depth,
        network["depths"],
        network["scaling"]["depth"],
        "128-...-10, weight layers",
    )
    handles, labels = by_depth.get_legend_handles_labels()
    by_width.legend(handles, labels, fontsize=8, loc="lower left")
    by_width.set_ylabel("steps of learning per second")
    right.suptitle("Whole networks", fontsize=10)
    left.suptitle("Against stock Lava", fontsize=10)
    picture = io.BytesIO()
    figure.savefig(picture, dpi=130, format="png")
    write_bytes(FIGURE, picture.getvalue())
    print(FIGURE)


def against_stock(row: Mapping[str, Any]) -> bool:
    """Whether a row compares with stock Lava."""
    return str(row["baseline"]).startswith(STOCK)


def draw_ratios(axes: Axes, rows: Sequence[Mapping[str, Any]]) -> None:
    """How many times faster than stock Lava, one bar a row, slowest at the bottom."""
    ordered = sorted(rows, key=lambda row: row["ratio"])
    ratios = [row["ratio"] for row in ordered]
    colours = [COLOURS["lava-fused" if ratio >= 1 else "lava-fast"] for ratio in ratios]
    axes.barh(range(len(ordered)), [r - 1 for r in ratios], left=1, color=colours, height=0.7)
    axes.set_yticks(range(len(ordered)), [row["name"] for row in ordered], fontsize=7.5)
    for place, ratio in enumerate(ratios):
        axes.text(max(ratio, 1.05) * 1.08, place, shown(ratio), va="center", fontsize=7.5)
    axes.set_xscale("log")
    axes.axvline(1, color=COLOURS["lava"], linewidth=1)
    axes.set_xlim(0.5, max(ratios) * 4)
    axes.set_xlabel("times as fast as stock Lava")
    axes.spines[["top", "right"]].set_visible(False)


def shown(ratio: float) -> str:
    """Three digits, or all of a whole number above that."""
    return f"{ratio:,.0f}" if ratio >= 100 else f"{ratio:.3g}"


def draw_scaling(
    axes: Axes, sizes: Sequence[int], speeds: Mapping[str, Sequence[float]], title: str
) -> None:
    """Algorithmic steps of learning per second against a size of the network."""
    for backend, values in speeds.items():
        axes.plot(sizes, values, "o-", color=COLOURS[backend], label=LABELS[backend], markersize=4)
    axes.set_xscale("log", base=2)
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.set_yscale("log")
    axes.set_xlabel(title)
    axes.grid(True, which="major", alpha=0.3)
    axes.spines[["top", "right"]].set_visible(False)


if __name__ == "__main__":
    main()
