"""The figures of the demo's report, from what it found."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onchip.deploy.cli.beside import beside, has_another_processor
from onchip.deploy.pages.accuracy_bars import (
    ACCURACY_NAMES,
    PRECISION_NAMES,
    RECOVERY,
    AccuracyBars,
)
from onchip.deploy.pages.network_pictures import event_blocks, raster_picture, weights_picture
from onchip.deploy.pages.pictures import Picture, png_of
from onchip.deploy.pages.stream_chart import StreamChart
from onchip.deploy.reports.figures import (
    draw_accuracies,
)

if TYPE_CHECKING:
    from onchip.deploy.cli.scenario import Outcome
    from onchip.deploy.pages.document import Block

FIGURES = ("accuracy", "events", "stream", "raster", "weights", "network")
"""Each is a PNG in the results' folder."""

WINDOW = 40
"""Measured samples of the running accuracy."""


def demo_figures(outcome: Outcome) -> dict[str, list[Block]]:
    """All but the network's, by the names of `FIGURES`; the weights' take half of the time."""

    def weights() -> list[Block]:
        return [weights_picture(*outcome.first.worth)]

    if not has_another_processor():
        return {**_other_figures(outcome), "weights": weights()}
    with beside(weights) as picture:
        return {**_other_figures(outcome), "weights": picture.result()}


def _other_figures(outcome: Outcome) -> dict[str, list[Block]]:
    return {
        "accuracy": [_accuracies(outcome)],
        "events": event_blocks(
            {
                "original sensor": outcome.data.test.frames[0],
                "drifted sensor": outcome.data.drifted_test.frames[0],
            }
        ),
        "stream": [_stream(outcome)],
        "raster": [_raster(outcome)],
    }


def _raster(outcome: Outcome) -> Picture:
    test = outcome.data.drifted_test
    label = int(test.labels[0])
    sample = f"a {label} of the drifted sensor, after learning"
    return raster_picture(outcome.first.after, test.frames[0], label, sample)


def _stream(outcome: Outcome) -> StreamChart:
    tracks = {PRECISION_NAMES[name]: track for name, track in outcome.tracks.items()}
    streams = {f"stream, {name}": track.learning.correct for name, track in tracks.items()}
    offline = outcome.first.accuracies["accuracy_offline"]
    levels = {ACCURACY_NAMES["accuracy_offline"]: offline}
    for key in ("accuracy_drifted", "accuracy_recovered"):
        for name, track in tracks.items():
            levels[f"{ACCURACY_NAMES[key]}, {name}"] = track.accuracies[key]
    caption = (
        f"Accuracy along the stream, mean of {WINDOW} measured samples, each before it is learned "
        "from; dashed: accuracies on test samples."
    )
    return StreamChart.drawn(
        "stream.png", caption, outcome.first.learning.positions, streams, levels, WINDOW
    )


def _accuracies(outcome: Outcome) -> AccuracyBars:
    """A row for each accuracy and for what was recovered."""
    names = {**ACCURACY_NAMES, "recovery": RECOVERY}
    rows = {
        text: {PRECISION_NAMES[n]: track.accuracies[key] for n, track in outcome.tracks.items()}
        for key, text in names.items()
    }
    return AccuracyBars(rows, "accuracy.png", png_of(lambda path: _draw_bars(path, outcome)))


def _draw_bars(path: Path, outcome: Outcome) -> None:
    bars = {
        PRECISION_NAMES[precision]: {
            text: track.accuracies[key] for key, text in ACCURACY_NAMES.items()
        }
        for precision, track in outcome.tracks.items()
    }
    recovered = ", ".join(
        f"{track.accuracies['recovery']:.0%} ({PRECISION_NAMES[name]})"
        for name, track in outcome.tracks.items()
    )
    samples = outcome.first.learning.samples
    draw_accuracies(path, bars, f"Share of the fall recovered from {samples} samples: {recovered}")
