"""`onchip check`: what Loihi 2 cannot hold of a network, told before deployment."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from onchip.deploy.cli.common import add_command, common_results


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "check",
        "tell what Loihi 2 cannot hold of a network, and what to do about it",
        "onchip check network.h5   (exit code 1 when there is an error)",
    )
    parser.add_argument("file", type=Path, help="network file")
    parser.add_argument("--all", action="store_true", help="list what is fine, too")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Check; prints the table, errors first.

    Results `passed`, `quantized`, `counts` by severity and the list `findings`, whatever is
    printed.
    """
    from onchip.deploy.checks.network import check
    from onchip.deploy.files.hdf5 import load_bundle

    bundle = load_bundle(args.file)
    report = check(bundle.spec, bundle.fixed)
    table = report.table(include_ok=args.all)
    if table:
        print(table)
    print(report.summary())
    metadata, quantized = bundle.spec.metadata, bundle.fixed is not None
    precision = "integers" if quantized else "float64"
    seed = args.seed or 0
    return {
        **common_results(metadata.get("dataset"), metadata.get("split"), seed, None, precision),
        "quantized": quantized,
        **report.as_json(),
    }
