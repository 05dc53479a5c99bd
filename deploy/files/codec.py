"""How a network specification is laid out in a file: one pair of functions for each type.

    /                    input_shape, time_steps, metadata (JSON)
    /layers/000 ...      type, name and the layer's fields; arrays weight, bias, recurrent_weight
    /layers/000/neuron   type and the neuron's fields (absent values are absent attributes)
    /learning            learning_rate, mode, feedback, mse_weight, update_delay
    /learning/feedback_matrices/000 ...   layer; array matrix [receiving, sending]

Version 2 added the group /fixed (`onchip.deploy.files.integer_codec`) and what
`onchip.deploy.files.netx` writes; the layout above is that of version 1. A change of it needs a new
`VERSION` and a reader for the old one.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from typing import Any

from onchip.deploy.files.tree import Node, number
from onchip.metadata import plain_metadata
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate

SCHEMA = "onchip.network"
VERSION = 2


def spec_to_tree(spec: NetworkSpec) -> Node:
    """The specification as a tree; ValueError for names and metadata that a file cannot hold."""
    root = Node()
    write_network(spec, root, LAYERS, _write_learning)
    return root


def tree_to_spec(root: Node) -> NetworkSpec:
    """The specification in a tree; ValueError for anything missing, misshapen or out of range."""
    return NetworkSpec(**read_network(root, LAYERS, _read_learning))


def write_network(
    spec: Any, root: Node, table: Mapping[type, Row], write_learning: Callable[[Any, Node], None]
) -> None:
    """What networks of both precisions share, into an empty group; `table` is of the layers.

    ValueError for names and metadata that a file cannot hold.
    """
    root.attributes["input_shape"] = list(spec.input_shape)
    root.attributes["time_steps"] = int(spec.time_steps)
    root.attributes["metadata"] = metadata_to_json(spec.metadata)
    layers = root.add("layers")
    for index, layer in enumerate(spec.layers):
        write_row(table, layer, layers.add(number(index)))
    if spec.learning is not None:
        write_learning(spec.learning, root.add("learning"))


def read_network(
    root: Node, table: Mapping[type, Row], read_learning: Callable[[Node], Any]
) -> dict[str, Any]:
    """The fields of a specification that `write_network` wrote; ValueError if any is missing."""
    layers = tuple(read_row(table, node) for node in root.child("layers").numbered())
    learning = root.children.get("learning")
    return {
        "layers": layers,
        "input_shape": root.integers("input_shape"),
        "time_steps": root.get("time_steps", int),
        "learning": None if learning is None else read_learning(learning),
        "metadata": metadata_from_json(root.get("metadata", str)),
    }


def metadata_to_json(metadata: Mapping[str, Any]) -> str:
    """Metadata as text; ValueError for what JSON cannot hold (NaN included)."""
    try:
        return json.dumps(plain_metadata(metadata), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise ValueError(
            f"metadata cannot be written as JSON ({error}); use plain values"
        ) from None


def metadata_from_json(text: str) -> dict[str, Any]:
    """Metadata from text; ValueError unless it is a JSON object.

    NaN and infinite numbers, which JSON has not got and other writers put there all the same,
    become None, so that what was loaded can be saved again.
    """
    try:
        values = json.loads(text, parse_constant=lambda _: None, parse_float=_finite)
    except (ValueError, RecursionError) as error:
        raise ValueError(f"metadata is not JSON ({error})") from None
    if not isinstance(values, dict):
        raise ValueError("metadata is not a JSON object")
    return values


def _finite(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _write_dense(layer: DenseSpec, node: Node) -> None:
    node.attributes |= {"name": layer.name, "plastic": bool(layer.plastic)}
    node.arrays["weight"] = layer.weight
    if layer.bias is not None:
        node.arrays["bias"] = layer.bias
    if layer.recurrent_weight is not None:
        node.arrays["recurrent_weight"] = layer.recurrent_weight
    write_row(NEURONS, layer.neuron, node.add("neuron"))


def _read_dense(node: Node) -> DenseSpec:
    return DenseSpec(
        name=node.get("name", str),
        weight=node.array("weight"),
        neuron=read_row(NEURONS, node.child("neuron")),
        bias=node.optional("bias"),
        recurrent_weight=node.optional("recurrent_weight"),
        plastic=node.get("plastic", bool),
    )


def _write_conv(layer: ConvSpec, node: Node) -> None:
    node.attributes["name"] = layer.name
    for field in ("input_shape", "stride", "padding"):
        node.attributes[field] = [int(value) for value in getattr(layer, field)]
    node.arrays["weight"] = layer.weight
    if layer.bias is not None:
        node.arrays["bias"] = layer.bias
    write_row(NEURONS, layer.neuron, node.add("neuron"))


def _read_conv(node: Node) -> ConvSpec:
    neuron = read_row(NEURONS, node.child("neuron"))
    if not isinstance(neuron, LIF):
        raise ValueError(f"{node.path!r} is a convolution, so its neuron must be a lif")
    return ConvSpec(
        name=node.get("name", str),
        weight=node.array("weight"),
        neuron=neuron,
        input_shape=fixed_length(node, "input_shape", 3),
        bias=node.optional("bias"),
        stride=fixed_length(node, "stride", 2),
        padding=fixed_length(node, "padding", 2),
    )


def fixed_length(node: Node, name: str, length: int) -> Any:
    """The attribute `name`, a tuple of `length` integers."""
    values = node.integers(name)
    if len(values) != length:
        raise ValueError(
            f"attribute {name!r} in {node.path!r} is {values}; expected {length} values"
        )
    return values


def _write_lif(neuron: LIF, node: Node) -> None:
    node.attributes |= {
        "decay": float(neuron.decay),
        "v_threshold": float(neuron.v_threshold),
        "reset": neuron.reset,
    }
    if neuron.surrogate is not None:
        write_surrogate(neuron.surrogate, node)


def _read_lif(node: Node) -> LIF:
    return LIF(
        decay=node.get("decay", float),
        v_threshold=node.get("v_threshold", float),
        reset=node.get("reset", str),
        surrogate=read_surrogate(node) if "surrogate" in node.attributes else None,
    )


def write_surrogate(surrogate: Surrogate, node: Node) -> None:
    """Add a surrogate's name and parameter to its neuron."""
    node.attributes |= {
        "surrogate": surrogate.name,
        "surrogate_parameter": float(surrogate.parameter or 0),
    }


