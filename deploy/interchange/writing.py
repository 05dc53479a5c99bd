"""A network as a NIR graph.

Populations are NIR's neurons (`onchip.deploy.interchange.neurons`), connections its `Linear`,
`Affine`, `Conv2d` and `Scale` nodes with a `Flatten` where a map is read as a row; a bias is that
of the first dense or convolutional node into its population. A connection of delay 1 that closes a
cycle is an edge like all others, as every framework has it (the recurrent input is that of the step
before) and says so in its metadata; any other delay is a `Delay` node of dt. What NIR has no place
for is refused by name: integers, learning, adaptive neurons, enlarging convolutions.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from onchip.checks import require_between, require_choice
from onchip.deploy.interchange.conventions import RESETS
from onchip.deploy.interchange.kept import VERSION, kept, neuron_to_kept
from onchip.deploy.interchange.neurons import node_of
from onchip.deploy.interchange.nir_package import nir_package
from onchip.deploy.interchange.pools import separated
from onchip.deploy.offline import refuse_offline
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Dense, OneToOne
from onchip.neurons.readouts import LinearReadout
from onchip.program.graphs import INTEGERS, AnyNetwork, as_graph, numbers_of

POOLS = ("folded", "separate")

OUTPUT = "output"
"""Name of NIR's node for what comes out, unless a population has it."""


def to_nir(network: AnyNetwork, *, dt: float, pools: str = "folded") -> Any:
    """Return the `nir.NIRGraph` of a float network for inference.

    `dt` is the length of a step in the unit that the time constants shall have (1e-4 is what
    snnTorch and SpikingJelly read by default); `pools` is "folded" for convolutions as they are
    here, with average pools in their kernels, or "separate" for an `AvgPool2d` before each
    convolution whose kernel is exactly one with such a pool. Neurons here fire at u >= Vth; NIR's
    fire above v_threshold, which is Vth: a membrane that meets it exactly is the one difference.
    Raises ValueError, naming the part, for what NIR cannot express.
    """
    refuse_offline(network, "write as NIR")
    require_between("NIR: dt", dt, 0, 1e9, open_low=True)
    require_choice("NIR: pools", pools, POOLS)
    if numbers_of(network) == INTEGERS:
        raise ValueError(
            "network: it is in integers, and NIR's parameters are real numbers; write the float "
            "network it was quantized from, or what onchip.deploy.dequantize makes of it"
        )
    graph = as_graph(network)
    if graph.learning is not None:
        raise ValueError(
            "network: it learns, and NIR has no place for that; write "
            "onchip.without_learning(network), and keep the network's own file for the rest"
        )
    return _Writer(graph, float(dt), pools).graph()


