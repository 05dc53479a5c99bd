"""From a plain network with tdBN to an `onchip.NetworkSpec`: convolutions with bias, dense layers.

tdBN is fused, and the mean over each map is spread over the weights of the dense layer that reads
it: every place of a map of h w places gets the channel's weight / (h w). The readout is linear and
without memory: the mean of its outputs over the steps, which training uses, has the same largest
entry as their sum, which deployment uses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch

from onchip.models.tdbn.fusion import fused_weights
from onchip.models.tdbn.layers import ConvolutionLayer
from onchip.models.tdbn.networks import TdBNNetwork
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.network.spec import NetworkSpec
from onchip.neurons.readouts import LinearReadout


def describe_plain(
    network: TdBNNetwork,
    metadata: Mapping[str, Any] | None = None,
    *,
    time_steps: int | None = None,
) -> NetworkSpec:
    """The fused network as a specification for inference, float64.

    `metadata` is JSON-able provenance, `time_steps` overrides the network's. Raises ValueError,
    naming the block, for a residual network.
    """
    if network.offline_reason is not None:
        raise ValueError(f"{type(network).__name__}: cannot describe {network.offline_reason}")
    return NetworkSpec(
        tuple(_layers(network)),
        network.input_shape,
        network.time_steps if time_steps is None else time_steps,
        metadata=dict(metadata or {}),
    )


def _layers(network: TdBNNetwork) -> Iterator[LayerSpec]:
    shape: tuple[int, ...] = network.input_shape
    for layer in network.features:
        spec = _convolution(layer, shape)
        yield spec
        shape = spec.output_shape
    places = math.prod(shape[1:])
    for layer in (*network.dense, network.readout):
        weight, bias = _array(layer.connection.weight), _array(layer.connection.bias)
        readout = LinearReadout(network.config.decay)
        neuron = readout if layer.neurons is None else layer.neurons.neuron
        yield DenseSpec(layer.name, np.repeat(weight, places, axis=1) / places, neuron, bias)
        places = 1


def _convolution(layer: ConvolutionLayer, shape: tuple[int, ...]) -> ConvSpec:
    weight, bias = fused_weights(layer.currents)
    convolution = layer.currents.convolution
    return ConvSpec(
        layer.name,
        _array(weight),
        layer.neurons.neuron,
        shape,  # type: ignore[arg-type]
        _array(bias),
        convolution.stride,
        convolution.padding,
    )


def _array(tensor: torch.Tensor) -> np.ndarray:
    return tensor.detach().double().cpu().numpy()
