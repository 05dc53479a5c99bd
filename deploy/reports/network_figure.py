"""A network as a picture: its populations from the input down, and what connects them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from matplotlib.figure import Figure

from onchip.deploy.reports.figures import ACCENT, FIXED, GRAY, save_figure
from onchip.network.parts import ALWAYS_ON, INPUT, Connection
from onchip.program.graphs import AnyNetwork, as_graph
from onchip.showing import shape_text

EDGE, SIDE = 0.22, 1.2
"""From the middle of a box to its edge and to its side, in rows and in the axis's unit."""


def draw_network(path: Path, network: AnyNetwork) -> None:
    """A box for each population, an arrow for each connection; those that learn are thick.

    Connections to the next box are straight, others curve to the right, and those that go back, or
    come from the step before, to the left. Biases are left out.
    """
    graph = as_graph(network)
    rows = {INPUT: 0.0, **{p.name: -float(i) for i, p in enumerate(graph.populations, start=1)}}
    figure = Figure(figsize=(4.2, 0.62 * len(rows) + 0.5), layout="constrained")
    axis = figure.subplots()
    _box(axis, rows[INPUT], f"input, {shape_text(graph.input_shape)}", GRAY)
    for population in graph.populations:
        neuron = type(population.neuron).__name__
        text = f"{population.name}, {shape_text(population.shape)} {neuron}"
        _box(axis, rows[population.name], text, ACCENT)
    for connection in graph.connections:
        if connection.source != ALWAYS_ON:
            _arrow(axis, connection, rows[connection.source], rows[connection.target])
    for color, width, label in ((FIXED, 3.0, "learns"), (GRAY, 1.3, "frozen")):
        axis.plot([], [], color=color, linewidth=width, label=label)
    axis.set_xlim(-2.6, 2.6)
    axis.set_ylim(-len(rows) + 0.5, 0.5)
    axis.axis("off")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9)
    save_figure(figure, path)


def _box(axis: Any, row: float, text: str, color: str) -> None:
    box = {"boxstyle": "round,pad=0.35", "facecolor": "white", "edgecolor": color}
    axis.text(0, row, text, ha="center", va="center", fontsize=9, bbox=box)


def _arrow(axis: Any, connection: Connection, start: float, end: float) -> None:
    """From box to box where the next one is meant, else from side to side in an arc."""
    color, width = (FIXED, 3.0) if connection.plastic else (GRAY, 1.3)
    if start - end == 1 and not connection.delay:
        places, arc = ((0.0, end + EDGE), (0.0, start - EDGE)), 0.0
    else:
        onward = end < start and not connection.delay
        side = SIDE if onward else -SIDE
        tip, tail = (end, start) if start != end else (end + 0.12, end - 0.12)
        bend = -1.6 if start == end else -0.4 if onward or end > start else 0.4  # outwards
        places, arc = ((side, tip), (side, tail)), bend
    style = {"arrowstyle": "-|>", "color": color, "lw": width, "shrinkA": 0, "shrinkB": 0}
    style["connectionstyle"] = f"arc3,rad={arc}"
    axis.annotate("", *places, arrowprops=style)