class _Writer:
    """The nodes and edges of one network."""

    def __init__(self, network: Network, dt: float, pools: str) -> None:
        self.network, self.dt, self.pools = network, dt, pools
        self.nir = nir_package()
        self.nodes: dict[str, Any] = {}
        self.edges: list[tuple[str, str]] = []
        self.names = {INPUT: self._free(INPUT)}
        self.nodes[self.names[INPUT]] = self.nir.Input(np.array(network.input_shape))

    def graph(self) -> Any:
        """Write everything."""
        last = self.network.populations[-1]
        linear = isinstance(last.neuron, LinearReadout)
        for population in self.network.populations[: -1 if linear else None]:
            self.names[population.name] = self._population(population)
        out = self._free(OUTPUT)
        self.nodes[out] = self.nir.Output(np.array(last.shape))
        if linear:
            self.names[last.name] = out
        else:
            self.edges.append((self.names[last.name], out))
        for connection, name in zip(self.network.connections, self.network.names, strict=True):
            if connection.source != ALWAYS_ON:
                self._connection(connection, name)
        return self.nir.NIRGraph(
            self.nodes, self.edges, metadata=self._metadata(linear), type_check=False
        )

    def _metadata(self, linear: bool) -> dict[str, str]:
        network = self.network
        order = [[c.source, c.target, c.delay] for c in network.connections]
        values: dict[str, Any] = {
            "version": VERSION,
            "dt": self.dt,
            "time_steps": network.time_steps,
            "populations": [p.name for p in network.populations],
            "connections": order,
            "metadata": network.metadata,
        }
        if linear:
            values["readout"] = neuron_to_kept(network.populations[-1].neuron)
        return kept(values)

    def _population(self, population: Population) -> str:
        """Add a node of neurons; return its name."""
        neuron: Any = population.neuron
        values = {"name": population.name}
        resets = {ours: theirs for theirs, ours in RESETS.items()}
        if neuron.spiking:
            values |= {"reset": resets.get(getattr(neuron, "reset", ""), ""), "fires": ">="}
        name = self._free(population.name)
        where = f"population {population.name!r}"
        try:
            node = node_of(neuron, population.shape, self.dt, {})
            node.metadata = kept({**values, "constants": neuron_to_kept(neuron)})
        except ValueError as error:
            raise ValueError(f"{where}: {error}") from None
        self.nodes[name] = node
        return name

    def _connection(self, connection: Connection, name: str) -> None:
        """Add the nodes of a connection and the edges along them."""
        shape = self._shape_of(connection.source)
        values: dict[str, Any] = {"connection": name}
        chain: list[tuple[str, Any]] = []
        if connection.delay and self._closes_cycle(connection):
            values["delay"] = 1
        elif connection.delay:
            chain.append((f"{name}.delay", self.nir.Delay(np.full(shape, self.dt))))
        transform: Any = connection.transform
        if isinstance(transform, Dense) and len(shape) > 1:
            flatten = self.nir.Flatten(np.array(shape), start_dim=0, end_dim=-1)
            chain.append((f"{name}.flatten", flatten))
        if self.pools == "separate" and type(transform) is Convolution:
            side, behind = separated(transform)
            if side > 1 and shape == transform.input_shape:
                chain.append((f"{name}.pool", self._pool(side, transform, behind)))
                shape, transform = behind.input_shape, behind
        bias = self._bias_of(connection)
        if bias is not None:
            values["bias"] = True
        chain.append((name, self._weights(connection, transform, shape, bias, kept(values))))
        self._join(self.names[connection.source], chain, self.names[connection.target])

    def _shape_of(self, source: str) -> tuple[int, ...]:
        network = self.network
        return network.input_shape if source == INPUT else network.population(source).shape

    def _pool(self, side: int, pooled: Convolution, behind: Convolution) -> Any:
        square = np.array((side, side))
        node = self.nir.AvgPool2d(square, square, np.zeros(2, int))
        node.input_type = {"input": np.array(pooled.input_shape)}
        node.output_type = {"output": np.array(behind.input_shape)}
        return node

    def _join(self, before: str, chain: list[tuple[str, Any]], target: str) -> None:
        """Add nodes that read each other in turn, between two that are there."""
        for called, node in chain:
            called = self._free(called)
            self.nodes[called] = node
            self.edges.append((before, called))
            before = called
        self.edges.append((before, target))

    def _weights(
        self,
        connection: Connection,
        transform: Any,
        shape: tuple[int, ...],
        bias: np.ndarray | None,
        metadata: dict[str, str],
    ) -> Any:
        target = self.network.population(connection.target)
        where = f"connection {connection.source!r} to {connection.target!r}"
        kind = type(transform)
        fits = shape == (
            target.shape if kind is OneToOne else getattr(transform, "input_shape", shape)
        )
        if kind not in (Dense, Convolution, OneToOne):
            raise ValueError(f"{where}: NIR has no node for a {kind.__name__}; use a Convolution")
        if not fits or tuple(transform.output_shape) != target.shape:
            raise ValueError(
                f"{where}: it joins shapes {shape} and {target.shape}, and NIR has no node that "
                f"makes a map of a row for its {kind.__name__}; let the shapes agree"
            )
        weight = np.array(transform.weight)
        if kind is OneToOne:
            return self.nir.Scale(weight, metadata=metadata)
        if kind is Convolution:
            return self.nir.Conv2d(
                tuple(transform.input_shape[1:]),
                weight,
                transform.stride,
                transform.padding,
                (1, 1),
                1,
                np.zeros(len(weight)) if bias is None else bias,
                metadata=metadata,
            )
        if bias is None:
            return self.nir.Linear(weight, metadata=metadata)
        return self.nir.Affine(weight, bias, metadata=metadata)

    def _bias_of(self, connection: Connection) -> np.ndarray | None:
        """The bias that the node of a connection carries: of the first into its target that can."""
        network, target = self.network, connection.target
        into = [c for c in network.connections if c.target == target]
        biases = [c for c in into if c.source == ALWAYS_ON]
        if not biases:
            return None
        able = [
            c
            for c in into
            if c.source != ALWAYS_ON and isinstance(c.transform, (Dense, Convolution))
        ]
        able.sort(key=lambda c: c.delay)  # stable: one without delay first
        if not able:
            raise ValueError(
                f"population {target!r}: it has a bias and reads one to one only, and NIR's Scale "
                "has none; read it through dense weights"
            )
        return np.array(biases[0].transform.weight) if connection is able[0] else None

    def _closes_cycle(self, connection: Connection) -> bool:
        found, waiting = set[str](), [connection.target]
        while waiting:
            here = waiting.pop()
            if here == connection.source:
                return True
            if here not in found:
                found.add(here)
                waiting += [c.target for c in self.network.connections if c.source == here]
        return False

    def _free(self, name: str) -> str:
        """A node's name that torch and HDF5 take, and no other has."""
        plain = re.sub(r"\W", "_", name)
        found, number = plain, 2
        while found in self.nodes:
            found, number = f"{plain}_{number}", number + 1
        return found
