"""VGG-F as a graph: its chain of layers, and the connection from the top a step later."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onchip.models.architectures.vggf import FeedbackNetwork
from onchip.models.describing.folding import plain_array
from onchip.models.describing.layers import describe_layers
from onchip.models.describing.parts import GraphParts
from onchip.network.chain import chain
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.parts import Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lif import LIF

STARTED = "feedback.started"
"""The neuron that is silent before a sample and fires at all of its steps."""


def describe_feedback(
    model: FeedbackNetwork, time_steps: int, metadata: Mapping[str, Any] | None
) -> Network:
    """Return the graph of a network of `onchip.models.architectures.vggf`, for inference.

    The feedback's factor on spikes is in its weights. A bias of its own (`paper_code`) acts from
    the second step on: it is the weight of a neuron, `STARTED`, which fires at every step and whose
    spikes come a step later as the others do. Raises ValueError, naming the layer, for what cannot
    be described.
    """
    layers = describe_layers(model.layers, model.input_shape)
    parts = GraphParts(chain(layers, model.input_shape, time_steps))
    source, target = (parts.populations[i] for i in (model.path.source, model.path.target))
    connection, scale = model.path.connection, model.layers[model.path.source].scale
    transform = EnlargingConvolution(
        scale * plain_array(connection.plain_weight()),
        source.shape,  # type: ignore[arg-type]
        connection.stride,
        connection.padding,
        model.path.enlarge,
        model.path.paper_code,
    )
    parts.connections.append(Connection(source.name, target.name, transform, delay=1))
    bias = plain_array(connection.bias)
    if bias is not None and bias.any():
        _add_started(parts, target, bias)
    return parts.network(model.input_shape, time_steps, metadata)


def _add_started(parts: GraphParts, target: Population, bias: np.ndarray) -> None:
    """Add the neuron, on a bias of twice its threshold, and its weights `bias` [channels].

    It must read something: a spike that only adds to what makes it fire.
    """
    places = int(np.prod(target.shape[1:]))
    reads = np.zeros((1, target.size))
    reads[0, 0] = 1.0
    parts.add(
        STARTED, LIF(v_threshold=0.5, reset="hard"), [(target.name, Dense(reads))], np.ones(1)
    )
    weight = np.repeat(bias, places)[:, np.newaxis]
    parts.connections.append(Connection(STARTED, target.name, Dense(weight), delay=1))
    # Behind its target: the readout stays the last of the populations.
    added = parts.populations.pop()
    parts.populations.insert(parts.populations.index(target) + 1, added)
