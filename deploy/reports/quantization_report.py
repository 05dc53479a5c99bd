"""What quantization cost: every layer's weights and spikes in integers beside those in float64."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from typing import Any, NamedTuple

import numpy as np

from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.host import chunks
from onchip.deploy.reports.table import aligned
from onchip.engine.engine import Engine
from onchip.engine.inputs import check_binary, check_frames
from onchip.network.layer_spec import LayerSpec
from onchip.network.spec import NetworkSpec
from onchip.neurons.lif import LIF
from onchip.objectives.given import check_labels
from onchip.program.integer_layer_spec import FixedLayerSpec
from onchip.program.integer_spec import FixedNetworkSpec

CLIPPED_BEYOND = 255
"""Steps beyond which a weight is clipped rather than rounded to 254."""

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
class LayerQuantization:
    """One layer, its recurrent weights included.

    `weight_step` is one integer in the unit of the threshold, `weight_exponent` the shift,
    `threshold` in membrane integers (None for a readout that does not spike). `weight_error` is
    rms(q step - W) / rms(W), `largest_error` is max |q step - W| in steps: at most 1 for a weight
    that was rounded. `clipped`: share of the weights beyond 255 steps. `learning_rate` is the
    wanted one, `realised_rate` what the integers make of it (None for frozen layers).
    `firing_rate` and `integer_firing_rate` are spikes per neuron and step, `spikes_agreeing` the
    share of (sample, step, neuron) with the same spike or silence (None where none were compared).
    """

    layer: str
    weight_step: float
    weight_exponent: int
    threshold: int | None
    weight_error: float
    largest_error: float
    clipped: float
    learning_rate: float | None = None
    realised_rate: float | None = None
    firing_rate: float | None = None
    integer_firing_rate: float | None = None
    spikes_agreeing: float | None = None


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
    spec: NetworkSpec,
    fixed: FixedNetworkSpec,
    frames: np.ndarray | None = None,
    labels: np.ndarray | None = None,
) -> QuantizationReport:
    """Compare `fixed` to the network `spec` that it was quantized from.

    With binary `frames` [samples, T, *input_shape] both run, with integer `labels` [samples] their
    accuracies are measured too. Raises ValueError for networks whose layers differ and for frames
    and labels that do not fit.
    """
    _check_pair(spec, fixed)
    layers = [_weights(*pair) for pair in zip(spec.layers, fixed.layers, strict=True)]
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


def _check_pair(spec: NetworkSpec, fixed: FixedNetworkSpec) -> None:
    shapes = [
        [(layer.name, layer.weight.shape) for layer in network.layers] for network in (spec, fixed)
    ]
    if shapes[0] != shapes[1]:
        raise ValueError(
            f"quantization report: the network has layers {shapes[0]}, its integers {shapes[1]}; "
            "quantize this network"
        )


def _weights(layer: LayerSpec, fixed: FixedLayerSpec) -> LayerQuantization:
    """The layer's row without its activity."""
    weights, integers = _flat_weights(layer), _flat_weights(fixed)
    error = integers * fixed.weight_step - weights
    rate = None if fixed.plasticity is None else fixed.plasticity.rate
    return LayerQuantization(
        layer=layer.name,
        weight_step=fixed.weight_step,
        weight_exponent=fixed.weight_exponent,
        threshold=int(fixed.neuron.v_threshold) if isinstance(fixed.neuron, LIF) else None,
        weight_error=_rms(error) / (_rms(weights) or 1.0),
        largest_error=float(np.abs(error).max()) / fixed.weight_step,
        clipped=float((np.abs(weights) > CLIPPED_BEYOND * fixed.weight_step).mean()),
        learning_rate=None if rate is None else rate.wanted,
        realised_rate=None if rate is None else rate.realised,
    )


def _flat_weights(layer: LayerSpec | FixedLayerSpec) -> np.ndarray:
    recurrent = getattr(layer, "recurrent_weight", None)
    parts = [layer.weight] if recurrent is None else [layer.weight, recurrent]
    return np.concatenate([part.ravel() for part in parts])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))


class _Activity(NamedTuple):
    """Predictions [samples] in float64 and in integers; by layer, counts over all places:
    spikes in float64, spikes in integers, places that agree, places."""

    predictions: tuple[np.ndarray, np.ndarray]
    counts: dict[str, np.ndarray]


def _activity(spec: NetworkSpec, fixed: FixedNetworkSpec, frames: np.ndarray) -> _Activity:
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
    if row.layer not in activity.counts:
        return row
    *counts, places = activity.counts[row.layer].tolist()
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
