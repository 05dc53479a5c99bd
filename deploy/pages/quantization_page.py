"""The report of quantization, and of fine-tuning before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from onchip.deploy.checks.findings import CheckReport
from onchip.deploy.pages.accuracy_bars import PRECISION_NAMES, AccuracyBars
from onchip.deploy.pages.document import Block, Document, Section, Table, Text
from onchip.deploy.pages.sections import check_section, settings_section
from onchip.deploy.reports.quantization_report import QuantizationReport


def quantization_page(
    results: Mapping[str, Any],
    command: str,
    report: QuantizationReport,
    check: CheckReport,
    figures: Mapping[str, Sequence[Block]],
) -> Document:
    """The report of `onchip quantize` from its results.

    `figures`: "weights" (what fine-tuning changed, where it did) and "network".
    """
    layers = [Text(f"{report.outcome() or 'No samples were run'}."), Table(report.rows())]
    parts = {
        "Layer by layer": layers,
        "What fine-tuning changed": figures["weights"],
        "The network": figures["network"],
    }
    return Document(
        "A network in Loihi 2's integers",
        [*_accuracies(results), Text(_story(results))],
        [
            *(Section(title, blocks) for title, blocks in parts.items() if blocks),
            check_section(check),
            settings_section(results, command),
        ],
    )


def _accuracies(results: Mapping[str, Any]) -> list[Block]:
    """Those of the test samples, before fine-tuning and after it."""
    rows = {}
    for name, prefix in (("before fine-tuning", "before."), ("as written", "")):
        values = (results.get(f"{prefix}{key}") for key in ("accuracy", "integer_accuracy"))
        named = dict(zip(PRECISION_NAMES.values(), values, strict=True))
        if None not in named.values():
            rows[name] = {precision: float(str(value)) for precision, value in named.items()}
    return [AccuracyBars(rows)] if rows else []


def _story(results: Mapping[str, Any]) -> str:
    epochs = results["fine_tuned_epochs"]
    tuned = f" after {epochs} epochs of training with the weights in integers" if epochs else ""
    data = (
        f" Test samples: {results['samples']} of {results['dataset']}."
        if results["samples"]
        else ""
    )
    return (
        f"Quantized for the schedule {results['schedule']!r}{tuned}; the integers are in "
        f"`{results['file']}`.{data} No chip was involved."
    )
