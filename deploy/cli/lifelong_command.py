"""`onchip lifelong`: new classes and drifts after deployment, and what each way to learn keeps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.common import add_command, common_results, say
from onchip.deploy.cli.data import (
    DataChoice,
    add_data_options,
    add_framing_options,
    chosen_data,
    split_name,
)
from onchip.models.cli.options import positive

if TYPE_CHECKING:
    from onchip.deploy.lifelong.play import Run, SensorData, Stage
    from onchip.deploy.lifelong.protocol import Protocol
    from onchip.deploy.lifelong.splits import Split
    from onchip.models.data import FrameDataset

HELD_OUT = 0.25
"""The share of the training data on which `--validate` tests."""

USUAL = ("direct-replay", "prototypes", "class-mean", "readout")


def add(commands: Any) -> None:
    """Add the command's parser."""
    from onchip.deploy.lifelong.protocol import KINDS
    from onchip.deploy.lifelong.ways import WAYS

    parser = add_command(
        commands,
        "lifelong",
        "let a network meet new classes and drifts after deployment, and measure what it keeps",
        "onchip lifelong --base 6 --shots 5 --figure sessions.png --json lifelong.json",
    )
    parser.add_argument("--kind", default="classes", help=f"{', '.join(KINDS)} (classes)")
    parser.add_argument("--base", type=positive, default=6, help="classes known at first (6)")
    parser.add_argument(
        "--per-session", type=positive, default=4, help="new classes of a session (4)"
    )
    parser.add_argument("--shots", type=positive, default=5, help="samples of a new class (5)")
    parser.add_argument("--drifts", type=positive, default=1, help="sessions of kind drift (1)")
    parser.add_argument(
        "--ways", default=",".join(USUAL), help=f"out of {', '.join(WAYS)} ({','.join(USUAL)})"
    )
    parser.add_argument("--network", type=Path, metavar="FILE", help="a base that was kept")
    parser.add_argument("--keep", type=Path, metavar="FILE", help="write the base network there")
    parser.add_argument("--model", default="convnet", help="of the base that is trained (convnet)")
    parser.add_argument(
        "--epochs", type=positive, default=None, help="of training it (recommended)"
    )
    parser.add_argument("--batch-size", type=positive, default=None, help="of training it")
    parser.add_argument("--backend", default="lava-fused", help="what learns (lava-fused)")
    parser.add_argument("--precision", default="float", help="float or fixed (float)")
    parser.add_argument(
        "--validate",
        action="store_true",
        help=f"test on {HELD_OUT:.0%} of the training data, to choose settings".replace("%", "%%"),
    )
    parser.add_argument("--samples-file", type=Path, metavar="FILE", help="JSON of what was drawn")
    parser.add_argument("--figure", type=Path, metavar="FILE", help="accuracy by sessions (PNG)")
    add_data_options(parser, remembered=False)
    add_framing_options(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Play the protocol by every way; prints a table.

    Results `protocol`, `samples` (those that were drawn) and `ways`, name -> what
    `onchip.deploy.lifelong.metrics` measures.
    """
    from onchip.checks import require_choice
    from onchip.deploy.backends.table import require_installed
    from onchip.deploy.lifelong.play import Stage
    from onchip.deploy.lifelong.protocol import make_protocol
    from onchip.deploy.lifelong.report import draw_sessions, sessions_table
    from onchip.deploy.lifelong.splits import draw_split
    from onchip.deploy.lifelong.ways import OFFLINE, WAYS

    names = [name.strip() for name in args.ways.split(",")]
    for name in names:
        require_choice("way", name, WAYS)
    if args.validate and any(WAYS[name].learner == OFFLINE for name in names):
        raise ValueError(
            "way offline: it is tested on the test part, which --validate leaves alone; take it "
            "out of --ways"
        )
    require_installed(args.backend)
    choice, seed = chosen_data(args), args.seed or 0
    train_set, test_set = choice.load(args.data_root, args.limit)
    counts = (args.base, args.per_session, args.shots, args.drifts)
    protocol = make_protocol(args.kind, train_set.classes, *counts)
    split = draw_split(train_set.labels, protocol, seed, HELD_OUT if args.validate else 0.0)
    if args.samples_file is not None:
        split.save(args.samples_file)
    data = _sensors(args, choice, protocol, train_set, test_set)
    base = _base(args, choice, protocol, split, train_set, test_set)
    stage = Stage(base, data, protocol, split, args.backend, args.precision, seed)
    runs, bound = {}, None
    for name in names:
        say(f"way {name}: {WAYS[name].about}")
        if WAYS[name].learner == OFFLINE:
            bound = _offline(args, protocol, train_set, test_set)
        else:
            runs[name] = stage.play(WAYS[name])
    print(sessions_table(runs, bound))
    if args.figure is not None:
        title = f"{train_set.name} ({split_name(train_set)}), {args.shots} samples of a class"
        draw_sessions(args.figure, protocol, runs, bound, title)
    return {
        **common_results(choice.dataset, split_name(train_set), seed, args.backend, args.precision),
        "protocol": protocol.as_json(),
        "samples": {"seed": split.seed, "digest": split.digest, "sessions": split.sessions},
        "validated": args.validate,
        "ways": {name: {**run.as_json(), "chip": WAYS[name].chip} for name, run in runs.items()},
        "offline": bound,
        **_check(stage, runs),
    }


def _sensors(
    args: argparse.Namespace,
    choice: DataChoice,
    protocol: Protocol,
    train_set: FrameDataset,
    test_set: FrameDataset,
) -> dict[str, SensorData]:
    """The data by sensor; the drifted one only where a session takes it."""
    from onchip.deploy.lifelong.play import SensorData
    from onchip.deploy.lifelong.protocol import DRIFTED, ORIGINAL

    parts = {ORIGINAL: (train_set, test_set)}
    if any(session.sensor == DRIFTED for session in protocol.sessions):
        parts[DRIFTED] = choice.load(args.data_root, args.limit, drifted=True)
    return {
        sensor: SensorData(train.frames, train.labels, test.frames, test.labels)
        for sensor, (train, test) in parts.items()
    }


def _base(
    args: argparse.Namespace,
    choice: DataChoice,
    protocol: Protocol,
    split: Split,
    train_set: FrameDataset,
    test_set: FrameDataset,
) -> Any:
    """The base network: from `--network`, or trained on the base classes alone."""
    from onchip.deploy.cli.base_training import of_classes, train_on
    from onchip.deploy.cli.networks import load_any
    from onchip.deploy.files.hdf5 import save_spec

    if args.network is not None:
        return load_any(args.network)
    seed = args.seed or 0
    known = of_classes(train_set, protocol.base, np.array(split.base))
    tests = of_classes(test_set, protocol.base)
    metadata = choice.metadata(known, tests)
    network = train_on(known, tests, args.model, _settings(args), seed, metadata)
    if args.keep is not None:
        save_spec(args.keep, network)
    return network


def _settings(args: argparse.Namespace) -> dict[str, Any]:
    """What the options change of the recommended training."""
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    return {name: value for name, value in changes.items() if value is not None}


def _offline(
    args: argparse.Namespace, protocol: Protocol, train_set: FrameDataset, test_set: FrameDataset
) -> dict[str, float]:
    """The same architecture trained offline on all classes: accuracy on all, base and new."""
    from onchip.deploy.backends.table import build
    from onchip.deploy.cli.base_training import of_classes, train_on

    order = protocol.order
    parts = of_classes(train_set, order), of_classes(test_set, order)
    network = train_on(*parts, args.model, _settings(args), args.seed or 0, {})
    with build(network) as execution:
        right = execution.run(parts[1].frames).predictions == parts[1].labels
    base = parts[1].labels < len(protocol.base)
    new = float(right[~base].mean()) if (~base).any() else float("nan")
    return {"final": float(right.mean()), "base_kept": float(right[base].mean()), "new": new}


def _check(stage: Stage, runs: dict[str, Run]) -> dict[str, Any]:
    """What `onchip check` says of the networks that learned in integers, by way."""
    from onchip.deploy.checks.network import check

    if not stage.fixed:
        return {}
    heads = {name: run.network for name, run in runs.items() if run.network is not None}
    found = {name: check(head, head) for name, head in heads.items()}
    return {"held_by_a_chip": {name: report.passed for name, report in found.items()}}
