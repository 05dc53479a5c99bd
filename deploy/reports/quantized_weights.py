"""What quantization cost of the weights: a row for each layer, or each connection of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import numpy as np

from onchip.network.graph import Network
from onchip.network.layer_spec import LayerSpec
from onchip.network.parts import ALWAYS_ON, Connection
from onchip.network.spec import NetworkSpec
from onchip.neurons.base import Neuron
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation
from onchip.program.graphs import as_graph
from onchip.program.integer_layer_spec import FixedLayerSpec, FixedPlasticity
from onchip.program.integer_spec import FixedNetworkSpec

CLIPPED_BEYOND = 255
"""Steps beyond which a weight is clipped rather than rounded to 254."""

FIRST = ".synapses"
"""How the name of the first connection into a population ends."""


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


def weight_rows(
    spec: NetworkSpec | Network, fixed: FixedNetworkSpec | ChipNetwork
) -> list[LayerQuantization]:
    """Return the rows of a network and its integers; ValueError where the two are not alike."""
    if not isinstance(spec, Network) and not isinstance(fixed, Network):
        _check_pair(spec, fixed)
        return [_weights(*pair) for pair in zip(spec.layers, fixed.layers, strict=True)]
    chip = cast(ChipNetwork, as_graph(fixed))
    ours, theirs = _connections(as_graph(spec)), _connections(chip)
    if ours.keys() != theirs.keys():
        raise ValueError(
            f"quantization report: the network has connections {list(ours)}, its integers "
            f"{list(theirs)}; quantize this network"
        )
    return [_connection(n, c, cast(ChipConnection, theirs[n]), chip) for n, c in ours.items()]


def _connections(graph: Network) -> dict[str, Connection]:
    """The connections by name, without biases."""
    named = zip(graph.names, graph.connections, strict=True)
    return {name: c for name, c in named if c.source != ALWAYS_ON}


def _connection(
    name: str, connection: Connection, integers: ChipConnection, chip: ChipNetwork
) -> LayerQuantization:
    """The connection's row; the threshold is that of the population it leads to."""
    population = cast(ChipPopulation, chip.population(connection.target))
    step = integers.weight_step(population.membrane_unit)
    return _row(
        name,
        connection.transform.weight.ravel(),
        integers.transform.weight.ravel(),
        (step, integers.exponent),
        population.neuron,
        integers.plasticity,
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
    scale = fixed.weight_step, fixed.weight_exponent
    weights = _flat_weights(layer), _flat_weights(fixed)
    return _row(layer.name, *weights, scale, fixed.neuron, fixed.plasticity)


def _row(
    name: str,
    weights: np.ndarray,
    integers: np.ndarray,
    scale: tuple[float, int],
    neuron: Neuron,
    plasticity: FixedPlasticity | None,
) -> LayerQuantization:
    step, exponent = scale
    error = integers * step - weights
    rate = None if plasticity is None else plasticity.rate
    threshold = getattr(neuron, "v_threshold", None)
    return LayerQuantization(
        layer=name,
        weight_step=step,
        weight_exponent=exponent,
        threshold=int(threshold) if neuron.spiking and threshold is not None else None,
        weight_error=_rms(error) / (_rms(weights) or 1.0),
        largest_error=float(np.abs(error).max()) / step,
        clipped=float((np.abs(weights) > CLIPPED_BEYOND * step).mean()),
        learning_rate=None if rate is None else rate.wanted,
        realised_rate=None if rate is None else rate.realised,
    )


def _flat_weights(layer: LayerSpec | FixedLayerSpec) -> np.ndarray:
    recurrent = getattr(layer, "recurrent_weight", None)
    parts = [layer.weight] if recurrent is None else [layer.weight, recurrent]
    return np.concatenate([part.ravel() for part in parts])


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values))))
