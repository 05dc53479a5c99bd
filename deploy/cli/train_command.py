"""`onchip train`: train a network offline, write a checkpoint."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onchip.deploy.cli.common import (
    add_command,
    common_results,
    say,
    show_progress,
    with_provenance,
)
from onchip.deploy.cli.data import add_data_options, add_framing_options, chosen_data, split_name
from onchip.deploy.cli.report_options import add_report_option
from onchip.deploy.cli.rule_training import train_and_write
from onchip.deploy.cli.training_report import write_training_report
from onchip.files.targets import check_target
from onchip.models.cli.options import (
    add_training_options,
    make_config,
    make_model,
    settings_line,
    source_line,
)
from onchip.rules.presets import OTTT


def add(commands: Any) -> None:
    """Add the command's parser."""
    parser = add_command(
        commands,
        "train",
        "train a network offline with OTTT (or BPTT) and write a checkpoint",
        "onchip train --dataset digits-dvs --model convnet --method ottt_a --out checkpoint.pt",
    )
    add_data_options(parser, remembered=False)
    add_framing_options(parser)
    add_training_options(parser)
    parser.add_argument(
        "--rule",
        default="ottt",
        metavar="NAME",
        help="a learning rule of onchip.rules.presets (ottt); by another than ottt --out is a "
        "network file",
    )
    add_report_option(parser)
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Train; results `accuracy` (test, last epoch), `epochs`, `seconds`, `peak_memory_bytes`."""
    from onchip.models import describe_model, train
    from onchip.models.training.run_files import KeptEpochs

    if args.rule != OTTT:
        return train_and_write(args)
    for target in filter(None, (args.out, args.log)):
        check_target(target, stream=False)  # before the work, not after it
    choice = chosen_data(args)
    train_set, test_set = choice.load(args.data_root, args.limit)
    model, config = make_model(args, train_set), make_config(args, train_set)
    metadata = {**choice.metadata(train_set, test_set), "training": asdict(config)}
    metadata = with_provenance(metadata, args)
    if args.resume is not None:
        check_same_data(args.resume, metadata)
    say(f"training {args.model} on {len(train_set.labels)} samples, {len(test_set.labels)} to test")
    say(settings_line(config))
    for note in filter(None, (source_line(args), _input_note(model, train_set))):
        say(note)
    kept = KeptEpochs(args.out, config.epochs)
    args.left = kept.advice
    before = describe_model(model) if args.report is not None else None
    result = train(
        model,
        train_set,
        test_set,
        config,
        out=args.out,
        best=False,
        saved=kept.saved,
        resume=args.resume,
        metadata=metadata,
        progress=show_progress(),
        log=args.log,
        tensorboard=args.tensorboard,
        report=None if show_progress() else say,
        warn=say,
    )
    print(f"test accuracy {result.accuracy:.4f} after {result.epochs} epochs: {args.out}")
    precision = config.autocast or "float32"
    results = {
        **common_results(choice.dataset, split_name(train_set), config.seed, "torch", precision),
        "accuracy": result.accuracy,
        "epochs": result.epochs,
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "model": args.model,
        "method": config.method,
        "training": metadata["training"],
        "train_samples": len(train_set.labels),
        "test_samples": len(test_set.labels),
        "checkpoint": str(args.out),
    }
    if before is not None:
        networks = (before, describe_model(model))
        results |= write_training_report(args, results, result.history, networks, test_set)
    return results


def _input_note(model: Any, train_set: Any) -> str:
    """What is to be said about frames that no backend will take from this network, or nothing."""
    frames = train_set.frames
    graded = frames.dtype.kind == "f" or frames.max(initial=0) > 1
    if not graded or model.layers[0].connection.weight.ndim > 2:
        return ""
    return (
        "note: the frames hold more than 0 and 1 and the network begins with a dense layer: "
        "no backend will take them; leave --counts out, or begin with a convolution"
    )


def check_same_data(checkpoint: Path, metadata: dict[str, Any]) -> None:
    """Raise ValueError where a run to be resumed saw other data: its test samples are not ours."""
    from onchip.models import load_checkpoint

    kept = load_checkpoint(checkpoint).metadata
    for name in ("dataset", "split", "framing", "train_samples", "test_samples"):
        if name in kept and kept[name] != metadata[name]:
            raise ValueError(
                f"checkpoint {checkpoint}: its run had {name} {kept[name]!r}, not "
                f"{metadata[name]!r}; resume with the same data or start a new run"
            )
