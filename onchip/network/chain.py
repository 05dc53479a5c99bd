"""The usual network, a chain of layers, as a graph."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Learning, Population, Route
from onchip.network.spec import NetworkSpec
from onchip.network.transform import Transform
from onchip.network.transforms import Bias, Dense
from onchip.objectives.classification import Classification
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import Rule


def chain(
    layers: Sequence[LayerSpec],
    input_shape: tuple[int, ...],
    time_steps: int,
    metadata: Mapping[str, Any] | None = None,
) -> Network:
    """Return the graph of layers that read each other in turn, with their biases and recurrence.

    The layers' `plastic` is left out: `onchip.network.learning.with_learning` says what learns.
    """
    spec = NetworkSpec(tuple(layers), input_shape, time_steps, metadata=metadata or {})
    return graph_of(spec)


def graph_of(spec: NetworkSpec) -> Network:
    """Return the same network as a graph, its learning included."""
    rule = None if spec.learning is None else Rule(spec.learning.learning_rate)
    sources = [INPUT, *(layer.name for layer in spec.layers[:-1])]
    return Network(
        tuple(Population(layer.name, layer.output_shape, layer.neuron) for layer in spec.layers),
        tuple(
            connection
            for layer, source in zip(spec.layers, sources, strict=True)
            for connection in _connections(layer, source, rule if layer.plastic else None)
        ),
        spec.input_shape,
        spec.time_steps,
        _learning(spec),
        spec.metadata,
    )


def _connections(layer: LayerSpec, source: str, rule: Rule | None) -> list[Connection]:
    found = [Connection(source, layer.name, _transform(layer), rule=rule)]
    if isinstance(layer, DenseSpec) and layer.recurrent_weight is not None:
        own = Dense(layer.recurrent_weight)
        found.append(Connection(layer.name, layer.name, own, delay=1, rule=rule))
    if layer.bias is not None:
        found.append(
            Connection(ALWAYS_ON, layer.name, Bias(layer.bias, layer.output_shape), rule=rule)
        )
    return found


def _transform(layer: LayerSpec) -> Transform:
    if isinstance(layer, ConvSpec):
        return Convolution(layer.weight, layer.input_shape, layer.stride, layer.padding)
    return Dense(layer.weight)


def _learning(spec: NetworkSpec) -> Learning | None:
    learning = spec.learning
    if learning is None:
        return None
    names = [layer.name for layer in spec.learning_layers]
    routes = chain_routes(names, learning.feedback, learning.feedback_matrices)
    return Learning(
        Classification(learning.mse_weight),
        routes,
        learning.mode,
        learning.feedback,
        learning.update_delay,
    )


def chain_routes(
    names: Sequence[str], feedback: str, matrices: Mapping[str, np.ndarray | None]
) -> tuple[Route, ...]:
    """Return the feedback of layers that learn, in floats or integers, from the lowest up.

    `matrices` [receiving, sending] are those of the receiving layers; where one has none, the live
    weights of the layer above carry the error back.
    """
    from_output = FEEDBACKS[feedback].from_output
    return tuple(
        Route(names[-1] if from_output else above, name, from_output, matrices.get(name))
        for name, above in itertools.pairwise(names)
    )
