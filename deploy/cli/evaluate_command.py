"""`onchip evaluate`: accuracy of a checkpoint or network file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from onchip.deploy.backends.table import build
from onchip.deploy.cli.common import add_command, common_results, show_progress
from onchip.deploy.cli.data import (
    add_data_options,
    add_part_options,
    drift_of,
    load_part,
    remembered_data,
    seed_of,
    split_name,
    take,
)
from onchip.deploy.cli.networks import (
    add_execution_options,
    choose_backend,
    is_network_file,
    load_any,
    load_network,
    precision_name,
)
from onchip.models.cli.options import positive


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "evaluate",
        "measure the accuracy of a checkpoint or network file",
        "onchip evaluate network.h5 --backend lava --samples 50",
    )
    parser.add_argument("file", type=Path, help="checkpoint or network file")
    add_execution_options(parser)
    parser.add_argument("--samples", type=positive, default=None, help="how many (all)")
    add_part_options(parser)
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate; results `accuracy` and `samples`."""
    checkpoint = args.precision == "float" and not is_network_file(args.file)
    spec = load_any(args.file) if checkpoint else load_network(args.file, args.precision)
    backend = choose_backend(args.backend, spec)
    choice = remembered_data(args, spec)
    part = load_part(args, choice)
    frames, labels = take(part, args.samples)
    with build(spec, backend, args.schedule, False, args.runtime, args.convolutions) as execution:
        accuracy = execution.evaluate(frames, labels, show_progress())
    print(f"accuracy {accuracy:.4f} on {len(labels)} samples of {part.name} ({part.split})")
    seed = seed_of(args, choice)
    return {
        **common_results(choice.dataset, split_name(part), seed, backend, precision_name(spec)),
        "split_seed": choice.seed,
        "accuracy": accuracy,
        "samples": len(labels),
        "part": args.part,
        "drifted": drift_of(args) > 0,
        "drift": drift_of(args),
    }
