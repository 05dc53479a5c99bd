"""The command `onchip`: train, export, quantize, check, run, learn, parity, demo and more.

Exit codes: 0 done, 1 a parity check that failed (or an exception, with its traceback), 2 bad input
with one line on stderr, 130 interrupted. Only this package of deploy imports models; everything
heavy is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from typing import NoReturn

from deploy.atomic import check_target, write_json
from deploy.cli import (
    check_command,
    datasets_command,
    demo_command,
    evaluate_command,
    export_command,
    learn_command,
    parity_command,
    quantize_command,
    run_command,
    train_command,
)
from onchip.waiting import wait_passively

COMMANDS = (
    train_command,
    evaluate_command,
    export_command,
    quantize_command,
    check_command,
    run_command,
    learn_command,
    parity_command,
    demo_command,
    datasets_command,
)
"""Each module has `add(subparsers)`; the parser it adds names its function as `execute`."""

BAD_INPUT = (
    ValueError,
    FileNotFoundError,
    NotADirectoryError,
    IsADirectoryError,
    PermissionError,
    FloatingPointError,
)
"""What bad input raises; FloatingPointError: learning diverged at the rate that was asked for."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. `arguments=None` takes the command line's."""
    wait_passively()  # before torch is imported
    args = make_parser().parse_args(arguments)
    args.command_line = shlex.join(["onchip", *(sys.argv[1:] if arguments is None else arguments)])
    try:
        out = None if args.execute is demo_command.execute else getattr(args, "out", None)
        for target in (args.json, out):
            if target is not None:
                check_target(target)  # before the work, not after it
        results = args.execute(args)
        if args.json is not None:
            write_json(args.json, results)
    except Exception as error:
        if not _is_bad_input(error):
            raise
        print(f"onchip: error: {' '.join(str(error).split())}", file=sys.stderr)
        return 2
    except KeyboardInterrupt as interrupt:
        print(f"onchip: interrupted{_detail(interrupt)}", file=sys.stderr)
        return 130
    return 0 if results.get("passed", True) else 1


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="onchip",
        description="Train spiking networks with OTTT and keep them learning in Lava.",
        epilog="`onchip COMMAND --help` explains a command and gives an example.",
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)
    for command in COMMANDS:
        command.add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Answers bad usage with one line, as all other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"onchip: error: {message} (see {self.prog} --help)\n")


def _is_bad_input(error: Exception) -> bool:
    """Also where a Lava process found it: its exception is the cause of another."""
    return isinstance(error, BAD_INPUT) or isinstance(error.__cause__, FloatingPointError)


def _detail(interrupt: KeyboardInterrupt) -> str:
    return f": {interrupt}" if str(interrupt) else ""
