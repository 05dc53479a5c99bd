"""What is shown of a network: a row for each population or layer."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from onchip.neurons.base import Neuron
from onchip.showing import Sheet, shape_text

HEADER = ("name", "kind", "shape", "neuron", "plastic", "parameters")


def network_title(network: Any) -> str:
    """Return what one line says of a network of any form."""
    learning, outputs = network.learning, network.classes
    what = "does not learn"
    if learning is not None:
        what = f"learns {learning.mode}, feedback {learning.feedback}"
    steps = network.time_steps
    return (
        f"{type(network).__name__}: input {shape_text(network.input_shape)}, {steps} time steps, "
        f"{outputs} outputs, {what}"
    )


def row(
    name: str,
    kinds: Iterable[str],
    shape: Iterable[int],
    neuron: Neuron,
    plastic: bool,
    parameters: int,
) -> tuple[str, ...]:
    """Return a row below `HEADER`."""
    kind = " + ".join(dict.fromkeys(kinds))
    learns = "yes" if plastic else "no"
    cell = f"{type(neuron).__name__} {neuron.decay:.3g}" if neuron.decay else type(neuron).__name__
    return (name, kind, shape_text(shape), cell, learns, f"{parameters:,}")


def graph_sheet(network: Any, title: str | None = None) -> Sheet:
    """Return a row for each population of a graph, with the connections into it."""
    rows = []
    for p in network.populations:
        into = [c for c in network.connections if c.target == p.name]
        kinds = (_kind(c, p.name) for c in into)
        size = sum(c.transform.weight.size for c in into)
        rows.append(row(p.name, kinds, p.shape, p.neuron, any(c.plastic for c in into), size))
    return Sheet(title or network_title(network), HEADER, rows)


def chain_sheet(network: Any) -> Sheet:
    """Return a row for each layer of a chain, in floating point or in integers."""
    rows = []
    for layer in network.layers:
        names = ("weight", "bias", "bias_weight", "recurrent_weight")
        arrays = {n: a for n in names if (a := getattr(layer, n, None)) is not None}
        kinds = ["dense" if layer.weight.ndim == 2 else "convolution"]
        kinds += ["recurrent"] * ("recurrent_weight" in arrays)
        kinds += ["bias"] * ("bias" in arrays or "bias_weight" in arrays)
        size = sum(array.size for array in arrays.values())
        shape = layer.output_shape
        rows.append(row(layer.name, kinds, shape, layer.neuron, layer.plastic, size))
    return Sheet(network_title(network), HEADER, rows)


def _kind(connection: Any, own: str) -> str:
    kind = type(connection.transform).__name__
    words = "".join(f" {c.lower()}" if c.isupper() else c for c in kind).strip()
    if connection.source == own:
        return f"recurrent {words}"
    return f"{words} from {connection.source}" if connection.delay else words
