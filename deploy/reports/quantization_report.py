"""What quantization cost: every layer's weights and spikes in integers beside those in float64."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.host import chunks
from onchip.deploy.reports.quantized_weights import FIRST, LayerQuantization, weight_rows
from onchip.deploy.reports.table import aligned
from onchip.engine.engine import Engine
from onchip.engine.inputs import check_binary, check_frames
from onchip.network.graph import Network
from onchip.network.spec import NetworkSpec
from onchip.objectives.given import check_labels
from onchip.program.chip_network import ChipNetwork
from onchip.program.graphs import AnyNetwork
from onchip.program.integer_spec import FixedNetworkSpec

HEADING = (
    "layer",
    "weight step",
    "exponent",
    "threshold",
    "weight error",
    "largest error",
    "clipped",
    "learning rate",
    "firing rate",
    "spikes agreeing",
)


@dataclass(frozen=True)
class QuantizationReport:
    """All layers, and how often the two networks answer alike.

    Over `samples` samples (0: none were run): `outputs_agreeing` is the share with the same
    predicted class, `accuracy` (float64) and `integer_accuracy` need labels; None otherwise.
    """

    layers: tuple[LayerQuantization, ...]
    samples: int = 0
    outputs_agreeing: float | None = None
    accuracy: float | None = None
    integer_accuracy: float | None = None

    def flat(self) -> dict[str, Any]:
        """JSON-able keys: the network's, and `LAYER.weight_error` and so on for each layer."""
        names = [f.name for f in fields(self) if f.name != "layers"]
        values: dict[str, Any] = {name: getattr(self, name) for name in names}
        for row in self.layers:
            columns = asdict(row)
            values.update({f"{row.layer}.{k}": v for k, v in columns.items() if k != "layer"})
        return values

    def rows(self) -> list[list[str]]:
        """The table as text, its heading first; "a -> b" is floating point -> integers."""
        return [list(HEADING), *(_row(row) for row in self.layers)]

    def outcome(self) -> str:
        """How often both answer alike, and their accuracies, in one line; empty if none ran."""
        if self.outputs_agreeing is None:
            return ""
        text = f"{self.outputs_agreeing:.2%} of {self.samples} predictions agree"
        if self.accuracy is None or self.integer_accuracy is None:
            return text
        return f"{text}; accuracy {self.accuracy:.4f} -> {self.integer_accuracy:.4f}"

    def markdown(self) -> str:
        """The table in Markdown, aligned so that it reads as plain text too, and the outcome."""
        outcome = self.outcome()
        return "\n".join(aligned(self.rows())) + (f"\n\n{outcome}" if outcome else "")


def report_quantization(
    spec: NetworkSpec | Network,
    fixed: FixedNetworkSpec | ChipNetwork,
    frames: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> QuantizationReport:
    """Compare `fixed` to the network `spec` that it was quantized from.

    With binary `frames` [samples, T, *input_shape] both run, with integer `labels` [samples] their
    accuracies are measured too. Raises ValueError for networks whose layers or
    connections differ and for frames and labels that do not fit.
    """
    layers = weight_rows(spec, fixed)
    if frames is None:
        return QuantizationReport(tuple(layers))
    frames = check_frames(frames, fixed)
    check_binary(frames)
    if labels is not None:
        labels = check_labels(labels, len(frames), spec.classes)
    activity = _activity(spec, fixed, frames)
    ours, theirs = activity.predictions
    return QuantizationReport(
        tuple(_with_activity(layer, activity) for layer in layers),
        len(frames),
        float((ours == theirs).mean()),
        _share_right(ours, labels),
        _share_right(theirs, labels),
    )


class _Activity(NamedTuple):
    """Predictions [samples] in float64 and in integers; by layer, counts over all places:
    spikes in float64, spikes in integers, places that agree, places."""

    predictions: tuple[np.ndarray, np.ndarray]
    counts: dict[str, np.ndarray]


def _activity(spec: AnyNetwork, fixed: AnyNetwork, frames: np.ndarray) -> _Activity:
    """Run both, a few samples at a time, and count."""
    networks = [EngineNetwork(Engine(network), record=True) for network in (spec, fixed)]
    counts: dict[str, np.ndarray] = {}
    predictions: tuple[list[np.ndarray], list[np.ndarray]] = ([], [])
    for part in chunks(frames):
        results = [network.run(part) for network in networks]
        for found, result in zip(predictions, results, strict=True):
            found.append(result.predictions)
        for name, ours in results[0].spikes.items():
            theirs = results[1].spikes[name]
            seen = [ours.sum(), theirs.sum(), (ours == theirs).sum(), ours.size]
            counts[name] = counts.get(name, 0) + np.array(seen, np.int64)
    return _Activity((np.concatenate(predictions[0]), np.concatenate(predictions[1])), counts)


def _share_right(predictions: np.ndarray, labels: np.ndarray | None) -> float | None:
    return None if labels is None else float((predictions == labels).mean())


def _with_activity(row: LayerQuantization, activity: _Activity) -> LayerQuantization:
    name = row.layer.removesuffix(FIRST)  # a population's first connection stands for it
    if name not in activity.counts:
        return row
    *counts, places = activity.counts[name].tolist()
    rates = [count / places for count in counts]
    names = ("firing_rate", "integer_firing_rate", "spikes_agreeing")
    return LayerQuantization(**{**asdict(row), **dict(zip(names, rates, strict=True))})


def _row(row: LayerQuantization) -> list[str]:
    return [
        row.layer,
        f"{row.weight_step:.3e}",
        str(row.weight_exponent),
        "-" if row.threshold is None else str(row.threshold),
        f"{row.weight_error:.2%}",
        f"{row.largest_error:.2f} steps",
        f"{row.clipped:.2%}",
        _pair(row.learning_rate, row.realised_rate),
        _pair(row.firing_rate, row.integer_firing_rate),
        "-" if row.spikes_agreeing is None else f"{row.spikes_agreeing:.2%}",
    ]


def _pair(wanted: float | None, found: float | None) -> str:
    return "-" if wanted is None or found is None else f"{wanted:.3g} -> {found:.3g}"
