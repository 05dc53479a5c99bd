"""A tiny DVSGesture folder, fabricated in the layout and file format of tonic's edition."""

from __future__ import annotations

from pathlib import Path

import numpy as np

PARTS = {"ibmGestureTrain/user01_lab": 0, "ibmGestureTest/user24_led": 1}


def make_gestures(root: Path, events: int = 60) -> dict[str, np.ndarray]:
    """Write all gestures once in each part; returns the rows x, y, polarity, milliseconds by path.

    A gesture's events lie in a column of its own, so that they can be told apart.
    """
    written = {}
    for folder, seed in PARTS.items():
        rng = np.random.default_rng(seed)
        for gesture in range(11):
            x = 11 * gesture + rng.integers(0, 11, events)
            y, polarity = rng.integers(0, 128, events), rng.integers(0, 2, events)
            times = np.sort(rng.integers(0, 400, events))
            path = root / "DVSGesture" / folder / f"{gesture}.npy"
            path.parent.mkdir(parents=True, exist_ok=True)
            written[f"{folder}/{gesture}"] = np.stack([x, y, polarity, times], axis=1)
            np.save(path, written[f"{folder}/{gesture}"])
    return written
