"""What `onchip train --report` shows, from what was trained."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.report_options import write_report
from onchip.program.graphs import AnyNetwork, as_graph

if TYPE_CHECKING:
    from onchip.deploy.pages.document import Block
    from onchip.models.data import FrameDataset


def write_training_report(
    args: argparse.Namespace,
    results: dict[str, Any],
    history: Sequence[Mapping[str, Any]],
    networks: tuple[AnyNetwork, AnyNetwork],
    test_set: FrameDataset,
) -> dict[str, Any]:
    """Write the report; returns `report`, for the results.

    `networks` are those before and after training, described in floating point.
    """
    from onchip.deploy.checks.network import check
    from onchip.deploy.pages.network_pictures import event_blocks, training_picture
    from onchip.deploy.pages.sections import network_blocks
    from onchip.deploy.pages.training_report import training_report

    trained, frames = networks[1], test_set.frames[0]
    figures: dict[str, Sequence[Block]] = {
        "course": _course(history, test_set.classes, results),
        "events": event_blocks({"the sensor": frames}),
        "parity": _or_reason(lambda: _parity(trained, test_set)),
        "raster": _or_reason(lambda: _raster(trained, frames, int(test_set.labels[0]))),
        "weights": [training_picture(*networks)],
        "network": network_blocks(trained),
    }
    checked = check(as_graph(trained))
    kept = {**results, "options": args.options}
    report = training_report(kept, args.command_line, history, checked, figures)
    write_report(args.report, report)
    return {"report": str(args.report)}


def _or_reason(blocks: Callable[[], list[Block]]) -> list[Block]:
    """The blocks, or why no execution takes this network's samples."""
    from onchip.deploy.pages.document import Text

    try:
        return blocks()
    except ValueError as error:
        return [Text(f"Left out: {error}.", "note")]


def _course(
    history: Sequence[Mapping[str, Any]], classes: int, results: Mapping[str, Any]
) -> list[Block]:
    from onchip.deploy.pages.pictures import Picture
    from onchip.deploy.reports.walkthrough_figures import draw_training

    title = f"{results['model']} on {results['dataset']}"
    caption = "Loss and accuracies after each epoch; dashed: the accuracy of guessing."
    draw = Picture.drawn(
        "course.png", caption, lambda path: draw_training(path, history, 1 / classes, title)
    )
    return [draw]


def _parity(network: AnyNetwork, test_set: FrameDataset) -> list[Block]:
    """The trainer's own layers against the NumPy engine, on a test sample, learning off."""
    from onchip.deploy.cli.parity_command import choose_executions
    from onchip.deploy.pages.sections import parity_blocks
    from onchip.deploy.parity.comparison import compare

    factories, left_out = choose_executions(network, ["torch"])
    report = compare(network, test_set.frames[:1], test_set.labels[:1], factories, left_out)
    return parity_blocks(report, "float")


def _raster(network: AnyNetwork, frames: np.ndarray, label: int) -> list[Block]:
    from onchip.deploy.pages.network_pictures import raster_picture

    return [raster_picture(network, frames, label, f"a {label}, after training")]
