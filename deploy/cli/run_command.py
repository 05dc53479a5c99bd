"""`onchip run`: a network's outputs for some samples."""

from __future__ import annotations

import argparse
import io
from pathlib import Path
from typing import Any

import numpy as np

from onchip.deploy.backends.table import build
from onchip.deploy.cli.common import add_command, common_results, show_progress
from onchip.deploy.cli.data import (
    add_data_options,
    add_part_options,
    load_part,
    remembered_data,
    seed_of,
    split_name,
    take,
)
from onchip.deploy.cli.networks import (
    add_execution_options,
    choose_backend,
    load_network,
    precision_name,
)
from onchip.files.writing import write_bytes
from onchip.models.cli.options import positive


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "run",
        "run a network on some samples, learning off, and keep its outputs",
        "onchip run network.h5 --backend lava --samples 5 --record --out outputs.npz",
    )
    parser.add_argument("file", type=Path, help="network file")
    add_execution_options(parser)
    parser.add_argument("--samples", type=positive, default=10, help="how many (10)")
    add_part_options(parser)
    parser.add_argument("--record", action="store_true", help="keep the spikes of all layers too")
    parser.add_argument("--out", type=Path, default=None, help=".npz file to write")
    add_data_options(parser, remembered=True)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Run; results `accuracy`, `samples` and `predictions`.

    The .npz holds outputs [samples, T, classes] (membrane integers with --precision fixed),
    predictions, labels and, recorded, the uint8 array "spikes/LAYER" [samples, T, neurons] of each
    layer.
    """
    spec = load_network(args.file, args.precision)
    backend = choose_backend(args.backend, spec)
    choice = remembered_data(args, spec)
    part = load_part(args, choice)
    frames, labels = take(part, args.samples)
    options = (args.schedule, args.record, args.runtime, args.convolutions)
    with build(spec, backend, *options) as execution:
        result = execution.run(frames, show_progress())
    spikes: dict[str, Any] = {f"spikes/{name}": values for name, values in result.spikes.items()}
    arrays: dict[str, Any] = {
        "outputs": result.outputs,
        "predictions": result.predictions,
        "labels": labels,
    }
    if args.out is not None:
        content = io.BytesIO()
        np.savez_compressed(content, **arrays, **spikes)
        write_bytes(args.out, content.getvalue())
    print(f"predictions {result.predictions.tolist()}, labels {labels.tolist()}")
    seed = seed_of(args, choice)
    return {
        **common_results(choice.dataset, split_name(part), seed, backend, precision_name(spec)),
        "split_seed": choice.seed,
        "accuracy": float((result.predictions == labels).mean()),
        "samples": len(labels),
        "predictions": result.predictions.tolist(),
        "labels": labels.tolist(),
    }
