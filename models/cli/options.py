"""The options of a training command, for `onchip train` and `python -m onchip.models`.

Nothing heavy is imported here before a model is built, so that a command line answers at once.
"""

from __future__ import annotations

import argparse
import json
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.models.cli.augmentation_options import OFF, add_augmentation_options, augmentation_text

if TYPE_CHECKING:
    from onchip.models.config import TrainingConfig
    from onchip.models.data import FrameDataset
    from onchip.models.networks.network import SpikingNetwork


UPDATE_METHODS = {None: "ottt_a", "accumulate": "ottt_a", "online": "ottt_o"}
"""`--update` and the name of the method that it asks for."""


def add_training_options(parser: argparse.ArgumentParser) -> None:
    """Options for the network, the training's settings and what a run writes."""
    parser.add_argument("--model", default="convnet", help="mlp, convnet, ... (convnet)")
    parser.add_argument("--hidden", type=_sizes, default=None, help="dense layers, e.g. 256,128")
    parser.add_argument(
        "--model-options", type=_options, default={}, metavar="JSON", help='e.g. {"decay": 0.6}'
    )
    parser.add_argument("--method", default=None, help="ottt_a, ottt_o or bptt (ottt_a)")
    parser.add_argument(
        "--update",
        choices=("online", "accumulate"),
        default=None,
        help="other names: --update online is --method ottt_o, accumulate is ottt_a",
    )
    parser.add_argument(
        "--epochs",
        type=positive,
        default=None,
        help="times through the training data (the model's)",
    )
    _add_optimizer_options(parser)
    add_augmentation_options(parser)
    parser.add_argument("--feedback", default=None, help="exact, symmetric, random or direct")
    parser.add_argument(
        "--autocast",
        default=None,
        help="bf16 (for GPUs and CPUs with AMX or AVX-512 BF16) or fp16 (for GPUs; OTTT only): "
        "multiply and convolve in it",
    )
    parser.add_argument(
        "--compile",
        action="store_true",
        default=None,
        dest="compiled",
        help="neurons by torch.compile, meant for GPUs (OTTT only)",
    )
    parser.add_argument(
        "--scaled-start",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether gains and biases are scaled by the data before the first update, so that "
        "every layer fires",
    )
    parser.add_argument(
        "--patience",
        type=positive,
        default=None,
        metavar="N",
        help="end when the training loss has not fallen for N epochs (never)",
    )
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument(
        "--resume",
        type=Path,
        default=None,
        help="checkpoint to go on from, with the other options as they were",
    )
    parser.add_argument(
        "--log",
        "--csv-log",
        type=Path,
        default=None,
        metavar="CSV",
        help="file for a row of figures on each epoch (--csv-log behind torchrun)",
    )
    parser.add_argument(
        "--tensorboard",
        type=Path,
        default=None,
        metavar="FOLDER",
        help="folder of a run for the same figures, as TensorBoard reads them",
    )


def make_model(args: argparse.Namespace, train_set: FrameDataset) -> SpikingNetwork:
    """The network that fits the data."""
    from onchip.models import build_model

    options = dict(args.model_options)
    for name in ("name", "seed", "input_shape", "classes", "time_steps"):
        if name in options:
            raise ValueError(
                f"--model-options: {name!r} cannot be set there; it follows from the data and from "
                "--model, --seed and --time-steps"
            )
    if args.hidden is not None:
        options["hidden"] = args.hidden
    return build_model(
        args.model,
        seed=args.seed or 0,
        input_shape=tuple(train_set.frames.shape[2:]),
        classes=train_set.classes,
        time_steps=train_set.frames.shape[1],
        **options,
    )


