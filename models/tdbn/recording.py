"""What a network's neurons do: their spikes on given frames, and how often they fire."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor

from onchip.models.tdbn.layers import SkipBlock
from onchip.models.tdbn.networks import TdBNNetwork
from onchip.models.tdbn.neurons import LIFLayer


def layer_spikes(network: TdBNNetwork, frames: Tensor) -> dict[str, Tensor]:
    """Spikes [T, batch, ...] of every sheet of neurons in inference on [batch, T, *input_shape].

    By the layer's name; the neurons within a block are called ``block1.inner``.
    """
    seen: dict[str, Tensor] = {}
    hooks = [
        neurons.register_forward_hook(
            lambda module, inputs, spikes, name=name: seen.update({name: spikes})
        )
        for name, neurons in neuron_layers(network)
    ]
    try:
        network(frames)
    finally:
        for hook in hooks:
            hook.remove()
    return seen


def firing_rates(network: TdBNNetwork, frames: Tensor) -> dict[str, float]:
    """Mean of the spikes of every sheet of neurons, a neuron and step; 0 is a silent layer."""
    return {name: float(s.mean()) for name, s in layer_spikes(network, frames).items()}


def neuron_layers(network: TdBNNetwork) -> Iterator[tuple[str, LIFLayer]]:
    """Sheets of neurons by name, from the stem to the last dense layer."""
    for layer in network.layers:
        if isinstance(layer, SkipBlock):
            yield f"{layer.name}.inner", layer.inner
        if layer.neurons is not None:
            yield layer.name, layer.neurons
