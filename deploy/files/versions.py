"""Readers of the layouts that earlier releases wrote: versions 1 and 2.

    /                    input_shape, time_steps, metadata (JSON)
    /layers/000 ...      type, name and the layer's fields; arrays weight, bias, recurrent_weight
    /layers/000/neuron   type and the neuron's fields; surrogate, surrogate_parameter
    /learning            learning_rate, mode, feedback, mse_weight, update_delay
    /learning/feedback_matrices/000 ...   layer; array matrix [receiving, sending]
    /fixed ...           from version 2 on, the same of integers: int32 arrays, decay in 0..4095
    /fixed/layers/000/plasticity, .../plasticity/rate, /fixed/learning/error,
    /fixed/learning/factors/000 ...   layer, shift, unit; array matrix

Absent values (None) are absent attributes, arrays and groups. Nothing is written so any more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from onchip.arithmetic.integer_softmax import FixedError
from onchip.arithmetic.membrane import decay_of
from onchip.deploy.files.metadata_text import metadata_from_json
from onchip.deploy.files.tree import INTEGERS, Node
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec, FixedPlasticity
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.rates import FixedRate

Reader = Callable[[Node], Any]
Kinds = Mapping[str, type]

RATE: Kinds = {
    "mantissa": int,
    "exponent": int,
    "gate": int,
    "tag_shift": int,
    "wanted": float,
    "realised": float,
}
ERROR: Kinds = {
    "exponent_multiplier": int,
    "exponent_shift": int,
    "probability_multiplier": int,
    "squared_multiplier": int,
    "one": int,
}
FACTOR: Kinds = {"shift": int, "unit": float}
LAYER: Kinds = {"name": str, "membrane_unit": float, "weight_exponent": int}
LEARNING: Kinds = {"mode": str, "feedback": str, "schedule": str, "seed": int}
"""Types by the names of their plain fields."""


def read_float_network(root: Node) -> NetworkSpec:
    """Return the float network in a tree; ValueError for anything missing or out of range."""
    return NetworkSpec(**_network(root, LAYERS, _learning))


def read_integer_network(root: Node) -> FixedNetworkSpec:
    """Return the integer network in a group; ValueError for anything missing or out of range."""
    return FixedNetworkSpec(**_network(root, INTEGER_LAYERS, _integer_learning))


def _network(root: Node, table: Mapping[str, Reader], read_learning: Reader) -> dict[str, Any]:
    layers = tuple(_row(table, node) for node in root.child("layers").numbered())
    learning = root.optional_child("learning")
    return {
        "layers": layers,
        "input_shape": root.integers("input_shape"),
        "time_steps": root.get("time_steps", int),
        "learning": None if learning is None else read_learning(learning),
        "metadata": metadata_from_json(root.get("metadata", str)),
    }


def _row(table: Mapping[str, Reader], node: Node) -> Any:
    """Read a value by the row of its type's name; ValueError for an unknown name."""
    return table[node.choice("type", table)](node)


def _fields(kinds: Kinds, node: Node) -> dict[str, Any]:
    return {name: node.get(name, kind) for name, kind in kinds.items()}


def _geometry(node: Node) -> dict[str, Any]:
    return {
        "input_shape": node.integers("input_shape", 3),
        "stride": node.integers("stride", 2),
        "padding": node.integers("padding", 2),
    }


# -- floats ---------------------------------------------------------------------------------------


def _dense(node: Node) -> DenseSpec:
    return DenseSpec(
        name=node.get("name", str),
        weight=node.array("weight"),
        neuron=_row(NEURONS, node.child("neuron")),
        bias=node.optional("bias"),
        recurrent_weight=node.optional("recurrent_weight"),
        plastic=node.get("plastic", bool),
    )


def _convolution(node: Node) -> ConvSpec:
    neuron = _row(NEURONS, node.child("neuron"))
    if not isinstance(neuron, LIF):
        raise ValueError(f"{node.path!r} is a convolution, so its neuron must be a lif")
    return ConvSpec(
        name=node.get("name", str),
        weight=node.array("weight"),
        neuron=neuron,
        bias=node.optional("bias"),
        **_geometry(node),
    )


def _lif(node: Node, decay: float, kind: type) -> LIF:
    return LIF(
        decay=decay,
        v_threshold=node.get("v_threshold", kind),
        reset=node.get("reset", str),
        surrogate=_surrogate(node) if "surrogate" in node.attributes else None,
    )


def _surrogate(node: Node) -> Surrogate:
    return Surrogate(node.get("surrogate", str), node.get("surrogate_parameter", float))


def _decay(node: Node) -> float:
    return node.get("decay", float)


def _learning(node: Node) -> LearningSpec:
    matrices = node.child("feedback_matrices").keyed("layer")
    return LearningSpec(
        learning_rate=node.get("learning_rate", float),
        mode=node.get("mode", str),
        feedback=node.get("feedback", str),
        feedback_matrices={name: m.array("matrix") for name, m in matrices.items()},
        mse_weight=node.get("mse_weight", float),
        update_delay=node.get("update_delay", int),
    )


LAYERS: dict[str, Reader] = {"dense": _dense, "conv": _convolution}
NEURONS: dict[str, Reader] = {
    "lif": lambda node: _lif(node, _decay(node), float),
    "leaky_integrator": lambda node: LeakyIntegrator(_decay(node)),
    "linear_readout": lambda node: LinearReadout(_decay(node)),
}
"""Name in the file -> its reader."""


# -- integers -------------------------------------------------------------------------------------


def _integer_layer(node: Node) -> dict[str, Any]:
    """What dense layers and convolutions share."""
    return {
        **_fields(LAYER, node),
        "weight": node.array("weight", INTEGERS),
        "bias": node.optional("bias", INTEGERS),
        "neuron": _row(INTEGER_NEURONS, node.child("neuron")),
    }


def _integer_dense(node: Node) -> FixedDenseSpec:
    plasticity = node.optional_child("plasticity")
    return FixedDenseSpec(
        **_integer_layer(node),
        bias_weight=node.optional("bias_weight", INTEGERS),
        recurrent_weight=node.optional("recurrent_weight", INTEGERS),
        plasticity=None if plasticity is None else _plasticity(plasticity),
    )


def _plasticity(node: Node) -> FixedPlasticity:
    rate = FixedRate(**_fields(RATE, node.child("rate")))
    return FixedPlasticity(node.get("impulse", int), rate)


def _integer_convolution(node: Node) -> FixedConvSpec:
    return FixedConvSpec(**_integer_layer(node), **_geometry(node))


def _integer_decay(node: Node) -> float:
    return decay_of(node.get("decay", int))


def _integer_learning(node: Node) -> FixedLearningSpec:
    factors = node.child("factors").keyed("layer")
    return FixedLearningSpec(
        **_fields(LEARNING, node),
        error=FixedError(**_fields(ERROR, node.child("error"))),
        factors={name: _factor(child) for name, child in factors.items()},
    )


def _factor(node: Node) -> FixedFactor:
    return FixedFactor(**_fields(FACTOR, node), matrix=node.optional("matrix", INTEGERS))


INTEGER_LAYERS: dict[str, Reader] = {"dense": _integer_dense, "conv": _integer_convolution}
INTEGER_NEURONS: dict[str, Reader] = {
    "lif": lambda node: _lif(node, _integer_decay(node), int),
    "integrator": lambda node: LeakyIntegrator(_integer_decay(node)),
    "linear": lambda node: LinearReadout(_integer_decay(node)),
}
