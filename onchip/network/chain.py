"""The usual network, a chain of layers, as a graph."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

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
    layers, from_output = spec.learning_layers, FEEDBACKS[learning.feedback].from_output
    routes = tuple(
        Route(
            layers[-1].name if from_output else above.name,
            layer.name,
            from_output,
            learning.feedback_matrices.get(layer.name),
        )
        for layer, above in itertools.pairwise(layers)
    )
    return Learning(
        Classification(learning.mse_weight),
        routes,
        learning.mode,
        learning.feedback,
        learning.update_delay,
    )
