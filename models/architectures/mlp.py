"""A multilayer perceptron of spiking neurons, optionally with recurrent hidden layers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from onchip.models.networks.layers import OTTTLinear, SpikingLayer
from onchip.models.networks.network import NetworkConfig
from onchip.neurons.lif import LIF
from onchip.neurons.table import Neuron


@dataclass(frozen=True)
class MLPConfig(NetworkConfig):
    """`NetworkConfig` with `hidden` layers; `recurrent` adds R to each of them."""

    hidden: tuple[int, ...] = (256,)
    recurrent: bool = False


def mlp_layers(config: MLPConfig) -> list[SpikingLayer]:
    """Layers fc1, fc2, ..., readout."""
    return dense_layers(config, config.input_size, recurrent=config.recurrent)


def dense_layers(
    config: NetworkConfig, input_size: int, *, recurrent: bool = False, bias_traced: bool = True
) -> list[SpikingLayer]:
    """The hidden dense layers fc1, fc2, ... and the readout behind `input_size` values."""
    sizes = (input_size, *config.hidden)
    hidden = [
        _hidden_layer(config, f"fc{i}", pre, post, recurrent, bias_traced)
        for i, (pre, post) in enumerate(itertools.pairwise(sizes), start=1)
    ]
    neuron = config.readout_neuron()
    connection = _dense(
        config, sizes[-1], config.classes, neuron, normalised=False, bias_traced=bias_traced
    )
    return [*hidden, SpikingLayer("readout", connection, neuron)]


def _hidden_layer(
    config: NetworkConfig, name: str, pre: int, post: int, recurrent: bool, bias_traced: bool
) -> SpikingLayer:
    own = OTTTLinear(post, post, bias=False) if recurrent else None
    connection = _dense(
        config, pre, post, config.neuron, normalised=config.normalised, bias_traced=bias_traced
    )
    return SpikingLayer(name, connection, config.neuron, recurrent=own, scale=config.output_scale)


def _dense(
    config: NetworkConfig,
    pre: int,
    post: int,
    neuron: Neuron,
    *,
    normalised: bool,
    bias_traced: bool,
) -> OTTTLinear:
    gain = config.weight_gain if isinstance(neuron, LIF) else 1.0
    return OTTTLinear(
        pre,
        post,
        bias=config.bias,
        normalised=normalised,
        weight_gain=gain,
        bias_traced=bias_traced,
    )
