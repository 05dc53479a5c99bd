"""A torch network and its description, which has the folded weights, run on the same frames."""

from __future__ import annotations

import numpy as np
import torch

from onchip import Engine
from onchip.models.description import describe_model


def recorded(model, frames):
    """Raw spikes of every layer [samples, T, neurons] from the torch layers' states."""
    state, steps = model.initial_state(), []
    with torch.no_grad():
        for n in range(frames.shape[1]):
            _, state = model.step(frames[:, n].double(), state)
            steps.append([s.neuron.spikes.flatten(1).numpy() for s in state[:-1]])
    return [np.stack(layer, axis=1) for layer in zip(*steps, strict=True)]


def engine_recorded(spec, frames):
    """The same of the engine, and its outputs."""
    seen = {layer.name: [] for layer in spec.layers}
    outputs = Engine(spec).run(
        frames.numpy(), lambda name, x: seen[name].append(x.reshape(len(x), -1).copy())
    )
    return [np.stack(seen[layer.name], axis=1) for layer in spec.layers[:-1]], outputs


def assert_same_behaviour(model, frames, rates=(0.02, 0.98)):
    """Every spike of every layer is the same, at `rates`, and the outputs to rounding."""
    spec = describe_model(model, {"dataset": "none"})
    spikes, outputs = engine_recorded(spec, frames)
    for ours, theirs in zip(recorded(model, frames), spikes, strict=True):
        assert rates[0] < theirs.mean() < rates[1]
        np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_allclose(model(frames).numpy(), outputs, atol=1e-12)
    return spec
