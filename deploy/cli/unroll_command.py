"""`onchip unroll`: convolutions with a copy of their weights at every position, as on a chip."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from onchip.deploy.cli.common import add_command, common_results, with_provenance


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "unroll",
        "give convolutions a copy of their weights at every position, each of which learns alone",
        "onchip unroll network.h5 --out unrolled.h5   (then onchip learn unrolled.h5 ...)",
    )
    parser.add_argument("file", type=Path, help="network file")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.add_argument(
        "--layers",
        default=None,
        metavar="NAMES",
        help="layers whose convolutions are unrolled, e.g. conv1,conv2 (all that learn)",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Unroll; results `layers`, `weights_before` and `weights_after` by layer, and the file."""
    from onchip.deploy.files.hdf5 import load_bundle, save_spec
    from onchip.network.unrolling import unrolled
    from onchip.program.graphs import as_graph

    network = as_graph(load_bundle(args.file).spec)
    changed = unrolled(network, None if args.layers is None else args.layers.split(","))
    changed = replace(changed, metadata=with_provenance(network.metadata, args))
    pairs = zip(network.connections, changed.connections, strict=True)
    sizes = {
        new.target: (old.transform.weight.size, new.transform.weight.size)
        for old, new in pairs
        if type(old.transform) is not type(new.transform)
    }
    save_spec(args.out, changed)
    shown = ", ".join(f"{name} {old} -> {new} weights" for name, (old, new) in sizes.items())
    print(f"unrolled {shown}; each copy learns alone from here on: {args.out}")
    kept = network.metadata
    return {
        **common_results(kept.get("dataset"), kept.get("split"), args.seed or 0, None, "float64"),
        "layers": list(sizes),
        "weights_before": {name: old for name, (old, _) in sizes.items()},
        "weights_after": {name: new for name, (_, new) in sizes.items()},
        "file": str(args.out),
    }
