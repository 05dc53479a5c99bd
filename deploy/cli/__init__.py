"""The command `onchip`: train, export, quantize, check, cost, run, learn, parity, demo and more.

Exit codes: 0 done, 1 a parity check that failed (or an exception, with its traceback), 2 bad input
with one line on stderr, 130 interrupted by Ctrl-C, 143 ended by SIGTERM (129 by SIGHUP). Only this
package of deploy imports models; everything heavy is imported by the command that needs it.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import onchip
from onchip.allocation import keep_freed_memory
from onchip.deploy.cli import (
    check_command,
    classes_command,
    completion_command,
    cost_command,
    datasets_command,
    demo_command,
    evaluate_command,
    export_command,
    interchange_commands,
    learn_command,
    lifelong_command,
    parity_command,
    quantize_command,
    run_command,
    study_command,
    train_command,
    unroll_command,
)
from onchip.deploy.cli.config_files import (
    RESULT_KEYS,
    apply_config,
    file_of,
    options_of,
    resumed_options,
    set_defaults,
)
from onchip.files.targets import check_target, require_distinct
from onchip.files.writing import write_json
from onchip.models.cli.failures import failure_text, is_bad_input
from onchip.models.cli.interruption import Ended, ending_in_order, ending_word, exit_code
from onchip.models.cli.streams import patient_streams
from onchip.waiting import wait_passively

COMMANDS = (
    train_command,
    evaluate_command,
    export_command,
    quantize_command,
    check_command,
    cost_command,
    unroll_command,
    classes_command,
    run_command,
    learn_command,
    lifelong_command,
    parity_command,
    demo_command,
    study_command,
    datasets_command,
    interchange_commands,
    completion_command,
)
"""Each module has `add(subparsers)`; the parser it adds names its function as `execute`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code. `arguments=None` takes the command line's."""
    with patient_streams() as (out, _):
        try:
            with ending_in_order():
                code = _run(arguments)
        except Ended as ended:  # while another end was told of
            code = exit_code(ended)
        out.flush()
        if out.failure is not None and code in (0, 1):
            _tell(f"error: standard output: {out.failure.strerror}")
            code = 2
    return code


def _run(arguments: Sequence[str] | None) -> int:
    wait_passively()  # before torch is imported
    if arguments is None:  # the program is this one
        keep_freed_memory()
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        args = _parsed(words)
    except (OSError, ValueError) as error:  # of a file of options
        _tell(f"error: {failure_text(error)}")
        return 2
    if args.execute is None:
        make_parser().print_help()
        return 0
    args.command_line = shlex.join(["onchip", *words])
    args.left = lambda: ""
    kept = _options(words)
    args.options = kept["options"]
    try:
        _check_targets(args)  # before the work, not after it
        results = args.execute(args)
        if args.json is not None:
            write_json(args.json, {**results, **kept})
    except Exception as error:
        if not is_bad_input(error):
            _tell(*filter(None, [args.left()]))
            raise
        _tell(f"error: {failure_text(error)}", args.left())
        return 2
    except KeyboardInterrupt as interrupt:
        left = args.left()
        _tell(f"{ending_word(interrupt)}{left and f': {left}'}")
        return exit_code(interrupt)
    return 0 if results.get("passed", True) else 1


def _parsed(words: list[str]) -> argparse.Namespace:
    """The options, with those of a file as the command's defaults."""
    parser = make_parser()
    if words and words[0] in _commands(parser):
        _take_over(words, _commands(parser)[words[0]])
    return parser.parse_args(words)


def _take_over(words: list[str], parser: argparse.ArgumentParser) -> None:
    """Make the options of a checkpoint that training goes on from, and of a file, the defaults."""
    command, resumed = words[0], file_of("--resume", words)
    if command == "train" and resumed is not None:
        set_defaults(f"checkpoint {resumed}", resumed_options(resumed), command, parser)
    config = file_of("--config", words)
    if config is not None:
        apply_config(config, command, parser)


def _options(words: list[str]) -> dict[str, Any]:
    """What a result keeps of the run: all options, by which `--config` runs it again."""
    chosen = _commands(make_parser())[words[0]]
    _take_over(words, chosen)
    return dict(zip(RESULT_KEYS, (words[0], options_of(chosen, words[1:])), strict=True))


def _commands(parser: argparse.ArgumentParser) -> dict[str, argparse.ArgumentParser]:
    """The parsers of the commands by name."""
    (action,) = (a for a in parser._actions if isinstance(a, argparse._SubParsersAction))
    return dict(action.choices)


def _check_targets(args: argparse.Namespace) -> None:
    """Raise OSError or ValueError where an output cannot be written, or two are one file."""
    folders = (demo_command.execute, study_command.execute)
    out = None if args.execute in folders else getattr(args, "out", None)
    named = {"--out": out, "--log": getattr(args, "log", None), "--json": args.json}
    more = ("figure", "report", "keep", "samples-file")
    named |= {f"--{name}": getattr(args, name.replace("-", "_"), None) for name in more}
    outputs = [(name, path) for name, path in named.items() if path is not None]
    for _, path in outputs:
        check_target(path)
    require_distinct([*outputs, *_state_beside(args), *_inputs_to_keep(args)])


def _state_beside(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """The file that `onchip learn` may keep its state in, and removes at the end."""
    if args.execute is not learn_command.execute or args.out is None:
        return []
    from onchip.deploy.backends.kept_learning import state_file

    return [("the state of learning beside --out", state_file(args.out))]


def _inputs_to_keep(args: argparse.Namespace) -> list[tuple[str, Path]]:
    """What the command reads and must not write over: all but what its `--out` goes on from."""
    in_place = {learn_command: "file", quantize_command: "file", train_command: "resume"}
    going_on = {module.execute: name for module, name in in_place.items()}.get(args.execute)
    names = ("file", "checkpoint", "resume", "labels", "config", "network")
    inputs = {name: getattr(args, name, None) for name in names}
    dataset = getattr(args, "dataset", None)  # a name, or a file of one's own
    inputs["dataset"] = Path(dataset) if dataset and os.path.isfile(dataset) else None  # noqa: PTH113
    out = getattr(args, "out", None)
    return [
        (f"the input {name}", path)
        for name, path in inputs.items()
        if isinstance(path, Path) and not (name == going_on and _same(path, out))
    ]


def _same(path: Path, other: Path | None) -> bool:
    return other is not None and os.path.realpath(path) == os.path.realpath(other)


def make_parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    parser = _Parser(
        prog="onchip",
        description="Train spiking networks with OTTT and keep them learning in Lava.",
        epilog="`onchip COMMAND --help` explains a command and gives an example.",
    )
    parser.add_argument(
        "--version", action="version", version=f"onchip {onchip.__version__}", help="show it"
    )
    parser.set_defaults(execute=None)
    commands = parser.add_subparsers(metavar="COMMAND", required=False)
    for command in COMMANDS:
        command.add(commands)
    return parser


class _Parser(argparse.ArgumentParser):
    """Answers bad usage with one line, as all other bad input."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"onchip: error: {message} (see {self.prog} --help)\n")


def _tell(*parts: str) -> None:
    """One line on stderr."""
    text = "; ".join(filter(None, parts))
    if text:
        print(f"onchip: {' '.join(text.split())}", file=sys.stderr, flush=True)
