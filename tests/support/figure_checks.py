"""What the tests of figures look at: the figures that were saved, their files, their lines."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from matplotlib.figure import Figure

PNG = b"\x89PNG\r\n\x1a\n"


def keep_figures(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """A list of the figures that are saved from now on; they are still saved."""
    figures: list[Figure] = []
    save = Figure.savefig

    def keep(figure: Figure, *arguments: Any, **options: Any) -> None:
        figures.append(figure)
        save(figure, *arguments, **options)

    monkeypatch.setattr(Figure, "savefig", keep)
    return figures


def is_picture(path: Path) -> bool:
    """Whether the file is a whole PNG with more than an empty sheet."""
    data = path.read_bytes()
    return data.startswith(PNG) and data.rstrip().endswith(b"IEND\xaeB`\x82") and len(data) > 2000


def lines(axis: Any) -> dict[str, tuple[list[float], list[float]]]:
    """The lines of an axis, which have labels of their own: label -> x and y."""
    found = {
        line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in axis.lines
    }
    assert len(found) == len(axis.lines)
    return found
