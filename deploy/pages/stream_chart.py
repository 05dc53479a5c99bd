"""Accuracy along a stream as a drawing in HTML that says its values where it is pointed at."""

from __future__ import annotations

import html
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.deploy.pages.document import Block, inline
from onchip.deploy.pages.pictures import png_of
from onchip.deploy.reports.figures import (
    ACCENT,
    FIXED,
    LEVELS,
    draw_stream,
    lowest_shown,
    moving_average,
)

WIDTH, HEIGHT = 720, 340
LEFT, RIGHT, TOP, BOTTOM = 52, 14, 14, 40
"""Size of the drawing and its margins, in pixels."""

STROKES = ((ACCENT, 5.0), (FIXED, 2.2))
"""Color and width of the series in turn: the second is seen where it covers the first."""


@dataclass(frozen=True)
class StreamChart(Block):
    """Moving averages of `streams` (name -> [n] right or wrong) at `positions` [n], and levels.

    `levels`: name -> accuracy in [0, 1]. Markdown shows the picture `png` in its place.
    """

    name: str
    caption: str
    positions: np.ndarray
    streams: Mapping[str, np.ndarray]
    levels: Mapping[str, float]
    window: int
    png: bytes

    @classmethod
    def drawn(
        cls,
        name: str,
        caption: str,
        positions: np.ndarray,
        streams: Mapping[str, np.ndarray],
        levels: Mapping[str, float],
        window: int,
    ) -> StreamChart:
        """Return it with its picture drawn."""
        png = png_of(lambda path: draw_stream(path, positions, streams, levels, window))
        return cls(name, caption, positions, streams, levels, window, png)

    def files(self) -> dict[str, bytes]:
        """Return the picture."""
        return {self.name: self.png}

    def markdown(self) -> str:
        """Return a reference to the file."""
        return f"![{self.caption}]({self.name})"

    def html(self) -> str:
        """Return the drawing with its key; the averages are in it as data."""
        averages = {n: _averages(v, self.window) for n, v in self.streams.items()}
        title = f"<title>{html.escape(self.caption)}</title>"
        svg = (
            f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img">{title}{self._drawing(averages)}</svg>'
        )
        data = json.dumps(self._data(averages)).replace("<", "\\u003c")
        return (
            f'<figure class="chart" id="{html.escape(self.name.partition(".")[0])}">'
            f'<div class="scroll" tabindex="0">{svg}</div>{self._key()}'
            '<output class="reading">Point at the curve to read its values.</output>'
            f'<script type="application/json">{data}</script>'
            f"<figcaption>{inline(self.caption)}</figcaption></figure>"
        )

    def _data(self, averages: Mapping[str, np.ndarray]) -> dict[str, Any]:
        """What the page's script reads."""
        return {
            "positions": [int(p) for p in self.positions],
            "series": {name: np.round(v, 1).tolist() for name, v in averages.items()},
            "left": LEFT,
            "width": WIDTH - LEFT - RIGHT,
            "last": self._last,
        }

    def _drawing(self, averages: Mapping[str, np.ndarray]) -> str:
        """Grid, curves, levels and the line that follows the pointer."""
        lowest = lowest_shown(list(averages.values()), list(self.levels.values()), self.window)
        curves = zip(averages.values(), STROKES, strict=False)
        levels = zip(self.levels.values(), LEVELS, strict=False)
        parts = [_grid(lowest, self._last)]
        parts += [self._line(average, lowest, *stroke) for average, stroke in curves]
        parts += [_level(v, lowest, color, i) for i, (v, color) in enumerate(levels)]
        cursor = f'<line class="cursor" y1="{TOP}" y2="{HEIGHT - BOTTOM}" visibility="hidden"/>'
        return "".join([*parts, cursor])

    @property
    def _last(self) -> float:
        return max(float(self.positions[-1]) if len(self.positions) else 0.0, 1.0)

    def _line(self, average: np.ndarray, lowest: float, color: str, width: float) -> str:
        points = " ".join(
            f"{x_of(float(p), self._last):.1f},{y_of(float(v), lowest):.1f}"
            for p, v in zip(self.positions, average, strict=True)
        )
        return (
            f'<polyline points="{points}" fill="none" stroke="{color}" stroke-width="{width}" '
            'stroke-linejoin="round"/>'
        )

    def _key(self) -> str:
        streams = [
            f'<li><span style="border-top:{width}px solid {color}"></span>{html.escape(name)}</li>'
            for name, (color, width) in zip(self.streams, STROKES, strict=False)
        ]
        levels = [
            f'<li><span style="border-top:2px dashed {color}"></span>'
            f"{html.escape(name)}: {value:.1%}</li>"
            for (name, value), color in zip(self.levels.items(), LEVELS, strict=False)
        ]
        return f'<ul class="key">{"".join([*streams, *levels])}</ul>'


def x_of(position: float, last: float) -> float:
    """Return where a position of the stream is drawn."""
    return LEFT + (WIDTH - LEFT - RIGHT) * position / last


def y_of(percent: float, lowest: float) -> float:
    """Return where an accuracy in percent is drawn; below `lowest` at the bottom."""
    share = (max(percent, lowest) - lowest) / (100 - lowest)
    return HEIGHT - BOTTOM - (HEIGHT - TOP - BOTTOM) * share


def _averages(correct: np.ndarray, window: int) -> np.ndarray:
    return 100 * moving_average(np.asarray(correct, float), window)


def _grid(lowest: float, last: float) -> str:
    """Lines, numbers and the names of both axes."""
    lines = []
    for percent in range(int(lowest), 101, 10):
        y = y_of(percent, lowest)
        line = f'x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}"'
        lines += [f'<line class="grid" {line}/>', _text(LEFT - 7, y + 4, str(percent), "end")]
    for position in _ticks(last):
        lines.append(_text(x_of(position, last), HEIGHT - BOTTOM + 17, str(position)))
    middle, side = LEFT + (WIDTH - LEFT - RIGHT) / 2, HEIGHT / 2 - 10
    lines.append(_text(middle, HEIGHT - 5, "labelled samples learned from"))
    return "".join([*lines, _text(13, side, "accuracy (%)", turned=True)])


def _text(x: float, y: float, text: str, anchor: str = "middle", turned: bool = False) -> str:
    turn = f' transform="rotate(-90 {x} {y})"' if turned else ""
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"{turn}>{text}</text>'


def _ticks(last: float) -> list[int]:
    """At most seven round numbers from 0 on."""
    size = 10 ** max(0, len(str(int(last))) - 1)
    step = next(s for s in (size // 5, size // 2, size, 2 * size) if s and last / s <= 7)
    return list(range(0, int(last) + 1, step))


def _level(value: float, lowest: float, color: str, turn: int) -> str:
    """Dashed; those in turn fill each other's gaps, so that both are seen where they are equal."""
    y = y_of(100 * value, lowest)
    return (
        f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="{color}" '
        f'stroke-width="1.5" stroke-dasharray="6 6" stroke-dashoffset="{6 * (turn % 2)}"/>'
    )
