"""Training from the command line: ``python -m onchip.models.fptt add`` (digits, dvsgesture)."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onchip.files.targets import check_target, require_distinct
from onchip.files.writing import write_json
from onchip.models.cli.program import run_program, say

DEFAULTS: dict[str, dict[str, Any]] = {
    "add": {"parts": 10, "updates": 1000, "alpha": 0.1, "batch": 64, "learning_rate": 0.003},
    "digits": {"parts": 4, "updates": 40, "alpha": 0.1, "batch": 32, "learning_rate": 0.01},
    "dvsgesture": {
        "hidden": (512, 512, 512),
        "cell": "ltc-adaptive",
        "optimizer": "adamax",
        "parts": 20,
        "updates": 50,
        "alpha": 0.1,
        "batch": 32,
        "learning_rate": 0.003,
    },
}
"""What the tasks' defaults differ in."""

LINES = 10
"""Lines of progress in a run."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 2 bad input, 130 Ctrl-C, 143 SIGTERM (129 SIGHUP)."""
    return run_program("onchip.models.fptt", make_parser(), run, arguments)


def run(args: argparse.Namespace, command: str) -> None:
    """Check everything, train on `args.threads` threads and write the results."""
    import torch

    from onchip.models.fptt.labelled import LABELLED
    from onchip.models.fptt.training import train

    targets = [(n, p) for n, p in (("--json", args.json), ("--out", args.out)) if p is not None]
    require_distinct(targets)
    for _, target in targets:
        check_target(target)
    config = make_config(args)
    if config.task in LABELLED and LABELLED[config.task].source:
        say(f"{config.task}: {LABELLED[config.task].source}")
    threads = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    try:
        result = train(config, say, max(1, config.updates // LINES), _keeper(args, command))
    finally:
        torch.set_num_threads(threads)
    if args.json is not None:
        versions = {"torch": torch.__version__}
        write_json(args.json, {"command": command, "versions": versions, **result.as_json()})
    _save(args, command, result.network, config.updates)
    say(_closing(result) + ("" if args.out is None else f": {args.out}"))


def _keeper(args: argparse.Namespace, command: str) -> Any:
    """What keeps the network beside each line of progress, where there is a file for it."""

    def keep(network: Any, done: int) -> None:
        if args.out is not None:
            _save(args, command, network, done)
            args.left = f"; {args.out} holds the network after {done} of {args.updates}"

    return keep


def _save(args: argparse.Namespace, command: str, network: Any, done: int) -> None:
    import torch

    from onchip.models.fptt.files import save_network

    if args.out is not None:
        versions = {"torch": torch.__version__}
        save_network(args.out, network, {"command": command, "versions": versions, "done": done})


def make_config(args: argparse.Namespace) -> Any:
    """`RunConfig` from the options."""
    from onchip.models.fptt.config import RunConfig
    from onchip.models.fptt.optimizer import FPTTConfig

    own = {"alpha", "beta", "rho", "clip", "json", "out", "threads"}
    fields = {name: value for name, value in vars(args).items() if name not in own}
    fptt = FPTTConfig(args.alpha, args.beta, args.rho, args.clip)
    return RunConfig(**fields, fptt=fptt)


def make_parser() -> argparse.ArgumentParser:
    """The tasks and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m onchip.models.fptt",
        description="Train liquid-time-constant spiking neurons by FPTT or BPTT, offline.",
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    add = tasks.add_parser("add", help="add two marked numbers of a long sequence")
    add.add_argument("--steps", type=int, default=200, help="length T of a sequence (200)")
    add.add_argument("--updates", type=int, help="batches to learn from (1000)")
    add.add_argument("--target", default="final", help="final, or running: the sum so far (final)")
    digits = tasks.add_parser("digits", help="scikit-learn's digits, one pixel a step")
    digits.set_defaults(steps=64)
    gestures = tasks.add_parser("dvsgesture", help="DVS-Gesture, read by tonic from a folder")
    gestures.add_argument("--data-root", required=True, help="the folder that holds DVSGesture/")
    gestures.add_argument("--steps", type=int, default=20, help="frames of a recording (20)")
    gestures.add_argument("--limit", type=int, help="recordings of each part at most (all)")
    for task, chosen in (("add", add), ("digits", digits), ("dvsgesture", gestures)):
        if task != "add":
            _add_labelled_options(chosen, DEFAULTS[task]["updates"])
        _add_shared_options(chosen, DEFAULTS[task])
        chosen.set_defaults(**DEFAULTS[task])
    return parser


def _add_labelled_options(parser: argparse.ArgumentParser, epochs: int) -> None:
    parser.add_argument(
        "--epochs", type=int, dest="updates", help=f"times through the data ({epochs})"
    )
    parser.add_argument(
        "--oracle", action="store_true", help="also learn from the own former prediction"
    )


def _add_shared_options(parser: argparse.ArgumentParser, defaults: dict[str, Any]) -> None:
    parts, alpha, batch, rate = (
        defaults[name] for name in ("parts", "alpha", "batch", "learning_rate")
    )
    cell, optimizer = defaults.get("cell", "ltc"), defaults.get("optimizer", "adam")
    sizes = ",".join(map(str, defaults.get("hidden", (64,))))
    parser.add_argument("--method", default="fptt", help="fptt or bptt (fptt)")
    parser.add_argument(
        "--cell", default="ltc", help=f"ltc, ltc-adaptive, adaptive or lif ({cell})"
    )
    parser.add_argument("--hidden", type=_sizes, default=(64,), help=f"cells a layer ({sizes})")
    parser.add_argument(
        "--slowest",
        type=int,
        metavar="STEPS",
        help="spread the membranes' time constants of the start up to this (all about 8 steps)",
    )
    parser.add_argument("--parts", type=int, help=f"updates of a sequence, FPTT ({parts})")
    parser.add_argument("--batch", type=int, help=f"sequences of a batch ({batch})")
    parser.add_argument("--optimizer", default="adam", help=f"adam, adamax or sgd ({optimizer})")
    parser.add_argument("--learning-rate", "--lr", type=float, help=f"at the start ({rate})")
    parser.add_argument("--schedule", default="cosine", help="cosine or constant (cosine)")
    parser.add_argument("--weighting", default="correct", help="of parts: correct or published")
    parser.add_argument("--alpha", type=float, help=f"strength of the regularizer ({alpha})")
    parser.add_argument("--beta", type=float, default=0.5, help="rate of the means (0.5)")
    parser.add_argument("--rho", type=float, default=0.0, help="factor of the duals' term (0)")
    parser.add_argument(
        "--clip", type=float, default=1.0, help="gradient's norm at most (1; 0: any)"
    )
    parser.add_argument("--threads", type=_positive, default=1, help="torch's threads (1)")
    parser.add_argument("--seed", type=int, default=0, help="of weights and data (0)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write settings and curves here")
    parser.add_argument("--out", type=Path, metavar="FILE", help="write the trained network here")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        return tuple(int(part) for part in text.split(","))
    except ValueError:
        message = f"{text:.80} is not a list of sizes such as 64 or 512,512"
        raise argparse.ArgumentTypeError(message) from None


def _positive(text: str) -> int:
    from onchip.models.cli.options import positive

    return positive(text)


def _closing(result: Any) -> str:
    config = result.config
    name = f"{config.task}, {config.cell} by {config.method}"
    losses = f"last loss {result.last:.5f}, best {result.best:.5f}"
    tested = f", test accuracy {result.accuracy[-1]:.4f}" if result.accuracy else ""
    return f"{name}: {losses}{tested}, {result.cpu_seconds:.1f} CPU seconds"
