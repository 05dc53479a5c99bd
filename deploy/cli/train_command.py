"""`onchip train`: train a network offline, write a checkpoint."""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from dataclasses import asdict, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from deploy.cli.common import (
    add_command,
    common_results,
    positive,
    say,
    show_progress,
    with_provenance,
)
from deploy.cli.data import add_data_options, add_framing_options, chosen_data, split_name

if TYPE_CHECKING:
    from models import SpikingNetwork, TrainingConfig
    from models.data import FrameDataset


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
    parser.add_argument("--model", default="convnet", help="mlp or convnet (convnet)")
    parser.add_argument("--hidden", type=_sizes, default=None, help="dense layers, e.g. 256,128")
    parser.add_argument(
        "--model-options", type=_options, default={}, metavar="JSON", help='e.g. {"decay": 0.6}'
    )
    parser.add_argument("--method", default=None, help="ottt_a, ottt_o or bptt (ottt_a)")
    parser.add_argument("--epochs", type=positive, default=None)
    parser.add_argument("--batch-size", type=positive, default=None)
    parser.add_argument("--learning-rate", type=float, default=None)
    parser.add_argument("--optimizer", default=None, help="one of torch.optim, in lower case")
    parser.add_argument("--max-shift", type=int, default=None, help="augmentation, in pixels")
    parser.add_argument("--max-rotation", type=float, default=None, help="augmentation, in degrees")
    parser.add_argument("--max-zoom", type=float, default=None, help="augmentation, 0.1 is 10 %%")
    parser.add_argument("--weight-decay", type=float, default=None)
    parser.add_argument("--mse-weight", type=float, default=None, help="alpha of the loss")
    parser.add_argument("--grad-clip", type=float, default=None)
    parser.add_argument("--feedback", default=None, help="exact, symmetric, random or direct")
    parser.add_argument("--out", type=Path, required=True, help="checkpoint to write")
    parser.add_argument("--resume", type=Path, default=None, help="checkpoint to go on from")
    parser.set_defaults(execute=execute)


def execute(args: argparse.Namespace) -> dict[str, Any]:
    """Train; results `accuracy` (test, last epoch), `epochs`, `seconds`, `peak_memory_bytes`."""
    from models import train

    choice = chosen_data(args)
    train_set, test_set = choice.load(args.data_root, args.limit)
    model, config = make_model(args, train_set), make_config(args, train_set)
    metadata = {**choice.metadata(train_set, test_set), "training": asdict(config)}
    metadata = with_provenance(metadata, args)
    if args.resume is not None:
        check_same_data(args.resume, metadata)
    say(f"training {args.model} on {len(train_set.labels)} samples, {len(test_set.labels)} to test")
    with Checkpoints(args.out) as folder:
        result = train(
            model,
            train_set,
            test_set,
            config,
            checkpoint_dir=folder,
            resume=args.resume,
            metadata=metadata,
            progress=show_progress(),
        )
    print(f"test accuracy {result.accuracy:.4f} after {result.epochs} epochs: {args.out}")
    return {
        **common_results(choice.dataset, split_name(train_set), config.seed, "torch", "float32"),
        "accuracy": result.accuracy,
        "epochs": result.epochs,
        "seconds": result.seconds,
        "peak_memory_bytes": result.peak_memory_bytes,
        "model": args.model,
        "method": config.method,
        "train_samples": len(train_set.labels),
        "test_samples": len(test_set.labels),
        "checkpoint": str(args.out),
    }


def make_model(args: argparse.Namespace, train_set: FrameDataset) -> SpikingNetwork:
    """The network that fits the data."""
    from models import build_model

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
        time_steps=args.time_steps,
        **options,
    )


def make_config(args: argparse.Namespace, train_set: FrameDataset) -> TrainingConfig:
    """The training settings: the model's recommended ones, with what the options override.

    Frames of height 1 (SHD) are no pictures: a shift or a turn would empty them, so that without an
    option there is none.
    """
    from models import TrainingConfig, recommended_training

    given = {f.name: getattr(args, f.name, None) for f in fields(TrainingConfig)}
    chosen = {name: value for name, value in given.items() if value is not None}
    if train_set.frames.shape[-2] == 1:
        chosen = {"max_shift": 0, "max_rotation": 0.0, "max_zoom": 0.0, **chosen}
    return recommended_training(args.model, chosen.pop("method", "ottt_a"), **chosen)


def check_same_data(checkpoint: Path, metadata: dict[str, Any]) -> None:
    """Raise ValueError where a run to be resumed saw other data: its test samples are not ours."""
    from models import load_checkpoint

    kept = load_checkpoint(checkpoint).metadata
    for name in ("dataset", "split", "framing", "train_samples", "test_samples"):
        if name in kept and kept[name] != metadata[name]:
            raise ValueError(
                f"checkpoint {checkpoint}: its run had {name} {kept[name]!r}, not "
                f"{metadata[name]!r}; resume with the same data or start a new run"
            )


class Checkpoints:
    """A folder for each epoch's checkpoint; the last one becomes `out`, after Ctrl-C as well."""

    def __init__(self, out: Path) -> None:
        self._out = out

    def __enter__(self) -> Path:
        self._folder = Path(tempfile.mkdtemp(prefix=f".{self._out.name}.", dir=self._out.parent))
        return self._folder

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        last = self._folder / "last.pt"
        kept = last.exists() and (kind is None or issubclass(kind, KeyboardInterrupt))
        if kept:
            last.replace(self._out)
        shutil.rmtree(self._folder, ignore_errors=True)
        if kept and kind is not None:
            raise KeyboardInterrupt(f"go on with --resume {self._out}")


def _options(text: str) -> dict[str, Any]:
    try:
        options = json.loads(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(f"{text} is not JSON ({error})") from None
    if not isinstance(options, dict):
        raise argparse.ArgumentTypeError(f"{text} is not a JSON object")
    return options


def _sizes(text: str) -> tuple[int, ...]:
    return tuple(positive(part) for part in text.split(","))
