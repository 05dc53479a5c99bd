"""`onchip add-classes`: outputs added to a network file, in both of its precisions."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import Any

from onchip.deploy.cli.common import add_command, common_results, with_provenance
from onchip.models.cli.options import positive


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "add-classes",
        "add outputs to a network, its feedback and its integers; what it knows stays",
        "onchip add-classes learned.h5 2 --out wider.h5",
    )
    parser.add_argument("file", type=Path, help="network file")
    parser.add_argument("count", type=positive, help="number of classes to add")
    parser.add_argument("--out", type=Path, required=True, help="network file to write")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Add the classes; results `classes_before`, `classes` and `file`."""
    from onchip.deploy.files.hdf5 import Bundle, load_bundle, save_bundle
    from onchip.program.new_classes import add_classes

    bundle, seed = load_bundle(args.file), args.seed or 0
    spec = add_classes(bundle.spec, args.count, seed=seed)
    fixed: Any = None if bundle.fixed is None else add_classes(bundle.fixed, args.count, seed=seed)
    metadata = with_provenance(spec.metadata, args)
    save_bundle(args.out, Bundle(replace(spec, metadata=metadata), fixed))
    print(f"{bundle.spec.classes} classes before, {spec.classes} now: {args.out}")
    return {
        **common_results(metadata.get("dataset"), metadata.get("split"), seed, None, None),
        "classes_before": bundle.spec.classes,
        "classes": spec.classes,
        "file": str(args.out),
    }
