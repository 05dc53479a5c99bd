"""Outputs added to a chain of layers, in floating point or in integers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.program.integer_spec import FixedLearningSpec, FixedNetworkSpec
from onchip.program.wider import Recipe, floored_bias, mean_of, mixed, scaled_error
from onchip.rules.feedback import FEEDBACKS

Chain = NetworkSpec | FixedNetworkSpec


def add_to_chain(network: Chain, count: int, rng: np.random.Generator) -> Chain:
    """Return the chain with `count` more outputs; see `onchip.program.new_classes`."""
    whole = isinstance(network, FixedNetworkSpec)
    rows = mean_of(count, whole)
    layers: Any = (*network.layers[:-1], _wider_layer(network.layers[-1], rows, count))
    learning: Any = None
    if isinstance(network.learning, FixedLearningSpec):
        learning = _wider_fixed(network.learning, network, rows, count, rng)
    elif network.learning is not None:
        learning = _wider_floats(network.learning, network, rows, count, rng)
    return replace(network, layers=layers, learning=learning)


def _wider_layer(layer: Any, rows: Recipe, count: int) -> Any:
    """The readout with more rows; what its own spikes bring them is nothing."""
    if len(layer.output_shape) > 1:
        raise ValueError(
            f"readout {layer.name!r} is a convolution; classes can be added to a dense layer"
        )
    changes = {"weight": rows(layer.weight)}
    if layer.recurrent_weight is not None:
        own = layer.recurrent_weight
        widened = np.concatenate([own, np.zeros((len(own), count), own.dtype)], axis=1)
        changes["recurrent_weight"] = rows(widened)
    if getattr(layer, "bias_weight", None) is not None:
        changes["bias_weight"] = rows(layer.bias_weight[:, np.newaxis])[:, 0]
    if layer.bias is not None:
        whole = layer.weight.dtype.kind == "i"
        column = layer.bias[:, np.newaxis]
        changes["bias"] = floored_bias(layer.bias, count) if whole else rows(column)[:, 0]
    return replace(layer, **changes)


def _wider_matrices(
    matrices: Mapping[str, np.ndarray | None],
    network: Chain,
    rows: Recipe,
    count: int,
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    """The fixed matrices [receiving, sending] whose sender is the readout, with more columns."""
    assert network.learning is not None
    kind = FEEDBACKS[network.learning.feedback]
    names = [layer.name for layer in network.learning_layers[:-1]]
    from_readout = names if kind.from_output else names[-1:]
    columns = rows if kind == FEEDBACKS["symmetric"] else mixed(count, rng)
    return {
        name: columns(matrix.T).T
        for name in from_readout
        if (matrix := matrices.get(name)) is not None
    }


def _wider_floats(
    learning: LearningSpec, network: Chain, rows: Recipe, count: int, rng: np.random.Generator
) -> LearningSpec:
    wider = _wider_matrices(learning.feedback_matrices, network, rows, count, rng)
    return replace(learning, feedback_matrices={**learning.feedback_matrices, **wider})


def _wider_fixed(
    learning: FixedLearningSpec, network: Chain, rows: Recipe, count: int, rng: np.random.Generator
) -> FixedLearningSpec:
    matrices = {name: factor.matrix for name, factor in learning.factors.items()}
    wider = _wider_matrices(matrices, network, rows, count, rng)
    factors = {
        name: replace(factor, matrix=wider[name]) if name in wider else factor
        for name, factor in learning.factors.items()
    }
    error = scaled_error(learning.error, network.classes, network.classes + count)
    return replace(learning, factors=factors, error=error)
