"""What a network of the trainer does, spike by spike."""

from __future__ import annotations

import numpy as np
import torch

from onchip.execution import RunResult
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.batches import plain_frames
from onchip.neurons.lif import LIF


@torch.no_grad()
def run_recorded(model: SpikingNetwork, frames: np.ndarray) -> RunResult:
    """Inference with every spiking layer's spikes: 0 or 1, before their factor and their pool.

    `frames` [samples, T, *input_shape]; see `RunResult` for what comes back. The model's own layers
    compute it, normalisation and pools included, in the model's type.
    """
    x, state = torch.from_numpy(np.ascontiguousarray(plain_frames(frames))), model.initial_state()
    outputs, spikes = [], {layer.name: [] for layer in model.layers if _fires(layer)}
    for n in range(x.shape[1]):
        values, state = model.step(x[:, n].to(model.dtype), state)
        outputs.append(values[-1].flatten(1).numpy())
        for layer, after in zip(model.layers, state, strict=True):
            if layer.name in spikes:
                spikes[layer.name].append(after.neuron.spikes.flatten(1).numpy().astype(np.uint8))
    recorded = {name: np.stack(values, axis=1) for name, values in spikes.items()}
    return RunResult(np.stack(outputs, axis=1), recorded)


def _fires(layer: torch.nn.Module) -> bool:
    return isinstance(layer.neuron, LIF)
