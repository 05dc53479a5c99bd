"""The normalizer-free ResNet as a graph: what passes its blocks is a sum of currents of spikes.

    x_k = skip or stem + alpha sum_j W2_j * s2_j    over the blocks j before k of the same size

Nothing spikes on the way past a block and nothing is kept from step to step, so the neurons of
block k read the sum itself: one connection from what the sum began with (the input through the
stem, or the spikes through the last 1 x 1 kernel) and one from each block since, all with 1/beta_k
in their weights. The kernels of a block are so held once for every later one of its stage.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, cast

import numpy as np
from torch import nn

from onchip.models.architectures.resnet import NeuronLayer, ResidualBlock
from onchip.models.describing.folding import after_pool, before_pool, plain_array, spread_over_map
from onchip.models.describing.layers import describe_layers
from onchip.models.describing.parts import GraphParts
from onchip.models.networks.layers import OTTTConv2d, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.layer_spec import DenseSpec, LayerSpec
from onchip.network.parts import INPUT
from onchip.neurons.readouts import LinearReadout


def describe_residual(
    model: SpikingNetwork, time_steps: int, metadata: Mapping[str, Any] | None
) -> Network:
    """Return the graph of a network of `onchip.models.architectures.resnet`, for inference.

    A block's two sheets of neurons are called ``block1.outer`` and ``block1.inner``. Raises
    ValueError, naming the layer, where the layers are not a stem, blocks, neurons and dense layers.
    """
    stem, *layers = model.layers
    index = next((i for i, la in enumerate(layers) if not isinstance(la, ResidualBlock)), -1)
    blocks, neurons, tail = layers[:index], layers[index], layers[index + 1 :]
    if not isinstance(neurons, NeuronLayer) or not tail:
        raise ValueError(
            f"layer {getattr(neurons, 'name', '?')!r}: cannot describe {type(neurons).__name__} "
            "behind residual blocks; a NeuronLayer and a readout must follow them"
        )
    parts, passing = GraphParts(), _stem(stem, model.input_shape)
    for block in cast("list[ResidualBlock]", blocks):
        passing = _block(parts, block, passing)
    _fire(parts, neurons.name, neurons, passing)
    channels, *sides = parts.populations[-1].shape
    dense = describe_layers(tail, (channels,))
    places = int(np.prod(sides))
    parts.add_chain([_on_maps(dense[0], neurons.scale, places), *dense[1:]], neurons.name)
    return parts.network(model.input_shape, time_steps, metadata)


@dataclass(frozen=True)
class _Currents:
    """What passes a block: currents that sources send through convolutions, and a bias."""

    sent: tuple[tuple[str, Convolution], ...]
    bias: np.ndarray

    def plus(self, other: _Currents, factor: float) -> _Currents:
        """The sum with `factor` times another."""
        scaled = other.times(factor)
        return _Currents((*self.sent, *scaled.sent), self.bias + scaled.bias)

    def times(self, factor: float) -> _Currents:
        """`factor` times the currents."""
        sent = ((name, replace(c, weight=factor * c.weight)) for name, c in self.sent)
        return _Currents(tuple(sent), factor * self.bias)


def _stem(layer: nn.Module, input_shape: tuple[int, ...]) -> _Currents:
    fits = isinstance(layer, SpikingLayer) and isinstance(layer.connection, OTTTConv2d)
    if not fits or not isinstance(layer.neuron, LinearReadout) or layer.recurrent is not None:
        raise ValueError(
            f"layer {getattr(layer, 'name', '?')!r}: cannot describe it below residual blocks; it "
            "must be a convolution without neurons (LinearReadout) and without recurrence"
        )
    sent = _convolution(layer.connection, input_shape)
    _, height, width = sent.output_shape
    if height % layer.pool or width % layer.pool:
        raise ValueError(
            f"layer {layer.name!r}: its pool of {layer.pool} does not divide the map "
            f"{sent.output_shape}; change the pool or the stride"
        )
    currents = _Currents(((INPUT, before_pool(sent, layer.pool)),), _bias(layer.connection))
    return currents.times(layer.scale)


def _block(parts: GraphParts, block: ResidualBlock, passing: _Currents) -> _Currents:
    """Add a block's neurons; return what passes on behind it."""
    outer, inner = f"{block.name}.outer", f"{block.name}.inner"
    _fire(parts, outer, block, passing)
    if block.skip is not None:
        passing = _shortcut(block, outer, parts.populations[-1].shape)
    first = _currents(block, block.first, outer, parts.populations[-1].shape)
    parts.add(inner, block.neuron, first.sent, first.bias)
    second = _currents(block, block.second, inner, parts.populations[-1].shape)
    return passing.plus(second, block.alpha)


def _fire(
    parts: GraphParts, name: str, layer: ResidualBlock | NeuronLayer, passing: _Currents
) -> None:
    """Add the neurons on what passes, divided by beta."""
    currents = passing.times(1 / layer.beta)
    parts.add(name, layer.neuron, currents.sent, currents.bias)


def _shortcut(block: ResidualBlock, source: str, shape: tuple[int, ...]) -> _Currents:
    channels, height, width = shape
    side = block.stride
    if height % side or width % side:
        raise ValueError(
            f"layer {block.name!r}: the pool of {side} of its skip connection does not divide the "
            f"map {shape}; change the frame size"
        )
    assert block.skip is not None
    small = _convolution(block.skip, (channels, height // side, width // side))
    currents = _Currents(((source, after_pool(small, side)),), _bias(block.skip))
    return _scaled_spikes(currents, block.scale)


def _currents(
    block: ResidualBlock, connection: OTTTConv2d, source: str, shape: tuple[int, ...]
) -> _Currents:
    sent = _convolution(connection, shape)
    return _scaled_spikes(_Currents(((source, sent),), _bias(connection)), block.scale)


def _scaled_spikes(currents: _Currents, scale: float) -> _Currents:
    """The factor on spikes is the weights', not the bias's."""
    return replace(currents.times(scale), bias=currents.bias)


def _convolution(connection: OTTTConv2d, shape: tuple[int, ...]) -> Convolution:
    weight = plain_array(connection.plain_weight())
    return Convolution(weight, shape, connection.stride, connection.padding)  # type: ignore[arg-type]


def _bias(connection: OTTTConv2d) -> np.ndarray:
    bias = plain_array(connection.bias)
    return np.zeros(len(connection.weight)) if bias is None else bias


def _on_maps(layer: LayerSpec, scale: float, places: int) -> DenseSpec:
    """The dense layer that reads scaled maps, not their means."""
    if not isinstance(layer, DenseSpec):
        raise ValueError(
            f"layer {layer.name!r}: cannot describe a convolution behind the mean of maps; it must "
            "be an OTTTLinear"
        )
    return replace(layer, weight=scale * spread_over_map(layer.weight, places))
