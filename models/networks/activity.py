"""Which neurons spike: the spikes of every layer, their rates, and the layers that stay silent."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from onchip.models.networks.network import NetworkState, SpikingNetwork
from onchip.neurons.base import NeuronState
from onchip.neurons.lif import LIF


def spikes_by_layer(model: SpikingNetwork, state: NetworkState) -> Iterator[tuple[str, Tensor]]:
    """(name, spikes s[n] [batch, ...]) of all LIF neurons, from the input to the readout.

    `state` is that after a step. A layer's name, with "outer" or "inner" behind it where it is a
    residual block.
    """
    for layer, own in zip(model.layers, state, strict=False):  # VGG-F's feedback comes after them
        if isinstance(layer.neuron, LIF):
            for suffix, neuron in _neurons(own):
                yield layer.name + suffix, neuron.spikes


def firing_rates(model: SpikingNetwork, frames: np.ndarray | Tensor) -> dict[str, float]:
    """Spikes per neuron and step, in [0, 1], of every layer of LIF neurons, by name.

    Mean over all neurons, steps and samples of `frames` [samples, T, *input_shape].
    """
    x = torch.as_tensor(np.asarray(frames)).to(next(model.parameters()).device)
    state, sums = model.initial_state(), dict[str, float]()
    with torch.no_grad():
        for n in range(x.shape[1]):
            _, state = model.step(x[:, n].to(model.dtype), state)
            for name, spikes in spikes_by_layer(model, state):
                sums[name] = sums.get(name, 0.0) + float(spikes.mean())
    return {name: total / x.shape[1] for name, total in sums.items()}


class Activity:
    """Which layers have spiked since it was made.

    `see` leaves its findings on the device; `settle`, once a batch, waits for them.
    """

    def __init__(self) -> None:
        self._fired: dict[str, bool | Tensor] = {}

    def see(self, model: SpikingNetwork, state: NetworkState) -> None:
        """Look at the spikes of a step, of the layers that have had none so far."""
        for name, spikes in spikes_by_layer(model, state):
            before = self._fired.get(name, False)
            if before is not True:
                now = spikes.detach().any()
                self._fired[name] = now if before is False else now | before

    def settle(self) -> None:
        """A batch ended: turn what is on the device into plain values."""
        self._fired = {name: bool(fired) for name, fired in self._fired.items()}

    def fired(self) -> Mapping[str, bool]:
        """Layer -> whether it has spiked, in the network's order."""
        return {name: bool(fired) for name, fired in self._fired.items()}


def _neurons(state: Any) -> list[tuple[str, NeuronState]]:
    """The sheets of neurons in a layer's state, with what their name has behind the layer's."""
    if isinstance(state, NeuronState):
        return [("", state)]
    found = {k: v for k, v in state._asdict().items() if isinstance(v, NeuronState)}
    return [("" if len(found) == 1 else f" {key}", value) for key, value in found.items()]
