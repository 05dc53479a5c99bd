"""Options for data of one's own that commands of training share."""

from __future__ import annotations

import argparse
from pathlib import Path


def add_own_data_options(parser: argparse.ArgumentParser) -> None:
    """`--labels` and `--sensor-size`, which some data of one's own need."""
    parser.add_argument("--labels", type=Path, default=None, help="file of labels of your own data")
    parser.add_argument(
        "--sensor-size",
        type=sensor_size,
        default=None,
        metavar="W,H,P",
        help="of your own events, where their files do not say it",
    )


def sensor_size(text: str) -> tuple[int, int, int]:
    """An option's WIDTH,HEIGHT,POLARITIES (2 where it is left out) as numbers."""
    sides = text.split(",")
    if len(sides) not in (2, 3) or not all(s.isdecimal() and int(s) > 0 for s in sides):
        raise argparse.ArgumentTypeError(f"{text} must be WIDTH,HEIGHT,POLARITIES, like 34,34,2")
    width, height, polarities = (*map(int, sides), 2)[:3]
    return width, height, polarities
