"""Random frames and labels for a network whose data are not at hand."""

from __future__ import annotations

import math

import numpy as np

from onchip.models.data.dataset import FrameDataset

SAMPLES, RATE = 50, 0.3
"""Samples of each part, and the chance of a spike at a pixel and step."""


def random_parts(
    input_shape: tuple[int, ...], classes: int, time_steps: int, seed: int, limit: int | None
) -> tuple[FrameDataset, FrameDataset]:
    """Return (train, test) of random spikes that a network of these sizes takes.

    A row of inputs becomes a map of one row. `seed` draws everything.
    """
    sides = input_shape if len(input_shape) == 3 else (1, 1, math.prod(input_shape))
    rng, count = np.random.default_rng([seed]), min(SAMPLES, limit or SAMPLES)
    parts = []
    for part in ("train", "test"):
        frames = (rng.random((count, time_steps, *sides)) < RATE).astype(np.uint8)
        labels = rng.integers(0, classes, count)
        facts: dict[str, object] = {"dataset": "random", "seed": seed, "rate": RATE, "part": part}
        parts.append(FrameDataset("random", f"random:{part}", frames, labels, classes, facts))
    return parts[0], parts[1]
