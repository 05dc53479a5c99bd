"""The network that a lifelong run begins with, trained offline on some of the classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from onchip.deploy.cli.common import say, show_progress

if TYPE_CHECKING:
    from onchip.models.data import FrameDataset
    from onchip.network.graph import Network
    from onchip.network.spec import NetworkSpec


def of_classes(
    dataset: FrameDataset, classes: Sequence[int], chosen: np.ndarray | None = None
) -> FrameDataset:
    """Return the samples of some classes, numbered in that order; `chosen` are their indices."""
    among = np.isin(dataset.labels, classes)
    part = dataset.subset(np.flatnonzero(among) if chosen is None else chosen)
    numbers = {label: i for i, label in enumerate(classes)}
    labels = np.array([numbers[int(label)] for label in part.labels], np.int64)
    return replace(part, labels=labels, classes=len(classes))


def train_on(
    train_set: FrameDataset,
    test_set: FrameDataset,
    model: str,
    changes: dict[str, Any],
    seed: int,
    metadata: dict[str, Any],
) -> NetworkSpec | Network:
    """Train an architecture by its recommended settings with `changes`; returns it as described."""
    from onchip.models import (
        build_model,
        describe_model,
        recommended_network,
        recommended_training,
        train,
    )

    dataset = str(train_set.metadata.get("dataset", train_set.name))
    network = build_model(
        model,
        seed=seed,
        input_shape=tuple(train_set.frames.shape[2:]),
        classes=train_set.classes,
        time_steps=train_set.frames.shape[1],
        **recommended_network(model, dataset),
    )
    config = recommended_training(model, "ottt_a", dataset=dataset, seed=seed, **changes)
    train(
        network,
        train_set,
        test_set,
        config,
        progress=show_progress(),
        report=None if show_progress() else say,
        warn=say,
    )
    return describe_model(network, {**metadata, "training": asdict(config)})
