"""`--patience` of online learning: the stream ends when its accuracy no longer rises."""

from __future__ import annotations

import argparse
from collections.abc import Callable

from onchip.models.cli.options import positive

WINDOW = 100
"""Samples of the accuracy that is looked at."""


def add_patience_option(parser: argparse.ArgumentParser) -> None:
    """`--patience`."""
    parser.add_argument(
        "--patience",
        type=positive,
        default=None,
        metavar="N",
        help=f"end when the accuracy of the last {WINDOW} samples, each predicted first, has not "
        "risen for N samples; predicting changes how integers round, as with --measure (never)",
    )


def patience_stop(args: argparse.Namespace) -> Callable[[bool], bool] | None:
    """Return what ends the stream, where that is asked for: each sample is then measured."""
    from onchip.deploy.backends.stream_log import EarlyStopping

    if args.patience is None:
        return None
    args.measure = True
    return EarlyStopping(args.patience, WINDOW).stalled
