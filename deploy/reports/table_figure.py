"""A table as a figure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from matplotlib.figure import Figure

from onchip.deploy.reports.figures import save_figure


def draw_table(path: Path, rows: Sequence[Sequence[str]], title: str) -> None:
    """A table, its first row the heading."""
    figure = Figure(figsize=(9, 0.42 * len(rows) + 0.7), layout="constrained")
    axis = figure.subplots()
    axis.axis("off")
    axis.set_title(title, fontsize=11)
    table = axis.table(
        cellText=[list(row) for row in rows[1:]],
        colLabels=list(rows[0]),
        loc="center",
        cellLoc="center",
    )
    table.auto_set_font_size(False)
    table.set_fontsize(9)
    table.auto_set_column_width(list(range(len(rows[0]))))
    table.scale(1, 1.5)
    for (row, _), cell in table.get_celld().items():
        cell.set_edgecolor("#c0c0c0")
        if row == 0:
            cell.set_facecolor("#e8eef6")
            cell.set_text_props(weight="bold")
    save_figure(figure, path)
