"""Training from the command line: ``python -m onchip.models.tdbn``."""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.files.targets import check_target, require_distinct
from onchip.files.writing import write_json
from onchip.models.cli.options import folder, positive
from onchip.models.cli.own_data_options import add_own_data_options
from onchip.models.cli.program import load_named_data, run_program, say

if TYPE_CHECKING:
    from onchip.models.config import TrainingConfig
    from onchip.models.data.dataset import FrameDataset
    from onchip.models.tdbn.networks import TdBNConfig

FROM_DATA = ("input_shape", "classes", "time_steps", "normalization")
"""Fields of the network that --network-options does not take."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Train; returns the exit code: 0 done, 2 bad input, 130 Ctrl-C, 143 SIGTERM (129 SIGHUP)."""
    return run_program("onchip.models.tdbn", make_parser(), run, arguments)


def run(args: argparse.Namespace, command: str) -> None:
    """Check everything, train on `args.threads` threads and write what was asked for."""
    import torch

    from onchip.models.tdbn.files import save_network
    from onchip.models.tdbn.networks import build_network
    from onchip.models.tdbn.training import train_network

    _check_targets(args)
    training = make_training(args)
    make_network_config(args, (2, 32, 32), 10)  # refuse what is wrong before data are loaded
    train_set, test_set = load_named_data(args)
    shape = tuple(train_set.frames.shape[2:])
    network = build_network(make_network_config(args, shape, train_set.classes), args.seed)
    say(f"training {args.network} on {len(train_set)} samples, {training.epochs} epochs")
    kept = _metadata(args, train_set, test_set, training, command)

    def keep(epoch: int) -> None:
        if args.out is not None:
            save_network(args.out, network, {**kept, "epochs": epoch})
            args.left = f"; {args.out} holds the network after {epoch} of {training.epochs} epochs"

    threads = torch.get_num_threads()
    torch.set_num_threads(args.threads)
    try:
        result = train_network(network, train_set, test_set, training, say, keep)
    finally:
        torch.set_num_threads(threads)
    if args.json is not None:
        write_json(args.json, {"command": command, **result.as_json(), "data": kept["data"]})
    for name in result.silent:
        say(f"layer {name!r} is silent: none of its neurons fires on the test samples")
    where = "" if args.out is None else f": {args.out}"
    say(f"test accuracy {result.accuracy:.4f} after {len(result.history)} epochs{where}")


def make_training(args: argparse.Namespace) -> TrainingConfig:
    """The recommended settings with what the options override."""
    from onchip.models.config import TrainingConfig
    from onchip.models.tdbn.training import recommended_settings

    given = {f.name: getattr(args, f.name, None) for f in fields(TrainingConfig)}
    return recommended_settings(**{k: v for k, v in given.items() if v is not None})


def make_network_config(
    args: argparse.Namespace, shape: tuple[int, ...], classes: int
) -> TdBNConfig:
    """The named network for frames of this shape, with --network-options."""
    from onchip.checks import require_choice
    from onchip.models.tdbn.networks import TdBNConfig, architecture

    valid = [f.name for f in fields(TdBNConfig) if f.name not in FROM_DATA]
    for name in args.network_options:
        require_choice("--network-options: field", name, valid)
    return architecture(
        args.network,
        input_shape=shape,
        classes=classes,
        time_steps=args.time_steps,
        normalization=args.normalization,
        **args.network_options,
    )


def make_parser() -> argparse.ArgumentParser:
    """The options: the data's, the network's and the training's."""
    parser = argparse.ArgumentParser(
        prog="python -m onchip.models.tdbn",
        description="Train a spiking network with tdBN by backpropagation through time, offline.",
    )
    add = parser.add_argument
    add("--network", default="resnet", help="resnet, plain, resnet19 or plain19 (resnet)")
    add("--normalization", default="tdbn", help="tdbn; controls: bias or none (tdbn)")
    add("--network-options", type=_json_object, default={}, metavar="JSON",
        help='e.g. {"widths": [32, 64, 128], "v_threshold": 1.0}')  # fmt: skip
    _add_data_options(parser)
    add("--epochs", type=positive, help="times through the training data (20)")
    add("--batch-size", type=positive, help="samples of an update (32)")
    add("--learning-rate", "--lr", type=float, help="at the start of half a cosine (0.01)")
    add("--optimizer", help="one of torch.optim, in lower case (adam)")
    add("--momentum", type=float, help="where the optimizer has one (0.9)")
    add("--weight-decay", type=float, help="decay of the weights, of the optimizer (0)")
    add("--max-shift", type=int, help="augmentation, in pixels (1)")
    add("--grad-clip", type=float, help="largest norm of a gradient (0: any)")
    add("--threads", type=positive, default=1, help="torch's threads (1)")
    add("--seed", type=int, default=0, help="of weights, split and order (0)")
    add("--out", type=Path, metavar="FILE", help="write the network here, each epoch")
    add("--json", type=Path, metavar="FILE", help="write settings and results here")
    return parser


def _add_data_options(parser: argparse.ArgumentParser) -> None:
    add = parser.add_argument
    add("--dataset", default="digits-dvs", help="see onchip datasets (digits-dvs)")
    add_own_data_options(parser)
    add("--split", default=None, help="how the dataset is split (its default)")
    add("--data-root", type=folder, default=None, help="folder with the dataset's")
    add("--limit", type=positive, default=None, help="samples of each part at most")
    add("--time-steps", type=positive, default=6, help="frames of a sample (6)")
    add("--framing", default="time", help="time or count (time)")
    add("--counts", action="store_true", help="event counts instead of 0 and 1")
    add("--size", type=positive, default=None, help="side of the frames in pixels")


def _check_targets(args: argparse.Namespace) -> None:
    if args.out is not None:
        check_target(args.out, stream=False)
    if args.json is not None:
        check_target(args.json)
    given = [("--out", args.out), ("--json", args.json)]
    require_distinct([(name, path) for name, path in given if path is not None])


def _metadata(
    args: argparse.Namespace,
    train_set: FrameDataset,
    test_set: FrameDataset,
    training: TrainingConfig,
    command: str,
) -> dict[str, Any]:
    """What a network file remembers of its data, as other trainings keep it."""
    import torch

    return {
        "dataset": args.dataset,
        "split": train_set.split.split(":")[0],
        "seed": args.seed,
        "framing": {
            "time_steps": args.time_steps,
            "by": args.framing,
            "binary": not args.counts,
            "size": args.size,
        },
        "train_samples": len(train_set),
        "test_samples": len(test_set),
        "data": {**train_set.metadata, "part": "train"},
        "training": {f.name: getattr(training, f.name) for f in fields(training)},
        "history": [{"command": command, "versions": {"torch": torch.__version__}}],
    }


def _json_object(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text:.200} is not JSON ({error})") from None
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError(f"{text:.200} is not a JSON object")
    return options
