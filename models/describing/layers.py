"""A network's layers as specifications, with what lies between two of them in the second's weights.

Standardized weights become plain, the factor on the spikes multiplies them, and an average pool of
side k spreads every tap of a convolution over k x k taps of 1/k^2 (stride and padding times k), or
every column of a dense weight over the k x k neurons it averages.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
from torch import nn

from onchip.models.describing.folding import plain_array, spread
from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.neurons.lif import LIF


def describe_layers(layers: Iterable[nn.Module], input_shape: tuple[int, ...]) -> list[LayerSpec]:
    """Return the specifications of layers that read each other in turn, up to the readout.

    Raises ValueError naming the layer for what a specification has no place for.
    """
    found: list[LayerSpec] = []
    before: SpikingLayer | None = None
    shape = input_shape
    for layer in layers:
        found.append(describe_layer(layer, before, shape))
        before, shape = layer, found[-1].output_shape  # type: ignore[assignment]
    if before is not None and (before.pool != 1 or before.scale != 1.0):
        raise ValueError(
            f"layer {before.name!r}: the readout's output is pooled or scaled, and no layer "
            "follows to fold that into; set pool and scale to 1"
        )
    return found


def describe_layer(
    layer: nn.Module, before: SpikingLayer | None, shape: tuple[int, ...]
) -> LayerSpec:
    """Return a layer as a specification, its input's pool and scale folded into its weights.

    `before` is the layer below, None for the first; `shape` that of its spikes, not pooled. Raises
    ValueError naming the layer for what a specification has no place for.
    """
    connection = getattr(layer, "connection", None)
    writer = _WRITERS.get(type(connection))
    if not isinstance(layer, SpikingLayer) or writer is None:
        kinds = ", ".join(kind.__name__ for kind in _WRITERS)
        raise ValueError(
            f"layer {getattr(layer, 'name', '?')!r}: cannot describe "
            f"{type(layer).__name__}({type(connection).__name__}); it must be a SpikingLayer "
            f"with one of {kinds}"
        )
    pool, scale = (1, 1.0) if before is None else (before.pool, before.scale)
    if pool > 1 and (len(shape) != 3 or shape[1] % pool or shape[2] % pool):
        raise ValueError(
            f"layer {layer.name!r}: the pool of {pool} before it does not divide the map {shape}; "
            "change the pool or the strides"
        )
    weight = scale * plain_array(connection.plain_weight())
    return writer(layer, weight, shape, pool)


def _dense(layer: SpikingLayer, weight: np.ndarray, shape: tuple[int, ...], pool: int) -> DenseSpec:
    if pool > 1:
        channels, height, width = shape
        maps = weight.reshape(len(weight), channels, height // pool, width // pool)
        weight = spread(maps, pool).reshape(len(weight), -1)
    recurrent = None if layer.recurrent is None else plain_array(layer.recurrent.plain_weight())
    bias = plain_array(layer.connection.bias)
    return DenseSpec(layer.name, weight, layer.neuron, bias, recurrent)


def _convolution(
    layer: SpikingLayer, weight: np.ndarray, shape: tuple[int, ...], pool: int
) -> ConvSpec:
    if not isinstance(layer.neuron, LIF) or layer.recurrent is not None:
        raise ValueError(
            f"layer {layer.name!r}: a convolution must lead to LIF neurons without recurrence, "
            f"not {type(layer.neuron).__name__}"
        )
    connection = layer.connection
    rows, columns = connection.stride
    above, beside = connection.padding
    return ConvSpec(
        layer.name,
        spread(weight, pool),
        layer.neuron,
        shape,  # type: ignore[arg-type]
        plain_array(connection.bias),
        (rows * pool, columns * pool),
        (above * pool, beside * pool),
    )


_WRITERS: dict[type, Callable[..., LayerSpec]] = {OTTTLinear: _dense, OTTTConv2d: _convolution}
"""Connection type -> the function that writes its layer."""
