"""Data for a command: from its options, or as the network file remembers it."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.checks import require_choice
from onchip.deploy.cli.common import say, show_progress
from onchip.deploy.cli.own_data import (
    RANDOM,
    check_digest,
    own_data,
    random_data,
    same_data,
    same_name,
)
from onchip.models.cli.options import folder, positive
from onchip.models.cli.own_data_options import add_own_data_options

if TYPE_CHECKING:
    from onchip.models.data import FrameDataset
    from onchip.program.graphs import AnyNetwork

PARTS = ("train", "test")


def add_data_options(parser: argparse.ArgumentParser, remembered: bool) -> None:
    """Options naming the data; with `remembered` the network's own are the default."""
    default = "the network's" if remembered else "digits-dvs"
    parser.add_argument(
        "--dataset",
        default=None,
        help=f"name, see onchip datasets, path of your own, or random ({default})",
    )
    add_own_data_options(parser)
    parser.add_argument("--split", default=None, help="how the dataset is split")
    parser.add_argument("--data-root", type=folder, default=None, help="folder with the dataset's")
    parser.add_argument("--limit", type=positive, default=None, help="samples of each part at most")


def add_part_options(parser: argparse.ArgumentParser) -> None:
    """Options naming a part of the data, for `load_part`."""
    parser.add_argument("--part", default="test", help="train or test (test)")
    add_drift_options(parser)


def add_drift_options(parser: argparse.ArgumentParser) -> None:
    """`--drifted` and `--drift`, for `drift_of`."""
    parser.add_argument("--drifted", action="store_true", help="digits-dvs: the drifted sensor")
    parser.add_argument(
        "--drift",
        type=float,
        default=None,
        metavar="SHARE",
        help="how far it drifted: 0 not at all, 1 as with --drifted, at most 4",
    )


def drift_of(args: argparse.Namespace) -> float:
    """How far the sensor drifted that the options name; 0: the original one.

    Raises ValueError where they contradict each other: --drifted, and not at all.
    """
    if args.drifted and args.drift == 0:
        raise ValueError(
            "--drifted asks for a drifted sensor and --drift 0 for one that has not; leave one out"
        )
    return float(args.drifted) if args.drift is None else args.drift


def add_framing_options(parser: argparse.ArgumentParser) -> None:
    """Options for cutting events into frames."""
    parser.add_argument("--time-steps", type=positive, default=None, help="frames of a sample (10)")
    parser.add_argument("--framing", default="time", help="time or count (time)")
    parser.add_argument("--counts", action="store_true", help="event counts instead of 0 and 1")
    parser.add_argument("--size", type=positive, default=None, help="side of the frames in pixels")


@dataclass(frozen=True)
class DataChoice:
    """Which data, how split and how framed: what a network file has to remember.

    `seed` draws a random split, so a network must be tested with the seed it was trained with.
    `labels`, `sensor_size` and `digest` are of data of one's own, `network` is what the dataset
    "random" makes frames for.
    """

    dataset: str = "digits-dvs"
    split: str | None = None
    seed: int = 0
    time_steps: int | None = None
    framing: str = "time"
    binary: bool = True
    size: int | None = None
    labels: Path | None = None
    sensor_size: tuple[int, int, int] | None = None
    digest: str | None = None
    network: AnyNetwork | None = None

    def load(
        self, data_root: Path | None = None, limit: int | None = None, drifted: float = 0
    ) -> tuple[FrameDataset, FrameDataset]:
        """(train, test) of a sensor that `drifted` so far, which only digits-dvs has."""
        from onchip.models.data import SensorConfig, load_dataset

        if self.dataset == RANDOM:
            return random_data(self.network, self.seed, limit)
        if drifted and not same_name(self.dataset, "digits-dvs"):
            raise ValueError(
                f"dataset {self.dataset!r} has no drifted sensor; --drifted is for digits-dvs"
            )
        parts = load_dataset(
            self.dataset,
            split=self.split,
            data_root=data_root,
            time_steps=self.time_steps,
            framing=self.framing,
            binary=self.binary,
            size=self.size,
            seed=self.seed,
            sensor=SensorConfig().drifted(drifted) if drifted else None,
            limit=limit,
            labels=self.labels,
            sensor_size=self.sensor_size,
            progress=show_progress(),
        )
        check_digest(self.dataset, self.digest, parts[0])
        return parts

    def metadata(self, train: FrameDataset, test: FrameDataset) -> dict[str, Any]:
        """What a checkpoint or network file keeps of its data."""
        return {
            "dataset": train.metadata.get("dataset", self.dataset),
            "split": split_name(train),
            "seed": self.seed,
            "framing": {
                "time_steps": train.frames.shape[1],
                "by": self.framing,
                "binary": self.binary,
                "size": self.size,
            },
            "train_samples": len(train.labels),
            "test_samples": len(test.labels),
            "data": {**train.metadata, "part": "train"},
        }


