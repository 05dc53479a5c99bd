"""A picture of a few samples of a dataset."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from onchip.deploy.reports.figures import event_colors, save_figure


def draw_samples(path: Path, samples: Mapping[str, np.ndarray]) -> None:
    """Draw each sample in a row: what came in its first, middle and last third of the steps.

    `samples`: title -> frames [T, channels, height, width]; those of two channels in the colors of
    OFF and ON events, others by the sum of their channels.
    """
    figure = Figure(figsize=(7.0, 2.3 * len(samples) + 0.4), layout="constrained")
    axes = figure.subplots(len(samples), 3, squeeze=False)
    for row, (title, frames) in zip(axes, samples.items(), strict=True):
        for axis, part in zip(row, np.array_split(frames, 3), strict=True):
            total = part.sum(axis=0, dtype=np.float64)
            if len(total) == 2:
                axis.imshow(event_colors((total > 0).astype(np.uint8)), interpolation="nearest")
            else:
                axis.imshow(total.sum(axis=0), cmap="gray", interpolation="nearest", aspect="auto")
            axis.set_xticks([0, frames.shape[-1] - 1])
            axis.set_yticks([0, frames.shape[-2] - 1])
            axis.tick_params(labelsize=7)
        row[0].set_ylabel("y (pixel)", fontsize=8)
        row[1].set_title(title, fontsize=9)
    for axis, text in zip(axes[-1], ("first", "middle", "last"), strict=True):
        axis.set_xlabel(f"x (pixel), {text} third of the steps", fontsize=8)
    save_figure(figure, path)
