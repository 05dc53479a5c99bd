"""A start at which every layer fires: gains and biases scaled by the data.

The currents of a network as it is built have a deviation of about one threshold when its input has
the variance 1, as normalized pictures do. Frames of 0 and 1 that are mostly 0 have far less,
average pools take more of it from layer to layer, and the upper layers of a deep network begin
silent. Here the hidden connections, from the first to the last, are scaled by the deviation and the
mean that their currents I have over samples, steps and places:

    gain <- s gain,    bias <- s (bias - mean of the channel's I),    s = 0.5 / deviation of I

deviation is one number for the connection, about its channels' means, in units of the threshold;
a connection without a gain scales its weights. The first connection so follows the statistics of
the input, and each other one those of the spikes that reach it. Gains and biases are parameters
like any other: the factors stay in the checkpoint and fold into the weights on the way to a chip.

Source: the data-dependent start of Salimans and Kingma 2016 (Weight normalization, section 3), with
half a threshold in the place of 1. With 1 a layer fires in every fifth step, and a chain of such
layers learns slowly: before it has learned it passes on little but noise. With 0.5 it fires in one
step of twenty to forty.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from onchip.models.architectures.resnet import ResidualBlock
from onchip.models.networks.connections import Connection
from onchip.models.networks.layers import SpikingLayer, detached_step
from onchip.models.networks.network import SpikingNetwork
from onchip.neurons.lif import LIF

DEVIATION = 0.5
"""Of the currents of a scaled connection, in units of the threshold."""

SAMPLES = 32
"""How many samples of the training data are looked at."""


def scale_to_data(model: SpikingNetwork, frames: np.ndarray, seed: int = 0) -> None:
    """Scale the hidden connections of a network as it was built by `frames`, in place.

    `frames` [samples, T, *input_shape] of any numeric type; `SAMPLES` of them, drawn by `seed`, are
    looked at. The readout, recurrent connections and VGG-F's feedback stay as they are. Raises
    ValueError, naming the layer, where it has learned already or gets the same from all samples.
    """
    _require_untrained(model)
    chosen = np.random.default_rng([seed]).permutation(len(frames))[:SAMPLES]
    parameter = next(model.parameters())
    stack = torch.from_numpy(np.ascontiguousarray(frames[np.sort(chosen)])).to(parameter.device)
    x = [stack[:, n].to(model.dtype) for n in range(stack.shape[1])]
    with torch.no_grad():
        for layer in model.layers[:-1]:
            if isinstance(layer, SpikingLayer):
                _scale_layer(layer, x)
            elif isinstance(layer, ResidualBlock):
                _scale_block(layer, x)
            x = _outputs(layer, x)


def _scale_layer(layer: SpikingLayer, x: Sequence[Tensor]) -> None:
    """A stem without neurons is scaled by what its pool leaves: that is the blocks' current."""
    currents = (layer.connection(frame) for frame in x)
    if not isinstance(layer.neuron, LIF) and layer.pool > 1:
        currents = (F.avg_pool2d(current, layer.pool) for current in currents)
    _scale(layer.name, layer.connection, currents, _threshold(layer.neuron))


def _scale_block(block: ResidualBlock, x: Sequence[Tensor]) -> None:
    """Its two or three connections, in the order in which their input is known."""
    sent = _spikes(block, [currents / block.beta for currents in x])
    threshold = _threshold(block.neuron)
    if block.skip is not None:
        _scale(block.name, block.skip, (block.skip(block.shrink(s)) for s in sent), threshold)
    _scale(block.name, block.first, map(block.first, sent), threshold)
    inner = _spikes(block, [block.first(s) for s in sent])
    _scale(block.name, block.second, map(block.second, inner), threshold)


def _spikes(block: ResidualBlock, currents: Sequence[Tensor]) -> list[Tensor]:
    """What a sheet of the block's neurons sends on these currents, step by step."""
    state, sent = block.initial_state().outer, []
    for current in currents:
        spikes, state = detached_step(current, state, block.neuron)
        sent.append(block.scale * spikes)
    return sent


def _scale(name: str, connection: Connection, currents: Iterable[Tensor], threshold: float) -> None:
    """Give the connection's currents the mean 0 and the deviation `DEVIATION` thresholds."""
    mean, deviation, size = _moments(currents)
    if deviation <= 1e-6 * size:
        raise ValueError(
            f"layer {name!r}: its current is the same for all samples, so that scaled_start has "
            "nothing to scale by; look at the frames, or leave scaled_start out"
        )
    factor = DEVIATION * threshold / deviation
    scaled = connection.weight if connection.gain is None else connection.gain
    scaled.mul_(factor)
    if connection.bias is not None:
        connection.bias.sub_(mean.to(connection.bias.dtype)).mul_(factor)


def _moments(currents: Iterable[Tensor]) -> tuple[Tensor, float, float]:
    """Of steps' currents [batch, channels, ...]: the channels' means, the root mean squares of what
    differs from them and of everything.
    """
    count, sums, squares = 0, [], 0.0
    for current in currents:
        rows = current.double().transpose(0, 1).flatten(1)
        sums.append(rows.sum(1))
        squares += float((rows**2).sum())
        count += rows.shape[1]
    mean = torch.stack(sums).sum(0) / count
    square = squares / (count * len(mean))
    variance = max(square - float((mean**2).mean()), 0.0)
    return mean, variance**0.5, square**0.5


def _outputs(layer: Any, x: Sequence[Tensor]) -> list[Tensor]:
    """The layer's outputs, step by step from its initial state."""
    state, outputs = layer.initial_state(), []
    for frame in x:
        output, state = layer.step(frame, state)
        outputs.append(output)
    return outputs


def _threshold(neuron: Any) -> float:
    return float(neuron.v_threshold) if isinstance(neuron, LIF) else 1.0


def _require_untrained(model: SpikingNetwork) -> None:
    """As built, all biases are 0 and all gains 1; anything else is what a training left."""
    for layer in model.layers[:-1]:
        for connection in layer.modules():
            if not isinstance(connection, Connection):
                continue
            bias, gain = connection.bias, connection.gain
            moved = bias is not None and bool(bias.any())
            if moved or (gain is not None and bool((gain != 1).any())):
                raise ValueError(
                    f"training: scaled_start is for a network as it was built, but layer "
                    f"{layer.name!r} has learned or was scaled already; leave scaled_start out"
                )
