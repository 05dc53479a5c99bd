"""`--report FILE`: a page in HTML on what a command learned."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from onchip.deploy.pages.document import Document


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
    from onchip.deploy.pages.page import as_html
    from onchip.files.writing import write_text

    write_text(path, as_html(document))
    say(f"report: {path}")
