"""The report of training offline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onchip.deploy.checks.findings import CheckReport
from onchip.deploy.pages.accuracy_bars import AccuracyBars
from onchip.deploy.pages.document import Block, Document, Section, Table, Text
from onchip.deploy.pages.sections import check_section, settings_section

COLUMNS = ("epoch", "loss", "train_accuracy", "test_accuracy", "seconds")
"""Of the table of epochs, those that a history has."""


def training_report(
    results: Mapping[str, Any],
    command: str,
    history: Sequence[Mapping[str, Any]],
    check: CheckReport,
    figures: Mapping[str, Sequence[Block]],
) -> Document:
    """The report of `onchip train` from its results.

    `history` has an entry for each epoch; `figures`: "course", "events", "parity", "raster",
    "weights" and "network", each what there is to be shown.
    """
    last = history[-1]
    rows = {
        "test samples, after the last epoch": {"accuracy": float(results["accuracy"])},
        "training samples, during the last epoch": {"accuracy": float(last["train_accuracy"])},
    }
    parts = {
        "Epoch by epoch": [*figures["course"], _epochs(history)],
        "The sensor's events": figures["events"],
        "The same spikes": figures["parity"],
        "Inside the network": [*figures["raster"], *figures["weights"]],
        "The network": figures["network"],
    }
    return Document(
        f"Training offline: {results['model']}",
        [AccuracyBars(rows, heading="samples"), Text(_story(results))],
        [
            *(Section(title, blocks) for title, blocks in parts.items() if blocks),
            check_section(check),
            settings_section(results, command),
        ],
    )


def _story(results: Mapping[str, Any]) -> str:
    by = results.get("rule", results["method"])
    return (
        f"Trained in PyTorch by `{by}` on {results['train_samples']} samples of "
        f"{results['dataset']}, split {results['split']!r}, seed {results['seed']}, for "
        f"{results['epochs']} epochs in {results['seconds']:.0f} s. The test accuracy is of "
        f"{results['test_samples']} samples, none of which chose anything: the last epoch counts."
    )


def _epochs(history: Sequence[Mapping[str, Any]]) -> Block:
    names = [name for name in COLUMNS if name in history[0]]
    rows = [[f"{entry[name]:.4g}" for name in names] for entry in history]
    return Table([[name.replace("_", " ") for name in names], *rows], folded="The numbers")
