"""How an integer network is laid out in a file, under /fixed.

    /fixed                     input_shape, time_steps, metadata (JSON)
    /fixed/layers/000 ...      type, name and the layer's fields; int32 arrays weight, bias,
                               bias_weight, recurrent_weight
    /fixed/layers/000/neuron   type and the neuron's fields
    /fixed/layers/000/plasticity, .../plasticity/rate    of layers that learn
    /fixed/learning            mode, feedback, schedule, seed
    /fixed/learning/error      the integers of `FixedError`
    /fixed/learning/factors/000 ...   layer, shift, unit; array matrix [receiving, sending]

Absent values (None) are absent attributes, arrays and groups.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onchip.arithmetic.integer_softmax import FixedError
from onchip.arithmetic.membrane import decay_integer, decay_of
from onchip.deploy.files.codec import (
    Row,
    fixed_length,
    read_network,
    read_row,
    read_surrogate,
    write_network,
    write_row,
    write_surrogate,
)
from onchip.deploy.files.tree import INTEGERS, Node, number
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.program.integer_layer_spec import (
    FixedConvSpec,
    FixedDenseSpec,
    FixedLayerSpec,
    FixedPlasticity,
)
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec, FixedNetworkSpec
from onchip.program.rates import FixedRate

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


def fixed_to_tree(spec: FixedNetworkSpec, root: Node) -> None:
    """Fill the empty group `root`; ValueError for names and metadata that a file cannot hold."""
    write_network(spec, root, LAYERS, _write_learning)


def tree_to_fixed(root: Node) -> FixedNetworkSpec:
    """The integer network in a group; ValueError for anything missing or out of range."""
    return FixedNetworkSpec(**read_network(root, LAYERS, _read_learning))


def _write_fields(value: Any, kinds: Kinds, node: Node) -> None:
    node.attributes |= {name: kind(getattr(value, name)) for name, kind in kinds.items()}


def _read_fields(kinds: Kinds, node: Node) -> dict[str, Any]:
    return {name: node.get(name, kind) for name, kind in kinds.items()}


def _write_arrays(value: Any, names: tuple[str, ...], node: Node) -> None:
    for name in names:
        array = getattr(value, name)
        if array is not None:
            node.arrays[name] = array.astype(INTEGERS)


def _write_layer(layer: FixedLayerSpec, node: Node) -> None:
    _write_fields(layer, LAYER, node)
    _write_arrays(layer, ("weight", "bias", "bias_weight", "recurrent_weight"), node)
    write_row(NEURONS, layer.neuron, node.add("neuron"))


def _read_layer(node: Node) -> dict[str, Any]:
    """What dense layers and convolutions share."""
    return {
        **_read_fields(LAYER, node),
        "weight": node.array("weight", INTEGERS),
        "bias": node.optional("bias", INTEGERS),
        "neuron": read_row(NEURONS, node.child("neuron")),
    }


def _write_dense(layer: FixedDenseSpec, node: Node) -> None:
    _write_layer(layer, node)
    if layer.plasticity is not None:
        plasticity = node.add("plasticity")
        plasticity.attributes["impulse"] = int(layer.plasticity.impulse)
        _write_fields(layer.plasticity.rate, RATE, plasticity.add("rate"))


def _read_dense(node: Node) -> FixedDenseSpec:
    plasticity = node.children.get("plasticity")
    return FixedDenseSpec(
        **_read_layer(node),
        bias_weight=node.optional("bias_weight", INTEGERS),
        recurrent_weight=node.optional("recurrent_weight", INTEGERS),
        plasticity=None if plasticity is None else _read_plasticity(plasticity),
    )


def _read_plasticity(node: Node) -> FixedPlasticity:
    rate = FixedRate(**_read_fields(RATE, node.child("rate")))
    return FixedPlasticity(node.get("impulse", int), rate)


def _write_conv(layer: FixedConvSpec, node: Node) -> None:
    _write_layer(layer, node)
    for field in ("input_shape", "stride", "padding"):
        node.attributes[field] = list(getattr(layer, field))


def _read_conv(node: Node) -> FixedConvSpec:
    return FixedConvSpec(
        **_read_layer(node),
        input_shape=fixed_length(node, "input_shape", 3),
        stride=fixed_length(node, "stride", 2),
        padding=fixed_length(node, "padding", 2),
    )


def _write_lif(neuron: LIF, node: Node) -> None:
    _write_decay(neuron, node)
    node.attributes["v_threshold"] = int(neuron.v_threshold)
    node.attributes["reset"] = neuron.reset
    if neuron.surrogate is not None:
        write_surrogate(neuron.surrogate, node)


def _read_lif(node: Node) -> LIF:
    return LIF(
        decay=_read_decay(node),
        v_threshold=node.get("v_threshold", int),
        reset=node.get("reset", str),
        surrogate=read_surrogate(node) if "surrogate" in node.attributes else None,
    )


def _write_decay(neuron: Neuron, node: Node) -> None:
    node.attributes["decay"] = decay_integer(neuron.decay)


def _read_decay(node: Node) -> float:
    return decay_of(node.get("decay", int))


def _write_learning(learning: FixedLearningSpec, node: Node) -> None:
    _write_fields(learning, LEARNING, node)
    _write_fields(learning.error, ERROR, node.add("error"))
    factors = node.add("factors")
    for index, (name, factor) in enumerate(learning.factors.items()):
        child = factors.add(number(index))
        child.attributes["layer"] = name
        _write_fields(factor, FACTOR, child)
        _write_arrays(factor, ("matrix",), child)


def _read_learning(node: Node) -> FixedLearningSpec:
    factors = node.child("factors").numbered()
    return FixedLearningSpec(
        **_read_fields(LEARNING, node),
        error=FixedError(**_read_fields(ERROR, node.child("error"))),
        factors={child.get("layer", str): _read_factor(child) for child in factors},
    )


def _read_factor(node: Node) -> FixedFactor:
    return FixedFactor(**_read_fields(FACTOR, node), matrix=node.optional("matrix", INTEGERS))


LAYERS: dict[type, Row] = {
    FixedDenseSpec: ("dense", _write_dense, _read_dense),
    FixedConvSpec: ("conv", _write_conv, _read_conv),
}
NEURONS: dict[type, Row] = {
    LIF: ("lif", _write_lif, _read_lif),
    LeakyIntegrator: ("integrator", _write_decay, lambda node: LeakyIntegrator(_read_decay(node))),
    LinearReadout: ("linear", _write_decay, lambda node: LinearReadout(_read_decay(node))),
}
"""Type -> its name in the file, its writer and its reader."""
