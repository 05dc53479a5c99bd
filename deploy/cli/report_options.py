"""`--report FILE`: a page in HTML on what a command learned."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from onchip.deploy.reports.document import Block, Document


def add_report_option(parser: argparse.ArgumentParser) -> None:
    """`--report`."""
    parser.add_argument(
        "--report",
        type=Path,
        default=None,
        metavar="FILE",
        help="page in HTML to write: figures, parity, check, settings, all in one file",
    )


def write_report(path: Path, document: Document) -> None:
    """Write the page."""
    from onchip.deploy.cli.common import say
    from onchip.deploy.reports.page import as_html
    from onchip.files.writing import write_text

    write_text(path, as_html(document))
    say(f"report: {path}")


def event_blocks(rows: dict[str, np.ndarray]) -> list[Block]:
    """One sample by each of some sensors, as a picture and to step through.

    `rows`: title -> frames [T, channels, height, width]; nothing where they are not OFF and ON
    events of a sensor.
    """
    from onchip.deploy.reports.figures import draw_events
    from onchip.deploy.reports.pictures import Frames, Picture

    if any(frames.ndim != 4 or frames.shape[1] != 2 for frames in rows.values()):
        return []
    caption = f"Events of one test sample: {' and '.join(rows)}."
    return [
        Picture.drawn("events.png", caption, lambda path: draw_events(path, rows)),
        Frames(rows, "The same, step by step: move the slider."),
    ]
