"""Labelled sequences by name: scikit-learn's digits one pixel a step, and DVS-Gesture by tonic."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import torch

from onchip.models.fptt.tasks import Sequences

Parts = tuple[Sequences, Sequences]
"""(training, test)."""


@dataclass(frozen=True)
class LabelledTask:
    """What a network for labelled sequences needs to know of them, and how they are loaded.

    `inputs` features of a step, `classes`, `branches` of the first layer
    (`onchip.models.fptt.networks.BranchedLayer`), `steps` T of a sequence where it is fixed, else
    None. `load(data_root, steps, seed, limit)` returns both parts; `recorded` says whether it reads
    a folder. `source` is where the settings come from, in one line, or "" where they were chosen
    and measured here.
    """

    inputs: int
    classes: int
    load: Callable[[str | Path | None, int, int, int | None], Parts]
    branches: int = 1
    steps: int | None = None
    recorded: bool = False
    source: str = ""


@cache
def digits(seed: int = 0) -> Parts:
    """(training, test): scikit-learn's 8 x 8 digits row by row, 64 steps of a pixel in [0, 1].

    A stratified fifth is for testing, drawn from `seed`.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype(np.float32)[:, :, None]
    parts = train_test_split(x, labels, test_size=0.2, random_state=seed, stratify=labels)
    train_x, test_x, train_y, test_y = (torch.from_numpy(part) for part in parts)
    return Sequences(train_x, train_y), Sequences(test_x, test_y)


SIDE, BLOCK = 32, 4
"""DVS-Gesture's 128 x 128 pixels are averaged over blocks of 4 x 4."""


def gestures(
    data_root: str | Path | None, steps: int, seed: int = 0, limit: int | None = None
) -> Parts:
    """(training, test) of DVS-Gesture: `steps` frames of 2 x 32 x 32 average counts as rows.

    The OFF polarity's pixels come first. A frame is an equal share of the recording's time, a pixel
    the mean count of events of 4 x 4 of the sensor's, whose sum saturates at 255. `limit`: at most
    so many recordings of each part; the training part's order is drawn from `seed`. Raises as
    `onchip.models.load_dataset`.
    """
    from onchip.models.data.load import load_dataset

    parts = load_dataset(
        "dvsgesture",
        data_root=data_root,
        time_steps=steps,
        binary=False,
        size=SIDE,
        seed=seed,
        limit=limit,
    )
    train, test = (
        Sequences(
            torch.from_numpy(part.frames.astype(np.float32) / BLOCK**2).flatten(2),
            torch.from_numpy(part.labels),
        )
        for part in parts
    )
    return train, test


LABELLED: dict[str, LabelledTask] = {
    "digits": LabelledTask(
        inputs=1,
        classes=10,
        steps=64,
        load=lambda data_root, steps, seed, limit: digits(seed % 2**32),
    ),
    "dvsgesture": LabelledTask(
        inputs=2 * SIDE * SIDE,
        classes=11,
        branches=2,
        load=gestures,
        recorded=True,
        source="20 frames, 4 x 4 pooling and layers of 512 are from the literature (Yin et al. "
        "2021), not measured here; the other settings are this project's, not measured either",
    ),
}
"""Task by name. The paper reports about 97 % on DVS-Gesture; it was not run here."""