def split_name(dataset: FrameDataset) -> str:
    """The kind of split, "random" of "random:train"."""
    return dataset.split.split(":")[0]


def chosen_data(args: argparse.Namespace) -> DataChoice:
    """The data that the options of a training command name."""
    return DataChoice(
        dataset=args.dataset or "digits-dvs",
        split=args.split,
        seed=args.seed or 0,
        time_steps=args.time_steps,
        framing=args.framing,
        binary=not args.counts,
        size=args.size,
        labels=args.labels,
        sensor_size=args.sensor_size,
    )


def remembered_data(args: argparse.Namespace, spec: AnyNetwork) -> DataChoice:
    """The data that the network remembers, with what the options override.

    The seed of the split stays the network's while the dataset does, so that no training sample
    turns up in a test. Another split has them there: that is said.
    """
    kept = spec.metadata
    dataset = args.dataset or kept.get("dataset")
    if not isinstance(dataset, str):
        raise ValueError(
            "the network does not remember its dataset; name one with --dataset (random makes "
            "frames of its size)"
        )
    same = same_data(dataset, kept)
    if same and args.split not in (None, kept.get("split")):
        say(
            f"note: the network was trained on split {kept.get('split')!r}: its training samples "
            f"are among the test samples of {args.split!r}"
        )
    framing = kept.get("framing")
    framing = framing if isinstance(framing, dict) else {}
    seed = kept.get("seed") if same else None
    return DataChoice(
        dataset=dataset,
        split=args.split or (kept.get("split") if same else None),
        seed=seed if isinstance(seed, int) else (args.seed or 0),
        time_steps=spec.time_steps,
        framing=str(framing.get("by", "time")),
        binary=bool(framing.get("binary", True)),
        size=_frame_size(framing, same, spec),
        **own_data(args, kept, same),
        network=spec if dataset == RANDOM else None,
    )


def _frame_size(framing: dict[str, Any], same: bool, spec: AnyNetwork) -> int | None:
    """The remembered side; for another dataset the side that the network reads."""
    size = framing.get("size")
    if same:
        return size if isinstance(size, int) else None
    return spec.input_shape[-1] if len(spec.input_shape) == 3 else None


def take(
    dataset: FrameDataset, samples: int | None, rng: np.random.Generator | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """(frames, labels) of `samples` samples: drawn from `rng`, or else the first of each class.

    Without `rng` the classes are balanced and in the dataset's order (recordings are often sorted
    by class). None takes all. Raises ValueError where there are fewer.
    """
    from onchip.models.data.dataset import first_balanced

    available = len(dataset.labels)
    count = available if samples is None else samples
    if count > available:
        raise ValueError(
            f"{dataset.name}: {count} samples were asked for, but its part {dataset.split!r} has "
            f"{available}; ask for fewer"
        )
    if rng is None:
        chosen = first_balanced(dataset.labels, count)
    else:
        chosen = rng.permutation(available)[:count]
    part = dataset.subset(chosen)
    return part.frames, part.labels


def load_part(args: argparse.Namespace, choice: DataChoice) -> FrameDataset:
    """The part that `--part` names, "train" or "test"."""
    require_choice("part", args.part, PARTS)
    return choice.load(args.data_root, args.limit, drift_of(args))[PARTS.index(args.part)]


def seed_of(args: argparse.Namespace, choice: DataChoice) -> int:
    """`--seed`, or else that of the split."""
    return choice.seed if args.seed is None else args.seed
