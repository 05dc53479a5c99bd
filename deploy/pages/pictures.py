"""Pictures in a report: those of Matplotlib as they are drawn, and frames to step through."""

from __future__ import annotations

import base64
import html
import io
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.image import imsave

from onchip.deploy.pages.document import Block, inline
from onchip.deploy.reports.figures import event_colors


@dataclass(frozen=True)
class Picture(Block):
    """A PNG with its caption; Markdown refers to the file `name` beside the report.

    On a narrow page it `shrinks`, or else it scrolls, where its letters would be too small.
    """

    name: str
    png: bytes
    caption: str
    shrinks: bool = False

    @classmethod
    def drawn(
        cls, name: str, caption: str, draw: Callable[[Path], None], shrinks: bool = False
    ) -> Picture:
        """Return what `draw` writes to the path that it is given."""
        return cls(name, png_of(draw), caption, shrinks)

    def markdown(self) -> str:
        """Return a reference to the file."""
        return f"![{self.caption}]({self.name})"

    def files(self) -> dict[str, bytes]:
        """Return the picture."""
        return {self.name: self.png}

    def html(self) -> str:
        """Return the figure with the picture in it."""
        kind = ' class="shrinks"' if self.shrinks else ""
        image = f'<img src="{data_url(self.png)}" alt="{html.escape(self.caption)}"{kind}>'
        frame = f'<div class="scroll" tabindex="0">{image}</div>'
        figure = f'<figure id="{html.escape(self.name.partition(".")[0])}">'
        return f"{figure}{frame}<figcaption>{inline(self.caption)}</figcaption></figure>"


@dataclass(frozen=True)
class Frames(Block):
    """Event frames to step through: `rows` title -> [T, 2, height, width] (0 OFF, 1 ON).

    HTML alone; without a script the first step is shown.
    """

    rows: Mapping[str, np.ndarray]
    caption: str

    def markdown(self) -> str:
        """Return nothing: Markdown has no such thing."""
        return ""

    def html(self) -> str:
        """Return the frames side by side, above a slider over the steps."""
        steps = len(next(iter(self.rows.values())))
        films = "".join(_film(title, frames) for title, frames in self.rows.items())
        slider = (
            f'<label class="step">step <output>1</output> of {steps} '
            f'<input type="range" min="1" max="{steps}" value="1" aria-label="step"></label>'
        )
        return (
            f'<figure class="frames"><div class="films">{films}</div>{slider}'
            f"<figcaption>{inline(self.caption)}</figcaption></figure>"
        )


def _film(title: str, frames: np.ndarray) -> str:
    images = "".join(
        f'<img src="{data_url(_frame_png(frame))}" alt="{html.escape(title)}, step {step}"'
        f"{'' if step == 1 else ' hidden'}>"
        for step, frame in enumerate(frames, start=1)
    )
    return f'<div class="film"><div>{html.escape(title)}</div>{images}</div>'


def _frame_png(frame: np.ndarray) -> bytes:
    """A frame, a pixel of the sensor a pixel of the picture."""
    picture = io.BytesIO()
    imsave(picture, event_colors(frame), format="png")
    return picture.getvalue()


def png_of(draw: Callable[[Path], None]) -> bytes:
    """Return the file that `draw` writes to the path that it is given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "picture.png"
        draw(path)
        return path.read_bytes()


def data_url(png: bytes) -> str:
    """Return a picture as a URL that holds it."""
    return f"data:image/png;base64,{base64.b64encode(png).decode('ascii')}"
