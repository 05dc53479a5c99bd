"""`onchip datasets`: what data there is and how to get it, or what lies at a path."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.common import add_command, common_results
from onchip.models.cli.own_data_options import sensor_size

if TYPE_CHECKING:
    from onchip.models.data.own.samples import Samples

SHOWN = 6
"""Samples in a picture, and classes in a line."""


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "datasets",
        "list the datasets, or say what a file or folder of your own holds",
        "onchip datasets recordings/ --picture samples.png",
    )
    parser.add_argument("path", nargs="?", default=None, help="file or folder of your own")
    parser.add_argument("--labels", type=Path, default=None, help="file of labels")
    parser.add_argument(
        "--sensor-size", type=sensor_size, default=None, metavar="W,H,P", help="of events"
    )
    parser.add_argument(
        "--picture", type=Path, default=None, metavar="FILE", help="a few samples, as .png"
    )
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Print the table, or what was found; results `datasets` by name, or `found`."""
    if args.path is not None:
        return _describe(args)
    for option in ("labels", "sensor_size", "picture"):
        if getattr(args, option) is not None:
            raise ValueError(
                f"datasets: --{option.replace('_', '-')} is for a path; name a file or folder first"
            )
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


def _describe(args: argparse.Namespace) -> dict[str, Any]:
    """Say what lies at a path, and draw some of it."""
    from onchip.files.targets import check_target
    from onchip.models.data.own.loading import find_samples, framing_of
    from onchip.models.data.own.pictures import sample_frames, sketch

    if args.picture is not None:
        check_target(args.picture)
        if args.picture.suffix.lower() != ".png":
            raise ValueError(f"picture {args.picture}: {args.picture.suffix} is unknown; use .png")
    found = find_samples(args.path, labels=args.labels, sensor_size=args.sensor_size)
    facts = _facts(found)
    for name, text in facts.items():
        print(f"{name:<9}{text}")
    cut = None if found.frame_shape is not None else framing_of(found, None, "time", True, None)
    shown = sample_frames(found, cut, SHOWN)
    for title, frames in list(shown.items())[:2]:
        print(f"\n{title}\n{sketch(frames)}")
    if args.picture is not None:
        from onchip.deploy.reports.sample_figures import draw_samples

        draw_samples(args.picture, shown)
        print(f"\npicture  {args.picture}")
    return {
        **common_results(str(found.path), None, args.seed or 0, None, None),
        "found": {**facts, "samples": len(found.labels), "digest": found.digest()},
    }


def _facts(found: Samples) -> dict[str, str]:
    """What was found, in words."""
    names = ", ".join(found.classes[:SHOWN]) + (", ..." if len(found.classes) > SHOWN else "")
    parts = "no parts of its own: split at random"
    if found.parts is not None:
        train, test = (len(part) for part in found.parts)
        parts = f"{train} to train, {test} to test"
    facts = {
        "path": str(found.path),
        "form": f"{found.kind}, {found.form}",
        "samples": f"{len(found.labels)}; {parts}",
        "classes": f"{len(found.classes)}: {names}",
    }
    if found.frame_shape is not None:
        steps, channels, height, width = found.frame_shape
        facts["frames"] = f"{steps} steps of {channels} channels, {width} x {height}"
    elif found.sensor_size is not None:
        width, height, polarities = found.sensor_size
        facts["sensor"] = f"{width} x {height}, {polarities} polarities"
    if found.ignored:
        facts["ignored"] = f"{found.ignored} files that are no recordings"
    return facts
