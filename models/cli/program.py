"""What the training programs share: how one begins, ends and speaks, and the data it names."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Callable, Sequence

from onchip.models.cli.failures import failure_text, is_bad_input
from onchip.models.cli.interruption import ending_in_order, ending_word, exit_code
from onchip.models.cli.streams import patient_streams
from onchip.models.data.dataset import FrameDataset


def run_program(
    module: str,
    parser: argparse.ArgumentParser,
    run: Callable[[argparse.Namespace, str], None],
    arguments: Sequence[str] | None,
) -> int:
    """Run ``python -m MODULE`` as `run(args, command)`; returns the exit code.

    0 done, 2 bad input (one line on stderr), 130 Ctrl-C, 143 SIGTERM, 129 SIGHUP. `run` may set
    `args.left` to what an error's line should add, such as what was kept.
    """
    with patient_streams(), ending_in_order():
        args = parser.parse_args(arguments)
        words = sys.argv[1:] if arguments is None else arguments
        try:
            run(args, shlex.join(["python", "-m", module, *words]))
        except Exception as error:
            if not is_bad_input(error):
                raise
            return _fail(module, failure_text(error) + _left(args), 2)
        except KeyboardInterrupt as interrupt:
            return _fail(module, ending_word(interrupt) + _left(args), exit_code(interrupt))
    return 0


def say(line: str) -> None:
    """Print a line at once."""
    print(line, flush=True)


def _left(args: argparse.Namespace) -> str:
    left: str = getattr(args, "left", "")
    return left


def _fail(module: str, message: str, code: int) -> int:
    text = " ".join(message.split())
    print(f"{module}: error: {text}", file=sys.stderr, flush=True)
    return code


def load_named_data(args: argparse.Namespace) -> tuple[FrameDataset, FrameDataset]:
    """(train, test) of the options that name a data set."""
    from onchip.models.data.load import load_dataset

    return load_dataset(
        args.dataset,
        split=args.split,
        data_root=args.data_root,
        time_steps=args.time_steps,
        framing=args.framing,
        binary=not args.counts,
        size=args.size,
        seed=args.seed or 0,
        limit=args.limit,
        labels=args.labels,
        sensor_size=args.sensor_size,
    )
