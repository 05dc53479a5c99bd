"""Training from the command line: ``python -m onchip.models.spike_times xor`` or ``digits``."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onchip.files.targets import check_target
from onchip.files.writing import write_json
from onchip.models.cli.program import run_program, say

LINES = 10
"""Lines of progress in a run on digits."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 2 bad input, 130 Ctrl-C, 143 SIGTERM (129 SIGHUP)."""
    return run_program("onchip.models.spike_times", make_parser(), run, arguments)


def run(args: argparse.Namespace, command: str) -> None:
    """Check everything, train on `args.threads` threads and write the results."""
    import torch

    if args.json is not None:
        check_target(args.json)
    configs = make_configs(args)
    threads = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    try:
        runs = [_run_one(config) for config in configs]
    finally:
        torch.set_num_threads(threads)
    if args.json is not None:
        written = [_as_json(result) for result in runs]
        versions = {"torch": torch.__version__}
        write_json(args.json, {"command": command, "versions": versions, "runs": written})
    say(_closing(runs))


def make_configs(args: argparse.Namespace) -> list[Any]:
    """A `RunConfig` for every seed, from the options that were given."""
    from onchip.models.spike_times.config import make_config

    own = {"task", "seeds", "seed", "json", "threads"}
    given = {n: value for n, value in vars(args).items() if n not in own and value is not None}
    seeds = range(args.seed, args.seed + args.seeds)
    return [make_config(args.task, **given, seed=seed) for seed in seeds]


def make_parser() -> argparse.ArgumentParser:
    """The two tasks and their options."""
    parser = argparse.ArgumentParser(
        prog="python -m onchip.models.spike_times",
        description="Train neurons that fire at most once by their spike times, offline.",
    )
    tasks = parser.add_subparsers(dest="task", required=True, metavar="TASK")
    xor = tasks.add_parser("xor", help="XOR of two spikes, each early or late")
    digits = tasks.add_parser("digits", help="scikit-learn's digits, bright pixels early")
    digits.add_argument("--batch", type=int, help="samples of a batch (64)")
    for chosen, hidden, updates, rate in ((xor, 4, 200, 0.03), (digits, 100, 1500, 0.02)):
        chosen.add_argument("--hidden", type=int, help=f"neurons of the hidden layer ({hidden})")
        chosen.add_argument("--updates", type=int, help=f"of the weights ({updates})")
        chosen.add_argument("--learning-rate", "--lr", type=float, help=f"at the start ({rate})")
        _add_shared_options(chosen)
    return parser


def _add_shared_options(parser: argparse.ArgumentParser) -> None:
    for name, text in (
        ("momentum", "Adam's first decay (0.5)"),
        ("weight-sum", "K of the cost on weights that sum to too little (10)"),
        ("row-limit", "a neuron's gradient's norm at most (1)"),
        ("gain", "mean sum of a neuron's weights at the start (3)"),
        ("spread", "of the weights at the start, relative to their mean (0.5)"),
        ("latest", "latest input, in synaptic time constants (2)"),
    ):
        parser.add_argument(f"--{name}", type=float, help=text)
    parser.add_argument("--seed", type=int, default=0, help="of weights, batches and split (0)")
    parser.add_argument("--seeds", type=_positive, default=1, help="how many, from --seed on (1)")
    parser.add_argument("--threads", type=_positive, default=1, help="torch's threads (1)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write settings and results here")


def _positive(text: str) -> int:
    from onchip.models.cli.options import positive

    return positive(text)


def _run_one(config: Any) -> Any:
    from onchip.models.spike_times.runs import train

    every = max(1, config.training.updates // LINES) if config.task == "digits" else 0
    result = train(config, say, every)
    say(_line(result))
    return result


def _as_json(result: Any) -> dict[str, Any]:
    from onchip.models.spike_times.runs import pattern_times
    from onchip.models.spike_times.tasks import xor_patterns

    content = result.as_json()
    if result.config.task == "xor":
        patterns, labels = xor_patterns(result.config.latest)
        content["patterns"] = [
            {"label": int(label), **times}
            for label, times in zip(labels, pattern_times(result.network, patterns), strict=True)
        ]
    return content


def _line(result: Any) -> str:
    training = result.config.training
    if result.config.task == "digits":
        return f"seed {training.seed}: test accuracy {result.accuracy:.4f}"
    after = result.solved_after
    solved = "not solved in" if after is None else f"solved after {after} of"
    return f"seed {training.seed}: {solved} {training.updates} updates, loss {result.last:.5f}"


def _closing(runs: Sequence[Any]) -> str:
    seconds = f"{sum(result.cpu_seconds for result in runs):.1f} CPU seconds"
    if runs[0].config.task == "digits":
        mean = statistics.fmean(result.accuracy for result in runs)
        return f"digits: test accuracy {mean:.4f} (mean of seeds: {len(runs)}), {seconds}"
    found = [result.solved_after for result in runs if result.solved_after is not None]
    median = f", median {statistics.median(found):g} updates" if found else ""
    return f"xor: {len(found)} of {len(runs)} seeds solved{median}, {seconds}"