def read_surrogate(node: Node) -> Surrogate:
    """The surrogate of a neuron; ValueError for anything missing or out of range."""
    return Surrogate(node.get("surrogate", str), node.get("surrogate_parameter", float))


def _write_decay(neuron: LeakyIntegrator | LinearReadout, node: Node) -> None:
    node.attributes["decay"] = float(neuron.decay)


def _write_learning(learning: LearningSpec, node: Node) -> None:
    node.attributes |= {
        "learning_rate": float(learning.learning_rate),
        "mode": learning.mode,
        "feedback": learning.feedback,
        "mse_weight": float(learning.mse_weight),
        "update_delay": int(learning.update_delay),
    }
    matrices = node.add("feedback_matrices")
    for index, (name, matrix) in enumerate(learning.feedback_matrices.items()):
        child = matrices.add(number(index))
        child.attributes["layer"] = name
        child.arrays["matrix"] = matrix


def _read_learning(node: Node) -> LearningSpec:
    matrices = node.child("feedback_matrices").numbered()
    return LearningSpec(
        learning_rate=node.get("learning_rate", float),
        mode=node.get("mode", str),
        feedback=node.get("feedback", str),
        feedback_matrices={m.get("layer", str): m.array("matrix") for m in matrices},
        mse_weight=node.get("mse_weight", float),
        update_delay=node.get("update_delay", int),
    )


Row = tuple[str, Callable[[Any, Node], None], Callable[[Node], Any]]

LAYERS: dict[type, Row] = {
    DenseSpec: ("dense", _write_dense, _read_dense),
    ConvSpec: ("conv", _write_conv, _read_conv),
}
NEURONS: dict[type, Row] = {
    LIF: ("lif", _write_lif, _read_lif),
    LeakyIntegrator: (
        "leaky_integrator",
        _write_decay,
        lambda node: LeakyIntegrator(node.get("decay", float)),
    ),
    LinearReadout: (
        "linear_readout",
        _write_decay,
        lambda node: LinearReadout(node.get("decay", float)),
    ),
}
"""Type -> its name in the file, its writer and its reader."""


def write_row(table: Mapping[type, Row], value: Any, node: Node) -> None:
    """Write a value by its type's row in `table`; ValueError for a type that has none."""
    if type(value) not in table:
        known = ", ".join(kind.__name__ for kind in table)
        raise ValueError(f"{type(value).__name__} has no place in a network file; known: {known}")
    name, write, _ = table[type(value)]
    node.attributes["type"] = name
    write(value, node)


def read_row(table: Mapping[type, Row], node: Node) -> Any:
    """Read a value by the row of its type's name; ValueError for an unknown name."""
    readers = {name: read for name, _, read in table.values()}
    name = node.get("type", str)
    if name not in readers:
        known = ", ".join(readers)
        raise ValueError(f"{node.path!r} has the unknown type {name!r:.60}; known: {known}")
    return readers[name](node)
