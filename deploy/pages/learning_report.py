"""The report of learning online from a stream."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onchip.deploy.checks.findings import CheckReport
from onchip.deploy.pages.accuracy_bars import PRECISION_NAMES, AccuracyBars
from onchip.deploy.pages.document import Block, Document, Section, Text
from onchip.deploy.pages.sections import check_section, settings_section

ACCURACIES = {
    "accuracy_before": "before learning online",
    "accuracy_after": "after learning online",
}
"""What the accuracies on test samples are called."""


def learning_report(
    results: Mapping[str, Any],
    command: str,
    check: CheckReport,
    figures: Mapping[str, Sequence[Block]],
) -> Document:
    """The report of `onchip learn` from its results.

    `figures`: "events", "stream", "parity", "rasters", "weights" and "network", each what there is
    to be shown.
    """
    precision = PRECISION_NAMES["fixed" if results["precision"] == "integers" else "float"]
    rows = {text: {precision: float(results[key])} for key, text in ACCURACIES.items()}
    parts = {
        "The sensor's events": figures["events"],
        "Accuracy along the stream": figures["stream"],
        "The same spikes and the same updates": figures["parity"],
        "Spikes before and after": figures["rasters"],
        "What learning changed": figures["weights"],
        "The network": figures["network"],
    }
    return Document(
        "Learning online",
        [AccuracyBars(rows), Text(_story(results, precision))],
        [
            *(Section(title, blocks) for title, blocks in parts.items() if blocks),
            check_section(check),
            settings_section(results, command),
        ],
    )


def _story(results: Mapping[str, Any], precision: str) -> str:
    sensor = "the drifted sensor of " if results["drifted"] else ""
    chip = " No chip was involved." if results["backend"] != "loihi2" else ""
    return (
        f"Learned on the backend `{results['backend']}` in {precision} from {results['samples']} "
        f"labelled training samples of {sensor}{results['dataset']}, split {results['split']!r}, "
        f"seed {results['seed']}, in {results['seconds']:.1f} s: "
        f"{results['steps_per_second']:.0f} algorithmic steps a second. Both accuracies are of "
        f"{results['test_samples']} test samples, never learned from, learning off, measured on "
        f"`{results['evaluated_on']}`.{chip}"
    )
