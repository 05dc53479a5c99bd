"""Networks with tdBN as they are deployed: convolutions with bias, sums of branches, dense layers.

tdBN is fused, and the mean over each map is spread over the weights of the dense layer that reads
it. A plain network is an `onchip.NetworkSpec`. A residual one is an `onchip.Network`: the neurons
behind a block read two connections, that of its second convolution and the shortcut's, a 1 x 1
convolution or the spikes themselves, one to one with weights of 1; the biases of both add up. The
readout is linear and without memory: the mean of its outputs over the steps, which training uses,
has the same largest entry as their sum, which deployment uses.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from onchip.models.describing.folding import plain_array, spread_over_map
from onchip.models.describing.parts import GraphParts
from onchip.models.tdbn.fusion import fused_weights
from onchip.models.tdbn.layers import ConvolutionLayer, NormalizedConvolution, SkipBlock
from onchip.models.tdbn.networks import TdBNNetwork
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.network.parts import INPUT
from onchip.network.spec import NetworkSpec
from onchip.network.transform import Transform
from onchip.network.transforms import OneToOne
from onchip.neurons.readouts import LinearReadout


def describe_tdbn(
    network: TdBNNetwork, time_steps: int, metadata: Mapping[str, Any] | None
) -> NetworkSpec | Network:
    """Return the fused network for inference, float64; a graph where it has shortcuts.

    `metadata` is JSON-able provenance. The two sheets of neurons of a block are called
    ``block1.inner`` and ``block1``.
    """
    if network.config.skip:
        return _residual(network, time_steps, metadata)
    layers: list[LayerSpec] = []
    shape: tuple[int, ...] = network.input_shape
    for layer in network.features:
        layers.append(_convolution_layer(layer, shape))
        shape = layers[-1].output_shape
    layers += _dense(network, shape)
    return NetworkSpec(
        tuple(layers), network.input_shape, time_steps, metadata=dict(metadata or {})
    )


def _residual(network: TdBNNetwork, time_steps: int, metadata: Mapping[str, Any] | None) -> Network:
    parts, source, shape = GraphParts(), INPUT, network.input_shape
    for layer in network.features:
        if isinstance(layer, SkipBlock):
            _add_block(parts, layer, source, shape)
        else:
            transform, bias = _fused(layer.currents, shape)
            parts.add(layer.name, layer.neurons.neuron, [(source, transform)], bias)
        source, shape = layer.name, parts.populations[-1].shape
    parts.add_chain(_dense(network, shape), source)
    return parts.network(network.input_shape, time_steps, metadata)


def _add_block(parts: GraphParts, block: SkipBlock, source: str, shape: tuple[int, ...]) -> None:
    inner = f"{block.name}.inner"
    first, bias = _fused(block.first, shape)
    parts.add(inner, block.inner.neuron, [(source, first)], bias)
    second, bias = _fused(block.second, first.output_shape)
    passed: Transform = OneToOne(np.ones(shape))
    if block.shortcut is not None:
        passed, added = _fused(block.shortcut, shape)
        bias = bias + added
    parts.add(block.name, block.neurons.neuron, [(inner, second), (source, passed)], bias)


def _dense(network: TdBNNetwork, shape: tuple[int, ...]) -> list[DenseSpec]:
    """The dense layers on maps of this shape."""
    found, places = [], math.prod(shape[1:])
    for layer in (*network.dense, network.readout):
        weight, bias = plain_array(layer.connection.weight), plain_array(layer.connection.bias)
        readout = LinearReadout(network.config.decay)
        neuron = readout if layer.neurons is None else layer.neurons.neuron
        found.append(DenseSpec(layer.name, spread_over_map(weight, places), neuron, bias))
        places = 1
    return found


def _fused(layer: NormalizedConvolution, shape: tuple[int, ...]) -> tuple[Convolution, np.ndarray]:
    weight, bias = (plain_array(tensor) for tensor in fused_weights(layer))
    stride, padding = layer.convolution.stride, layer.convolution.padding
    return Convolution(weight, shape, stride, padding), bias  # type: ignore[arg-type]


def _convolution_layer(layer: ConvolutionLayer, shape: tuple[int, ...]) -> ConvSpec:
    sent, bias = _fused(layer.currents, shape)
    return ConvSpec(
        layer.name,
        sent.weight,
        layer.neurons.neuron,
        sent.input_shape,
        bias,
        sent.stride,
        sent.padding,
    )
