"""The upper bound of a lifelong run: one network, trained offline on everything there is."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from onchip.deploy.lifelong.protocol import Protocol
    from onchip.models.data import FrameDataset

MEASURES = ("final", "base_kept", "new")
"""Shares of test samples in 0..1: all tasks, the base alone, all but the base."""


def offline_bound(
    protocol: Protocol,
    parts: Mapping[str, tuple[FrameDataset, FrameDataset]],
    model: str,
    changes: dict[str, Any],
    seed: int,
) -> dict[str, float]:
    """Train on all samples of all classes, before every sensor of the protocol, and test its tasks.

    `parts` are (train, test) by sensor; returns what `bound_of` measures.
    """
    from onchip.deploy.cli.base_training import of_classes, train_on

    sensors = dict.fromkeys(sensor for _, sensor in protocol.tasks())
    seen = [of_classes(parts[sensor][0], protocol.order) for sensor in sensors]
    tests = {sensor: of_classes(parts[sensor][1], protocol.order) for sensor in sensors}
    network = train_on(joined(seen), joined([*tests.values()]), model, changes, seed, {})
    return bound_of(network, protocol, tests)


def bound_of(
    network: Any, protocol: Protocol, tests: Mapping[str, FrameDataset]
) -> dict[str, float]:
    """Measure a network on the protocol's tasks: `MEASURES` as of the last row of a `Course`.

    `tests` by sensor, their labels numbered in the protocol's order.
    """
    from onchip.deploy.backends.table import build
    from onchip.deploy.lifelong.metrics import Course

    with build(network) as execution:
        right = {s: execution.run(t.frames).predictions == t.labels for s, t in tests.items()}
    row, samples = [], []
    for classes, sensor in protocol.tasks():
        among = np.isin(tests[sensor].labels, [protocol.order.index(c) for c in classes])
        row.append(right[sensor][among].mean())
        samples.append(among.sum())
    known = [len(protocol.known(index)) for index in range(len(row))]
    course = Course(np.tile(row, (len(row), 1)), np.array(samples), np.array(known)).as_json()
    return {name: float(course[name]) for name in MEASURES}


def joined(parts: list[FrameDataset]) -> FrameDataset:
    """Return the samples of several data sets as one, described as the first."""
    frames = np.concatenate([part.frames for part in parts])
    labels = np.concatenate([part.labels for part in parts])
    return replace(parts[0], frames=frames, labels=labels)
