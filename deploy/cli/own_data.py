"""What the commands do for data of one's own: remembered by path and digest, or random."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onchip.deploy.cli.common import say

if TYPE_CHECKING:
    from onchip.models.data import FrameDataset
    from onchip.program.graphs import AnyNetwork

RANDOM = "random"
"""The dataset of random frames of a network's own size."""


def random_data(
    network: AnyNetwork | None, seed: int, limit: int | None
) -> tuple[FrameDataset, FrameDataset]:
    """Random (train, test) frames for a network; ValueError for none."""
    from onchip.models.data.own.random_frames import random_parts

    if network is None:
        raise ValueError("dataset 'random' makes frames for a network; name data to train one with")
    say("note: frames and labels are random, so an accuracy says nothing")
    return random_parts(network.input_shape, network.classes, network.time_steps, seed, limit)


def check_digest(dataset: str, digest: str | None, train: FrameDataset) -> None:
    """Refuse data that are no longer what the network remembers."""
    found = train.metadata.get("digest")
    if digest is not None and found != digest:
        raise ValueError(
            f"dataset {dataset}: its content is not what the network was trained with "
            f"(digest {str(found)[:12]}, not {digest[:12]}); name it with --dataset to use "
            "it all the same"
        )


def same_data(dataset: str, kept: Mapping[str, Any]) -> bool:
    """Whether a name or path is the one that a network remembers."""
    remembered = kept.get("dataset")
    if not isinstance(remembered, str) or dataset == remembered:
        return dataset == remembered
    if same_name(dataset, remembered):
        return True
    return Path(dataset).expanduser().resolve() == Path(remembered)


def same_name(name: str, other: str) -> bool:
    """Whether two names mean the same data set of the table."""
    from onchip.models.data.assembly import known_name
    from onchip.models.data.load import dataset_table

    table = [info.name for info in dataset_table()]
    found = known_name(name, table)
    return found is not None and found == known_name(other, table)


def own_data(args: argparse.Namespace, kept: Mapping[str, Any], same: bool) -> dict[str, Any]:
    """What data of one's own need: from the options, or as the network remembers them."""
    data = kept.get("data") if same else None
    data = data if isinstance(data, dict) else {}
    labels, sensor, digest = (data.get(key) for key in ("labels_file", "sensor", "digest"))
    size = sensor.get("size") if isinstance(sensor, dict) and digest is not None else None
    if data.get("split") == "standard":
        labels = None  # parts of their own have labels; earlier releases noted a file and used none
    given = args.labels is not None or args.sensor_size is not None
    return {
        "labels": args.labels or (Path(labels) if isinstance(labels, str) else None),
        "sensor_size": args.sensor_size or (tuple(size) if isinstance(size, list) else None),
        # Whoever names the data means what is there now.
        "digest": digest if args.dataset is None and not given else None,
    }
