"""Training from the command line: ``python -m onchip.models.fptt add`` or ``digits``."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onchip.files.targets import check_target
from onchip.files.writing import write_json
from onchip.models.cli.program import run_program, say

DEFAULTS: dict[str, dict[str, Any]] = {
    "add": {"parts": 10, "updates": 1000, "alpha": 0.5, "batch": 64, "learning_rate": 0.003},
    "digits": {"parts": 4, "updates": 40, "alpha": 0.1, "batch": 32, "learning_rate": 0.01},
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

    from onchip.models.fptt.training import train

    if args.json is not None:
        check_target(args.json)
    config = make_config(args)
    threads = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    try:
        result = train(config, say, max(1, config.updates // LINES))
    finally:
        torch.set_num_threads(threads)
    if args.json is not None:
        versions = {"torch": torch.__version__}
        write_json(args.json, {"command": command, "versions": versions, **result.as_json()})
    say(_closing(result))


def make_config(args: argparse.Namespace) -> Any:
    """`RunConfig` from the options."""
    from onchip.models.fptt.config import RunConfig
    from onchip.models.fptt.optimizer import FPTTConfig

    own = {"alpha", "beta", "rho", "clip", "json", "threads"}
    fields = {name: value for name, value in vars(args).items() if name not in own}
    fptt = FPTTConfig(args.alpha, args.beta, args.rho, args.clip)
    return RunConfig(**fields, fptt=fptt)


def make_parser() -> argparse.ArgumentParser:
    """The two tasks and their options."""
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
    digits.add_argument("--epochs", type=int, dest="updates", help="times through the data (40)")
    digits.set_defaults(steps=64)
    digits.add_argument(
        "--oracle", action="store_true", help="also learn from the own former prediction"
    )
    for task, chosen in (("add", add), ("digits", digits)):
        _add_shared_options(chosen, DEFAULTS[task])
        chosen.set_defaults(**DEFAULTS[task])
    return parser


def _add_shared_options(parser: argparse.ArgumentParser, defaults: dict[str, Any]) -> None:
    parts, alpha, batch, rate = (
        defaults[name] for name in ("parts", "alpha", "batch", "learning_rate")
    )
    parser.add_argument("--method", default="fptt", help="fptt or bptt (fptt)")
    parser.add_argument("--cell", default="ltc", help="ltc, ltc-adaptive, adaptive or lif (ltc)")
    parser.add_argument("--hidden", type=int, default=64, help="cells (64)")
    parser.add_argument("--parts", type=int, help=f"updates of a sequence, FPTT ({parts})")
    parser.add_argument("--batch", type=int, help=f"sequences of a batch ({batch})")
    parser.add_argument("--optimizer", default="adam", help="adam, adamax or sgd (adam)")
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


def _positive(text: str) -> int:
    from onchip.models.cli.options import positive

    return positive(text)


def _closing(result: Any) -> str:
    config = result.config
    name = f"{config.task}, {config.cell} by {config.method}"
    losses = f"last loss {result.last:.5f}, best {result.best:.5f}"
    tested = f", test accuracy {result.accuracy[-1]:.4f}" if result.accuracy else ""
    return f"{name}: {losses}{tested}, {result.cpu_seconds:.1f} CPU seconds"
