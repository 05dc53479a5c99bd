"""What `onchip learn --report` shows, from what was learned."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.common import say
from onchip.deploy.cli.data import DataChoice, drift_of, take
from onchip.deploy.cli.report_options import write_report
from onchip.deploy.cli.watching import StreamRecord
from onchip.program.graphs import INTEGERS, AnyNetwork, numbers_of

if TYPE_CHECKING:
    from onchip.deploy.pages.document import Block
    from onchip.deploy.parity.comparison import ParityReport
    from onchip.models.data import FrameDataset

WINDOW = 100
"""Samples of the running accuracy, fewer where there are fewer than twice as many."""

TOLD = (
    "*while* it is learned from, when the network is told its class, so that this is more than it "
    "could predict (`--measure` predicts each sample first, after which integers round otherwise)"
)


@dataclass(frozen=True)
class LearnedStream:
    """A network before and after it learned from `stream`, (frames, labels), and its data.

    `held_out` are the samples of `test_set` that the accuracies were measured on.
    """

    before: AnyNetwork
    after: AnyNetwork
    stream: tuple[np.ndarray, np.ndarray]
    record: StreamRecord
    choice: DataChoice
    test_set: FrameDataset
    held_out: tuple[np.ndarray, np.ndarray]


def write_learning_report(
    args: argparse.Namespace, results: dict[str, Any], learned: LearnedStream
) -> dict[str, Any]:
    """Write the report; returns `parity.passed` and `report`, for the results."""
    from onchip.deploy.checks.network import check
    from onchip.deploy.pages.learning_report import learning_report
    from onchip.deploy.pages.sections import network_blocks

    precision = "fixed" if numbers_of(learned.before) == INTEGERS else "float"
    worths = [_worth(args, network) for network in (learned.before, learned.after)]
    parity = _parity(args, learned, results["backend"])
    figures = {
        "events": _events(args, learned),
        "stream": _stream(args, learned, results),
        "parity": _parity_blocks(parity, precision),
        "rasters": _rasters(learned),
        "weights": _weights(*worths),
        "network": network_blocks(learned.after),
    }
    integers: Any = learned.after if precision == "fixed" else None
    checked = check(worths[1], integers)
    kept = {**results, "options": args.options}
    write_report(args.report, learning_report(kept, args.command_line, checked, figures))
    passed = None if parity is None else parity.passed
    return {"parity.passed": passed, "report": str(args.report)}


def _worth(args: argparse.Namespace, network: AnyNetwork) -> Any:
    """A network in floating point; of integers what they are worth."""
    from onchip.deploy.files.hdf5 import load_bundle
    from onchip.deploy.quantization.network import dequantize

    if numbers_of(network) != INTEGERS:
        return network
    integers: Any = network
    floats: Any = load_bundle(args.file).spec
    return dequantize(integers, floats)


def _parity(args: argparse.Namespace, learned: LearnedStream, backend: str) -> ParityReport | None:
    """The backend against the NumPy engine on the stream's first sample; None on the engine."""
    from onchip.deploy.backends.table import BACKENDS, REFERENCE, executions
    from onchip.deploy.cli.parity_command import choose_executions
    from onchip.deploy.parity.comparison import compare

    if backend == REFERENCE or BACKENDS[backend].chip:
        return None
    names = [
        name
        for name, (its, schedule) in executions().items()
        if its == backend and args.schedule in (None, schedule)
    ]
    factories, left_out = choose_executions(learned.before, names, args.convolutions)
    frames, labels = (values[:1] for values in learned.stream)
    report = compare(
        learned.before, frames, labels, factories, left_out, convolutions=args.convolutions
    )
    if not report.passed:
        say(f"parity FAILED on the stream's first sample: {report.untested or 'see the report'}")
    return report


def _parity_blocks(report: ParityReport | None, precision: str) -> list[Block]:
    from onchip.deploy.pages.document import Text
    from onchip.deploy.pages.sections import parity_blocks

    if report is None:
        note = "Learned where there is nothing to compare: on the reference itself, or on a chip."
        return [Text(f"{note} `onchip parity` compares the other executions.")]
    return parity_blocks(report, precision)


def _events(args: argparse.Namespace, learned: LearnedStream) -> list[Block]:
    """A sample as the sensor sees it, and where that has drifted as the original one does."""
    from onchip.deploy.pages.network_pictures import event_blocks

    frames = learned.held_out[0][0]
    if not drift_of(args):
        return event_blocks({"the sensor": frames})
    _, original = learned.choice.load(args.data_root, args.limit)
    first = take(original, args.test_samples)[0][0]
    return event_blocks({"original sensor": first, "drifted sensor": frames})


def _stream(
    args: argparse.Namespace, learned: LearnedStream, results: dict[str, Any]
) -> list[Block]:
    from onchip.deploy.pages.learning_report import ACCURACIES
    from onchip.deploy.pages.stream_chart import StreamChart

    record = learned.record
    if not record.positions:
        return []
    window = max(1, min(WINDOW, len(record.positions) // 2))
    when = "before it is learned from" if args.measure else TOLD
    caption = (
        f"Accuracy along the stream, mean of {window} samples, each {when}; dashed: accuracies on "
        "test samples."
    )
    levels = {f"test samples, {text}": results[key] for key, text in ACCURACIES.items()}
    positions, correct = np.array(record.positions), np.array(record.correct)
    streams = {"stream": correct}
    return [StreamChart.drawn("stream.png", caption, positions, streams, levels, window)]


def _rasters(learned: LearnedStream) -> list[Block]:
    from onchip.deploy.pages.network_pictures import raster_picture

    frames, label = learned.held_out[0][0], int(learned.held_out[1][0])
    return [
        raster_picture(network, frames, label, f"a {label}, {when} learning", f"raster_{when}.png")
        for network, when in ((learned.before, "before"), (learned.after, "after"))
    ]


def _weights(before: AnyNetwork, after: AnyNetwork) -> list[Block]:
    from onchip.deploy.pages.network_pictures import weights_picture

    return [weights_picture(before, after)]
