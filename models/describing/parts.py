"""The parts of a graph while a trained network is described: populations with their sums."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.network.chain import chain
from onchip.network.graph import Network
from onchip.network.layer_spec import LayerSpec
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transform import Transform
from onchip.network.transforms import Bias
from onchip.neurons.base import Neuron


class GraphParts:
    """Populations and connections that are added from the input to the readout."""

    def __init__(self, network: Network | None = None) -> None:
        """Begin with those of a network, or with none."""
        self.populations = [] if network is None else list(network.populations)
        self.connections = [] if network is None else list(network.connections)

    def add(
        self,
        name: str,
        neuron: Neuron,
        summed: Sequence[tuple[str, Transform]],
        bias: np.ndarray | None,
    ) -> None:
        """Add a population on the sum of what each source of `summed` sends, and of a bias.

        Its shape is that of the first one's currents; `bias` [channels].
        """
        shape = summed[0][1].output_shape
        self.populations.append(Population(name, shape, neuron))
        self.connections += [Connection(source, name, transform) for source, transform in summed]
        if bias is not None:
            self.connections.append(Connection(ALWAYS_ON, name, Bias(bias, shape)))

    def add_chain(self, layers: Sequence[LayerSpec], source: str) -> None:
        """Add layers that read each other in turn, the first one the population `source`."""
        size = next(p.size for p in self.populations if p.name == source)
        tail = chain(layers, (size,), 1)
        self.populations += tail.populations
        self.connections += [
            replace(c, source=source) if c.source == INPUT else c for c in tail.connections
        ]

    def network(
        self, input_shape: tuple[int, ...], time_steps: int, metadata: Mapping[str, Any] | None
    ) -> Network:
        """Return the graph, checked, for inference."""
        return Network(
            tuple(self.populations),
            tuple(self.connections),
            input_shape,
            time_steps,
            metadata=metadata or {},
        )
