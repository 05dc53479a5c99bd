"""`onchip evaluate`: accuracy of a checkpoint or network file."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from deploy.cli.common import add_command, common_results, positive, show_progress
from deploy.cli.data import add_data_options, part_of, remembered_data, split_name, take
from deploy.cli.networks import (
    add_execution_options,
    choose_backend,
    execute_on,
    is_network_file,
    load_any,
    load_network,
    precision_name,
)


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
    parser.add_argument("--part", default="test", help="train or test (test)")
    parser.add_argument("--drifted", action="store_true", help="digits-dvs: the drifted sensor")
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate; results `accuracy` and `samples`."""
    checkpoint = args.precision == "float" and not is_network_file(args.file)
    spec = load_any(args.file) if checkpoint else load_network(args.file, args.precision)
    backend = choose_backend(args.backend, spec)
    choice = remembered_data(args, spec)
    part = part_of(choice.load(args.data_root, args.limit, args.drifted), args.part)
    frames, labels = take(part, args.samples)
    with execute_on(spec, backend, args.schedule) as execution:
        accuracy = execution.evaluate(frames, labels, show_progress())
    print(f"accuracy {accuracy:.4f} on {len(labels)} samples of {part.name} ({part.split})")
    seed = choice.seed if args.seed is None else args.seed
    return {
        **common_results(choice.dataset, split_name(part), seed, backend, precision_name(spec)),
        "split_seed": choice.seed,
        "accuracy": accuracy,
        "samples": len(labels),
        "part": args.part,
        "drifted": args.drifted,
    }
