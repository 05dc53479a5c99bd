"""A few samples of data of one's own, as frames to draw and as characters for a terminal."""

from __future__ import annotations

import numpy as np

from onchip.models.data.dataset import first_balanced
from onchip.models.data.frames import Framing, to_frames
from onchip.models.data.own.samples import Samples

LEVELS = " .:-=+*#%@"
"""Characters from nothing to the most."""

ROWS, COLUMNS = 16, 32


def sample_frames(found: Samples, framing: Framing | None, count: int) -> dict[str, np.ndarray]:
    """Return the first samples of the classes in turn: "NAME (CLASS)" -> frames [T, C, h, w]."""
    shown = {}
    for index in first_balanced(found.labels, min(count, len(found.labels))):
        name = found.names[index]
        sample = found.read(int(index))
        frames = sample if framing is None else to_frames(sample, framing, name)
        shown[f"{name} ({found.classes[found.labels[index]]})"] = np.asarray(frames)
    return shown


def sketch(frames: np.ndarray) -> str:
    """Return the sum of frames [T, channels, height, width] over steps and channels, as text."""
    total = np.abs(frames.astype(np.float64)).sum(axis=(0, 1))
    height, width = total.shape
    rows, columns = min(ROWS, height), min(COLUMNS, width)
    row, column = (np.arange(n) * m // n for n, m in ((height, rows), (width, columns)))
    small = np.zeros((rows, columns))
    np.add.at(small, (row[:, np.newaxis], column[np.newaxis]), total)
    scaled = small / max(float(small.max()), 1e-12) * (len(LEVELS) - 1)
    return "\n".join("".join(LEVELS[round(v)] for v in line).rstrip() for line in scaled)
