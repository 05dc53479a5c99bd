"""A trained network of liquid cells as a graph that the NumPy engine runs.

``onchip.Engine(engine_network(network, time_steps=200)).run(frames)`` takes frames
[samples, T, inputs] and returns outputs [samples, T, outputs]. Inference only, in floating point,
and in the engine only: `onchip.deploy` refuses the graph by the name of its neurons.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from torch import Tensor

from onchip.models.fptt.cells import LiquidLayer
from onchip.models.fptt.networks import BranchedLayer, LiquidNetwork
from onchip.models.fptt.neurons import LiquidGate, LiquidMembranes, LiquidNeuron
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, Dense
from onchip.neurons.readouts import LinearReadout


def engine_network(
    network: LiquidNetwork, time_steps: int, metadata: Mapping[str, Any] | None = None
) -> Network:
    """Return `network` as a graph over `time_steps` steps, its weights copied in float64.

    A layer is a population of `LiquidNeuron` with a recurrence of delay 1; the branches of a first
    layer read their own part of the input. The readout takes membranes: the last layer is there a
    second time, as `LiquidMembranes` on the same currents.
    """
    below, parts = [(INPUT, slice(None))], _Parts()
    for n, layer in enumerate(network.layers):
        last = n == len(network.layers) - 1
        below = parts.add_layer(f"layers.{n}", layer, below, last)
    weight = _array(network.readout.weight)
    parts.populations.append(Population("readout", (len(weight),), LinearReadout()))
    for source, columns in below:
        parts.connections.append(Connection(source, "readout", Dense(weight[:, columns])))
    bias = Bias(_array(network.readout.bias), (len(weight),))
    parts.connections.append(Connection(ALWAYS_ON, "readout", bias))
    inputs = (network.settings["inputs"],)
    return Network(
        tuple(parts.populations), tuple(parts.connections), inputs, time_steps, None, metadata or {}
    )


Below = list[tuple[str, slice]]
"""The populations below a layer, each with its columns of the layer's weights."""


class _Parts:
    """Populations and connections as they are added, from the input to the readout."""

    def __init__(self) -> None:
        self.populations: list[Population] = []
        self.connections: list[Connection] = []

    def add_layer(self, name: str, layer: Any, below: Below, last: bool) -> Below:
        """Add a layer or its branches; returns what the layer above reads."""
        if not isinstance(layer, BranchedLayer):
            return [(self._add(name, layer, below, 0, 1, last), slice(None))]
        found, count = [], len(layer.branches)
        for n, branch in enumerate(layer.branches):
            source = self._add(f"{name}.branch{n}", branch, below, n, count, last)
            found.append((source, slice(n * branch.hidden, (n + 1) * branch.hidden)))
        return found

    def _add(
        self, name: str, layer: LiquidLayer, below: Below, part: int, parts: int, last: bool
    ) -> str:
        """Add `layer`, which reads one of equal `parts` of what is below it."""
        weight = _array(layer.input_weight)
        whole = np.zeros((layer.hidden, parts * layer.inputs))
        whole[:, part * layer.inputs : (part + 1) * layer.inputs] = weight
        gates = _gates(layer)
        kinds: list[tuple[str, LiquidNeuron]] = [(name, LiquidNeuron(*gates))]
        if last:
            kinds.append((f"{name}.membranes", LiquidMembranes(*gates)))
        for target, neuron in kinds:
            self.populations.append(Population(target, (layer.hidden,), neuron))
            for source, columns in below:
                self.connections.append(Connection(source, target, Dense(whole[:, columns])))
            bias = Bias(_array(layer.bias), (layer.hidden,))
            recurrent = Dense(_array(layer.recurrent_weight))
            self.connections.append(Connection(ALWAYS_ON, target, bias))
            self.connections.append(Connection(name, target, recurrent, delay=1))
        return kinds[-1][0]


def _gates(layer: LiquidLayer) -> tuple[LiquidGate, LiquidGate | None]:
    membrane = LiquidGate(_weight(layer.membrane_weight), _array(layer.membrane_bias))
    if layer.adaptation_bias is None:
        return membrane, None
    weight = _weight(layer.adaptation_weight)
    return membrane, LiquidGate(weight, _array(layer.adaptation_bias))


def _weight(weight: Tensor | None) -> np.ndarray | None:
    return None if weight is None else _array(weight)


def _array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().cpu().numpy().astype(np.float64)
