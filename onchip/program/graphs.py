"""Every kind of network as a graph: what all lowering begins with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.network.chain import chain_routes, graph_of
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.layer_spec import LayerSpec
from onchip.network.parts import ALWAYS_ON, INPUT, Learning
from onchip.network.spec import NetworkSpec
from onchip.network.transforms import Bias, Dense
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.chip_network import (
    ChipConnection,
    ChipNetwork,
    ChipPopulation,
    FactorScale,
)
from onchip.program.integer_layer_spec import FixedConvSpec, FixedLayerSpec
from onchip.program.integer_spec import FixedLearningSpec, FixedNetworkSpec

REAL_NUMBERS, INTEGERS = "floating_pt", "fixed_pt"
"""What a network or program is written in, by Lava's names of them."""

AnyNetwork = Network | NetworkSpec | FixedNetworkSpec


def as_graph(network: AnyNetwork) -> Network:
    """Return the same network as a graph; a `ChipNetwork` for one of integers."""
    if isinstance(network, NetworkSpec):
        return graph_of(network)
    return _integer_graph(network) if isinstance(network, FixedNetworkSpec) else network


def numbers_of(network: AnyNetwork) -> str:
    """Return what a network is written in: `REAL_NUMBERS` or `INTEGERS`."""
    return INTEGERS if isinstance(network, (FixedNetworkSpec, ChipNetwork)) else REAL_NUMBERS


def _integer_graph(spec: FixedNetworkSpec) -> ChipNetwork:
    sources = [INPUT, *(layer.name for layer in spec.layers[:-1])]
    learning = spec.learning
    return ChipNetwork(
        tuple(_population(layer, learning) for layer in spec.layers),
        tuple(
            connection
            for layer, source in zip(spec.layers, sources, strict=True)
            for connection in _connections(layer, source)
        ),
        spec.input_shape,
        spec.time_steps,
        None if learning is None else _learning(spec, learning),
        spec.metadata,
        None if learning is None else learning.schedule,
        0 if learning is None else learning.seed,
    )


def _population(layer: FixedLayerSpec, learning: FixedLearningSpec | None) -> ChipPopulation:
    factor = None if learning is None else learning.factors.get(layer.name)
    return ChipPopulation(
        layer.name,
        layer.output_shape,
        layer.neuron,
        layer.membrane_unit,
        layer.bias,
        None if factor is None else FactorScale(factor.shift, factor.unit),
    )


def _connections(layer: FixedLayerSpec, source: str) -> list[ChipConnection]:
    options: Any = {"exponent": layer.weight_exponent, "plasticity": layer.plasticity}
    name = layer.name
    if isinstance(layer, FixedConvSpec):
        transform = Convolution(layer.weight, layer.input_shape, layer.stride, layer.padding)
        return [ChipConnection(source, name, transform, **options)]
    found = [ChipConnection(source, name, Dense(layer.weight), **options)]
    if layer.recurrent_weight is not None:
        found.append(ChipConnection(name, name, Dense(layer.recurrent_weight), 1, None, **options))
    if layer.bias_weight is not None:
        bias = Bias(layer.bias_weight, layer.output_shape)
        found.append(ChipConnection(ALWAYS_ON, name, bias, **options))
    return found


def _learning(spec: FixedNetworkSpec, learning: FixedLearningSpec) -> Learning:
    names = [layer.name for layer in spec.learning_layers]
    matrices = {name: learning.factors[name].matrix for name in names}
    routes = chain_routes(names, learning.feedback, matrices)
    objective = IntegerClassification(learning.error)
    return Learning(objective, routes, learning.mode, learning.feedback, learning.update_delay)


def from_graph(network: AnyNetwork, changed: Network) -> AnyNetwork:
    """Return `network` in its own form with the weights of `changed`, its graph after learning."""
    if isinstance(network, Network):
        return changed
    weights = {
        name: c.transform.weight for name, c in zip(changed.names, changed.connections, strict=True)
    }
    if isinstance(network, NetworkSpec):
        return replace(
            network, layers=tuple(_float_layer(layer, weights) for layer in network.layers)
        )
    layers = tuple(_integer_layer(layer, weights) for layer in network.layers)
    return replace(network, layers=layers)


def _float_layer(layer: LayerSpec, weights: Mapping[str, np.ndarray]) -> LayerSpec:
    arrays: Any = _arrays(layer, weights, "bias")
    return replace(layer, **arrays) if layer.plastic else layer


def _integer_layer(layer: FixedLayerSpec, weights: Mapping[str, np.ndarray]) -> FixedLayerSpec:
    if not layer.plastic:
        return layer
    arrays = _arrays(layer, weights, "bias_weight")
    whole: Any = {name: array.astype(np.int64) for name, array in arrays.items()}
    return replace(layer, **whole)


def _arrays(layer: Any, weights: Mapping[str, np.ndarray], bias: str) -> dict[str, np.ndarray]:
    """The arrays of a layer by its own names, those that it has."""
    fields = {"weight": "synapses", "recurrent_weight": "recurrent", bias: "bias"}
    named = {field: f"{layer.name}.{kind}" for field, kind in fields.items()}
    return {field: weights[name] for field, name in named.items() if name in weights}
