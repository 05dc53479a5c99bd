"""Pictures of what a network gets, sends and learned, for any report."""

from __future__ import annotations

import numpy as np

from onchip.deploy.backends.table import build
from onchip.deploy.pages.document import Block
from onchip.deploy.pages.pictures import Frames, Picture
from onchip.deploy.reports.figures import draw_events, draw_raster, draw_weight_change
from onchip.network.learning import with_learning, without_learning
from onchip.program.graphs import AnyNetwork, as_graph


def event_blocks(rows: dict[str, np.ndarray]) -> list[Block]:
    """One sample by each of some sensors, as a picture and to step through.

    `rows`: title -> frames [T, channels, height, width]; nothing where they are not OFF and ON
    events of a sensor.
    """
    if any(frames.ndim != 4 or frames.shape[1] != 2 for frames in rows.values()):
        return []
    caption = f"Events of one test sample: {' and '.join(rows)}."
    return [
        Picture.drawn("events.png", caption, lambda path: draw_events(path, rows)),
        Frames(rows, "The same, step by step: move the slider."),
    ]


def weights_picture(before: AnyNetwork, after: AnyNetwork) -> Picture:
    """What learning changed of the weights, in floating point."""
    return Picture.drawn(
        "weights.png",
        "What online learning changed in the plastic layers.",
        lambda path: draw_weight_change(path, before, after),
    )


def raster_picture(
    network: AnyNetwork, frames: np.ndarray, label: int, sample: str, name: str = "raster.png"
) -> Picture:
    """The spikes of one sample, frames [T, ...], with the events where they are spikes."""
    with build(network, record=True) as execution:
        result = execution.run(frames[None])
    spikes = {name: values[0] for name, values in result.spikes.items()}
    rows = {"events": frames.reshape(len(frames), -1), **spikes}
    readout = as_graph(network).populations[-1]
    outputs = result.outputs[0] * getattr(readout, "membrane_unit", 1.0)
    return Picture.drawn(
        name,
        f"Spikes of one test sample: {sample}.",
        lambda path: draw_raster(path, rows, outputs, label, sample),
    )


def training_picture(before: AnyNetwork, after: AnyNetwork) -> Picture:
    """What training changed of all weights, whether they are to learn later or not."""
    graphs = [
        with_learning(without_learning(as_graph(n)), learning_rate=1.0) for n in (before, after)
    ]
    caption = "What training changed of the weights."
    return Picture.drawn("weights.png", caption, lambda path: draw_weight_change(path, *graphs))
