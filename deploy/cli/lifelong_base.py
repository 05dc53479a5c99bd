"""The base network of `onchip lifelong`, and the data that it was, or is, trained on.

Tests must be samples that the base has not seen. A base that was kept remembers the split that it
was trained on and what was held out of it, and both are kept to.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.data import DataChoice, chosen_data, remembered_data, seed_of
from onchip.deploy.cli.own_data import same_data

if TYPE_CHECKING:
    from onchip.deploy.lifelong.protocol import Protocol
    from onchip.deploy.lifelong.splits import Split
    from onchip.models.data import FrameDataset

MODEL = "convnet"
"""The architecture that is trained where none is named."""

OF_TRAINING = ("epochs", "batch_size", "keep")
"""Options that make a base, or keep it."""


def kept_base(args: argparse.Namespace) -> Any:
    """The network of `--network`, None without it.

    Raises ValueError for options that are about a base that is trained here.
    """
    from onchip.deploy.cli.networks import load_any

    if args.network is None:
        return None
    for name in OF_TRAINING:
        if getattr(args, name) is not None:
            option = name.replace("_", "-")
            raise ValueError(
                f"--{option}: the base comes from --network {args.network} and is not trained; "
                f"leave --{option} out"
            )
    return load_any(args.network)


def data_of(args: argparse.Namespace, base: Any) -> DataChoice:
    """The data: for a kept base of the same dataset as it remembers, split and seed included.

    Raises ValueError where another split is asked for.
    """
    if base is None:
        return chosen_data(args)
    kept = base.metadata
    if args.dataset is None or same_data(args.dataset, kept):
        if args.split not in (None, kept.get("split")):
            raise ValueError(
                f"--split {args.split}: the base was trained on split {kept.get('split')!r}, so "
                "its training samples are among the other split's tests; leave --split out"
            )
        return remembered_data(args, base)
    return replace(chosen_data(args), time_steps=args.time_steps or base.time_steps)


def require_held_out(args: argparse.Namespace, choice: DataChoice, base: Any, share: float) -> None:
    """Raise ValueError unless a kept base was trained without what `--validate` tests on."""
    if base is None or not args.validate:
        return
    if not same_data(choice.dataset, base.metadata):
        return  # of other data it has seen nothing
    if base.metadata.get("held_out", 0) != share:
        raise ValueError(
            f"--validate: the base {args.network} was trained on all training samples of its "
            "classes, and the tests would be among them; train one with --validate --keep FILE"
        )
    if seed_of(args, choice) != choice.seed:
        raise ValueError(
            f"--seed {args.seed}: what was held out of the base {args.network} was drawn with "
            f"seed {choice.seed}; leave --seed out, or train a base with --seed {args.seed}"
        )


def trained_base(
    args: argparse.Namespace,
    choice: DataChoice,
    protocol: Protocol,
    split: Split,
    parts: tuple[FrameDataset, FrameDataset],
    held_out: float,
) -> Any:
    """A base trained on the base classes alone; kept where `--keep` says."""
    from onchip.deploy.cli.base_training import of_classes, train_on
    from onchip.deploy.files.hdf5 import save_spec

    known = of_classes(parts[0], protocol.base, np.array(split.base))
    tests = of_classes(parts[1], protocol.base)
    model = args.model or MODEL
    metadata = {**choice.metadata(known, tests), "model": model, "held_out": held_out}
    network = train_on(known, tests, model, settings_of(args), args.seed or 0, metadata)
    if args.keep is not None:
        save_spec(args.keep, network)
    return network


def settings_of(args: argparse.Namespace) -> dict[str, Any]:
    """What the options change of the recommended training."""
    changes = {"epochs": args.epochs, "batch_size": args.batch_size}
    return {name: value for name, value in changes.items() if value is not None}


def architecture_of(args: argparse.Namespace, base: Any) -> str:
    """The name of the architecture that an offline bound is trained in: the base's, or `--model`.

    Raises ValueError for a kept base that does not remember one.
    """
    if args.model is not None or base is None:
        return args.model or MODEL
    model = base.metadata.get("model")
    if not isinstance(model, str):
        raise ValueError(
            f"way offline: {args.network} does not say which architecture it is, and offline "
            "trains the same; name it with --model, or take offline out of --ways"
        )
    return model
