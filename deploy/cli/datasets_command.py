"""`onchip datasets`: what data there is and how to get it."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from typing import Any

from onchip.deploy.cli.common import add_command, common_results


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "datasets",
        "list the datasets, their splits and how to get them",
        "onchip datasets",
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Print the table; results `datasets` by name."""
    from onchip.models.data import dataset_table

    table = dataset_table()
    for info in table:
        width, height, polarities = info.sensor_size
        kind = "simulated sensor" if info.simulated else "recorded"
        print(f"{info.name}: {info.description}")
        if info.images:
            print(f"  pictures {width} x {height}, {polarities} channels")
        else:
            print(f"  sensor   {width} x {height}, {polarities} polarities, {kind}")
        print(f"  classes  {info.classes}")
        for name, meaning in info.splits.items():
            default = " (default)" if name == info.default_split else ""
            print(f"  split    {name}{default}: {meaning}")
        print(f"  get it   {info.obtain}\n")
    return {
        **common_results(None, None, args.seed or 0, None, None),
        "datasets": {info.name: asdict(info) for info in table},
    }
