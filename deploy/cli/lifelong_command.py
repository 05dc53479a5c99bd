"""`onchip lifelong`: new classes and drifts after deployment, and what each way to learn keeps."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.common import add_command, common_results, say
from onchip.deploy.cli.data import (
    DataChoice,
    add_data_options,
    add_framing_options,
    seed_of,
    split_name,
)
from onchip.deploy.cli.lifelong_base import (
    MODEL,
    architecture_of,
    data_of,
    kept_base,
    require_held_out,
    settings_of,
    trained_base,
)
from onchip.models.cli.options import positive

if TYPE_CHECKING:
    from onchip.deploy.lifelong.play import Run, SensorData, Stage
    from onchip.deploy.lifelong.protocol import Protocol
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
    parser.add_argument(
        "--model", default=None, help=f"of the base that is trained, and of offline ({MODEL})"
    )
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
    from onchip.deploy.backends.table import BACKENDS, require_installed
    from onchip.deploy.cli.offline_bound import offline_bound
    from onchip.deploy.lifelong.play import Stage
    from onchip.deploy.lifelong.protocol import ORIGINAL, make_protocol
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
    require_choice("backend", args.backend, BACKENDS)
    require_installed(args.backend)
    held_out, base = HELD_OUT if args.validate else 0.0, kept_base(args)
    choice = data_of(args, base)
    require_held_out(args, choice, base, HELD_OUT)
    bounded = any(WAYS[name].learner == OFFLINE for name in names)
    model = architecture_of(args, base) if bounded else ""
    seed = seed_of(args, choice)
    train_set, test_set = choice.load(args.data_root, args.limit)
    counts = (args.base, args.per_session, args.shots, args.drifts)
    protocol = make_protocol(args.kind, train_set.classes, *counts)
    split = draw_split(train_set.labels, protocol, seed, held_out)
    if args.samples_file is not None:
        split.save(args.samples_file)
    parts = _sensors(args, choice, protocol, train_set, test_set)
    if base is None:
        base = trained_base(args, choice, protocol, split, parts[ORIGINAL], held_out)
    data = {sensor: as_data(*both) for sensor, both in parts.items()}
    stage = Stage(base, data, protocol, split, args.backend, args.precision, seed)
    runs, bound = {}, None
    for name in names:
        say(f"way {name}: {WAYS[name].about}")
        if WAYS[name].learner == OFFLINE:
            bound = offline_bound(protocol, parts, model, settings_of(args), seed)
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
) -> dict[str, tuple[FrameDataset, FrameDataset]]:
    """(train, test) by sensor; the drifted one only where a session takes it."""
    from onchip.deploy.lifelong.protocol import DRIFTED, ORIGINAL

    parts = {ORIGINAL: (train_set, test_set)}
    if any(session.sensor == DRIFTED for session in protocol.sessions):
        parts[DRIFTED] = choice.load(args.data_root, args.limit, drifted=True)
    return parts


def as_data(train: FrameDataset, test: FrameDataset) -> SensorData:
    """Both parts as a stage takes them."""
    from onchip.deploy.lifelong.play import SensorData

    return SensorData(train.frames, train.labels, test.frames, test.labels)


def _check(stage: Stage, runs: dict[str, Run]) -> dict[str, Any]:
    """What `onchip check` says of the networks that learned in integers, by way."""
    from onchip.deploy.checks.network import check

    if not stage.fixed:
        return {}
    heads = {name: run.network for name, run in runs.items() if run.network is not None}
    found = {name: check(head, head) for name, head in heads.items()}
    return {"held_by_a_chip": {name: report.passed for name, report in found.items()}}
