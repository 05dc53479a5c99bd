"""The spikes of every sheet of neurons of a torch network, residual blocks' included."""

from __future__ import annotations

import numpy as np
import torch

from onchip.models.architectures.resnet import NeuronLayer, ResidualBlock


def recorded(model, frames):
    """Spikes [samples, T, neurons] of every sheet of neurons by its population's name."""
    state, steps = model.initial_state(), {}
    with torch.no_grad():
        for n in range(frames.shape[1]):
            _, state = model.step(frames[:, n], state)
            for layer, own in zip(model.layers, state, strict=False):
                for name, neuron in sheets(layer, own):
                    steps.setdefault(name, []).append(neuron.spikes.flatten(1).numpy())
    return {name: np.stack(found, axis=1) for name, found in steps.items()}


def sheets(layer, state):
    if isinstance(layer, ResidualBlock):
        return [(f"{layer.name}.outer", state.outer), (f"{layer.name}.inner", state.inner)]
    if isinstance(layer, NeuronLayer):
        return [(layer.name, state)]
    return [(layer.name, state.neuron)] if layer.neuron.spiking else []
