"""From a trained network to an `onchip.NetworkSpec`: plain float64 weights, nothing left of torch.

What lies between two layers moves into the weights of the next one: standardized weights become
plain, the factor on the spikes multiplies them, and an average pool of side k spreads every tap of
a convolution over k x k taps of 1/k^2 (stride and padding times k), or every column of a dense
weight over the k x k neurons it averages.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from torch import nn

from onchip.models.chain import require_chain
from onchip.models.fptt.offline import require_deployable
from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
from onchip.models.networks.network import SpikingNetwork
from onchip.models.tdbn.description import describe_plain
from onchip.models.tdbn.networks import TdBNNetwork
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.network.spec import NetworkSpec
from onchip.neurons.lif import LIF


def describe_model(
    model: nn.Module,
    metadata: Mapping[str, Any] | None = None,
    *,
    time_steps: int | None = None,
) -> NetworkSpec:
    """The network as a specification for inference; `onchip.network.learning.with_learning` adds
    learning.

    `metadata` is JSON-able provenance, `time_steps` overrides the model's. Raises ValueError naming
    the module that cannot be described and why.
    """
    require_deployable(model, "describe")
    if isinstance(model, TdBNNetwork):
        return describe_plain(model, metadata, time_steps=time_steps)
    if not isinstance(model, SpikingNetwork):
        raise ValueError(
            f"describe: {type(model).__name__} is not a SpikingNetwork; build it with "
            "onchip.models.build_model or from onchip.models.networks.layers.SpikingLayer"
        )
    require_chain(model, "describe")
    layers: list[LayerSpec] = []
    before: SpikingLayer | None = None
    shape: tuple[int, ...] = model.input_shape
    for layer in model.layers:
        layers.append(_describe_layer(layer, before, shape))
        before, shape = layer, layers[-1].output_shape
    if before is not None and (before.pool != 1 or before.scale != 1.0):
        raise ValueError(
            f"layer {before.name!r}: the readout's output is pooled or scaled, and no layer "
            "follows to fold that into; set pool and scale to 1"
        )
    return NetworkSpec(
        tuple(layers),
        model.input_shape,
        model.time_steps if time_steps is None else time_steps,
        metadata=dict(metadata or {}),
    )


def _describe_layer(
    layer: nn.Module, before: SpikingLayer | None, shape: tuple[int, ...]
) -> LayerSpec:
    """`shape` is that of the spikes of the layer before, not pooled."""
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
    weight = scale * _array(connection.plain_weight())
    return writer(layer, weight, shape, pool)


def _dense(layer: SpikingLayer, weight: np.ndarray, shape: tuple[int, ...], pool: int) -> DenseSpec:
    if pool > 1:
        channels, height, width = shape
        maps = weight.reshape(len(weight), channels, height // pool, width // pool)
        weight = spread(maps, pool).reshape(len(weight), -1)
    recurrent = None if layer.recurrent is None else _array(layer.recurrent.plain_weight())
    bias = _array(layer.connection.bias)
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
        _array(connection.bias),
        (rows * pool, columns * pool),
        (above * pool, beside * pool),
    )


_WRITERS: dict[type, Callable[..., LayerSpec]] = {OTTTLinear: _dense, OTTTConv2d: _convolution}
"""Connection type -> the function that writes its layer."""


def spread(weight: np.ndarray, pool: int) -> np.ndarray:
    """An average pool of side `pool` folded into `weight` [..., h, w] -> [..., h pool, w pool]."""
    repeated = np.repeat(np.repeat(weight, pool, axis=-2), pool, axis=-1)
    return repeated / pool**2


def _array(tensor: Any) -> np.ndarray | None:
    return None if tensor is None else tensor.detach().double().cpu().numpy()