def make_config(args: argparse.Namespace, train_set: FrameDataset) -> TrainingConfig:
    """The training settings: the recommended ones of model and data, with what options override.

    Those of Xiao et al. 2022 for a network of this kind other than `recommended_network`.

    Frames of height 1 (SHD) are no pictures: a shift or a turn would empty them, so that without an
    option there is none.
    """
    from onchip.models import TrainingConfig, recommended_training
    from onchip.models.architectures.recommended import DEFAULT_DATASET, PAPER, dataset_settings

    given = {f.name: getattr(args, f.name, None) for f in fields(TrainingConfig)}
    chosen = {name: value for name, value in given.items() if value is not None}
    if args.augment is not None:
        if twice := [name for name in chosen if name in OFF]:
            raise ValueError(
                f"--augment and --{twice[0].replace('_', '-')} both set the augmentation; "
                "name all of it in --augment"
            )
        chosen = {**OFF, **args.augment, **chosen}
    if train_set.frames.shape[-2] == 1:
        chosen = {"max_shift": 0, "max_rotation": 0.0, "max_zoom": 0.0, **chosen}
    dataset = args.dataset or DEFAULT_DATASET
    if not _is_recommended_network(args):
        chosen = {**PAPER, **dataset_settings(args.model, dataset), **chosen}
    method = chosen.pop("method", None) or UPDATE_METHODS[args.update]
    if args.update is not None and method != UPDATE_METHODS[args.update]:
        raise ValueError(f"--method {method} and --update {args.update} differ; give one of them")
    return recommended_training(args.model, method, dataset=dataset, **chosen)


def source_line(args: argparse.Namespace) -> str:
    """Where the settings of the data set come from, or nothing where it has none of its own."""
    from onchip.models.architectures.recommended import DEFAULT_DATASET, recommended_source

    source = recommended_source(args.model, args.dataset or DEFAULT_DATASET)
    return f"settings {source}; options override them" if source else ""


def settings_line(config: TrainingConfig) -> str:
    """The settings that a run is known by, for the terminal."""
    words = [
        config.method,
        f"{config.epochs} epoch{'s' if config.epochs > 1 else ''}",
        f"batches of {config.batch_size}",
        f"{config.optimizer} {config.learning_rate:g}",
        f"augmented by {augmentation_text(config)}",
    ]
    words += ["scaled start"] if config.scaled_start else []
    words += [f"patience {config.patience}"] if config.patience else []
    words += [config.autocast] if config.autocast else []
    return ", ".join(words + (["compiled"] if config.compiled else []))


def _is_recommended_network(args: argparse.Namespace) -> bool:
    """Whether the recommended settings were found for the network that is asked for."""
    from onchip.models import recommended_network

    asked = {**args.model_options, **({} if args.hidden is None else {"hidden": args.hidden})}
    recommended = json.loads(json.dumps(recommended_network(args.model)))
    return all(json.loads(json.dumps(asked.get(k))) == v for k, v in recommended.items())


def _add_optimizer_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--batch-size", type=positive, default=None, help="samples of one update (or T updates)"
    )
    parser.add_argument(
        "--learning-rate", "--lr", type=float, default=None, help="at the start (the model's)"
    )
    parser.add_argument("--optimizer", default=None, help="one of torch.optim, in lower case")
    parser.add_argument("--momentum", type=float, default=None, help="where the optimizer has one")
    parser.add_argument(
        "--weight-decay", type=float, default=None, help="of the optimizer (the model's)"
    )
    parser.add_argument(
        "--cosine",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="whether the rate falls to zero along half a cosine",
    )
    parser.add_argument("--mse-weight", type=float, default=None, help="alpha of the loss")
    parser.add_argument(
        "--label-smoothing",
        type=float,
        default=None,
        metavar="SHARE",
        help="given to the other classes (the model's)",
    )
    parser.add_argument(
        "--grad-clip", "--clip", type=float, default=None, help="largest norm of a gradient"
    )


def positive(text: str) -> int:
    """An integer of at least 1, for argparse."""
    try:
        value = int(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number") from None
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} must be at least 1")
    return value


def folder(text: str) -> Path:
    """A path whose ~ or ~user is replaced by the user's home, for argparse."""
    try:
        return Path(text).expanduser()
    except RuntimeError as error:
        raise argparse.ArgumentTypeError(f"{text}: {error}; name the folder itself") from None


def _options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise argparse.ArgumentTypeError(f"{text:.200} is not JSON ({error})") from None
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError(f"{text} is not a JSON object")
    return options


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))
