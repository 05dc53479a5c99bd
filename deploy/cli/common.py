"""What the commands share: options, results, progress."""

from __future__ import annotations

import argparse
import platform
import sys
from collections.abc import Mapping
from importlib import metadata as packages
from pathlib import Path
from typing import Any

PACKAGES = ("onchip", "numpy", "torch", "lava-nc", "tonic", "h5py")
"""Packages whose versions go into every result."""


def add_command(commands: Any, name: str, summary: str, example: str) -> argparse.ArgumentParser:
    """A command's parser with `--seed`, `--json` and an example in its help."""
    parser: argparse.ArgumentParser = commands.add_parser(
        name,
        help=summary,
        description=f"{summary[0].upper()}{summary[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--seed", type=_seed, default=None, help="seed of all that is random")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results there as JSON")
    parser.add_argument(
        "--config",
        type=Path,
        metavar="FILE",
        help="options from a TOML file, or from the JSON of an earlier run",
    )
    return parser


def _seed(text: str) -> int:
    value = int(text) if text.isdecimal() else -1
    if not 0 <= value < 2**32:
        raise argparse.ArgumentTypeError(f"{text} must lie in 0..{2**32 - 1}")
    return value


def common_results(
    dataset: str | None,
    split: str | None,
    seed: int,
    backend: str | None,
    precision: str | None,
) -> dict[str, Any]:
    """The keys that every result has; None where one does not apply."""
    return {
        "dataset": dataset,
        "split": split,
        "seed": seed,
        "backend": backend,
        "precision": precision,
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Python's version and those of `PACKAGES`, without importing them."""
    found = {"python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = packages.version(name)
        except packages.PackageNotFoundError:
            found[name] = "not installed"
    return found


def with_provenance(metadata: Mapping[str, Any], args: argparse.Namespace) -> dict[str, Any]:
    """`metadata` with one more entry in its `history`: this command, its options, and versions."""
    options = getattr(args, "options", {})
    entry = {"command": args.command_line, "options": options, "versions": versions()}
    return {**metadata, "history": [*metadata.get("history", []), entry]}


def show_progress() -> bool:
    """Whether progress bars are shown: on a terminal."""
    return sys.stderr.isatty()


def say(text: str) -> None:
    """A line of progress on stderr, so that stdout holds the result alone."""
    print(text, file=sys.stderr, flush=True)
