"""What looks at a stream of `onchip learn` while it is learned from: logs, view and report."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from onchip.deploy.backends.streams import SampleEvent

if TYPE_CHECKING:
    from onchip.deploy.backends.execution import Execution
    from onchip.deploy.backends.streams import OnSample


def add_watching_options(parser: argparse.ArgumentParser) -> None:
    """`--log`, `--tensorboard` and `--live`."""
    parser.add_argument(
        "--log",
        type=Path,
        default=None,
        metavar="CSV",
        help="file for a row on each sample: label, prediction, running accuracy; while it learns, "
        "but with --measure before",
    )
    parser.add_argument(
        "--tensorboard",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="folder of a run for the running accuracy, as TensorBoard reads it",
    )
    parser.add_argument(
        "--live",
        action="store_true",
        help="show accuracy, spikes, changed weights and speed in the terminal as it learns",
    )


@dataclass
class StreamRecord:
    """Whether the predictions were right, and of which samples; give it as `on_sample`."""

    positions: list[int] = field(default_factory=list)
    correct: list[bool] = field(default_factory=list)

    def __call__(self, event: SampleEvent) -> None:
        """Note a sample."""
        if event.correct is not None:
            self.positions.append(event.index)
            self.correct.append(event.correct)


@dataclass(frozen=True)
class Watchers:
    """What hears of each sample, if anything does; `often`: seconds within which it wants to."""

    watchers: tuple[OnSample, ...] = ()
    often: float | None = None

    def __bool__(self) -> bool:
        return bool(self.watchers)

    def __call__(self, event: SampleEvent) -> None:
        """Tell all of them."""
        for watcher in self.watchers:
            watcher(event)


@contextmanager
def watching(
    args: argparse.Namespace,
    execution: Execution,
    record: StreamRecord | None,
    live: bool,
    done: int,
    total: int,
) -> Iterator[Watchers]:
    """What the options ask for; it goes on after `done` of `total` samples."""
    from onchip.deploy.backends.stream_log import StreamLog
    from onchip.deploy.cli.live_view import OFTEN, LiveView

    watchers: list[OnSample] = [] if record is None else [record]
    with ExitStack() as stack:
        if args.log is not None or args.tensorboard is not None:
            log = StreamLog(args.log, args.tensorboard, going_on=done)
            watchers.append(stack.enter_context(log))
        if live:
            title, steps = f"{args.file.name} learns", execution.spec.time_steps
            view = LiveView(title, total, steps, execution.weights, done)
            watchers.append(stack.enter_context(view))
        yield Watchers(tuple(watchers), OFTEN if live else None)
