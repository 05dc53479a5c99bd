"""A NIR graph as a network.

Linear nodes between two sheets of neurons become one transform (`onchip.network.currents`): pools
and scales go into the kernels or weights that follow or precede them, and stay as they are, as a
convolution of each channel with itself, where nothing else lies between the neurons. A neuron that
reads itself through linear nodes reads its spikes of the step before. A cycle of several sheets of
neurons needs a `Delay` of one step, for nothing else says where the step lies.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onchip.deploy.interchange.conventions import Convention, convention_of
from onchip.deploy.interchange.flattened import Flat, flattened
from onchip.deploy.interchange.kept import VERSION, kept_in, neuron_from_kept
from onchip.deploy.interchange.neurons import REFUSED
from onchip.deploy.interchange.node_currents import NodeCurrents
from onchip.deploy.interchange.parameters import read_neuron
from onchip.network.currents import Currents
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.neurons.readouts import LinearReadout
from onchip.neurons.surrogates import Surrogate

_STANDARD = Surrogate()


def from_nir(
    graph: Any,
    *,
    dt: float | None = None,
    reset: str | None = None,
    fires: str | None = None,
    written_by: str = "nir",
    time_steps: int | None = None,
    input_shape: tuple[int, ...] | None = None,
    surrogate: Surrogate | None = _STANDARD,
    metadata: Mapping[str, Any] | None = None,
) -> Network:
    """Return the network of a `nir.NIRGraph`, for inference.

    Args:
        graph: of this package's `to_nir`, which needs no other argument, or of others.
        dt: the length of a step in the unit of the graph's time constants.
        reset: "subtract" or "zero"; NIR's equations say "zero", its users' files do not.
        fires: ">" (NIR's own) or ">=".
        written_by: a row of `onchip.deploy.interchange.conventions.CONVENTIONS`, which gives what
            is left out here.
        time_steps: T of a sample.
        input_shape: of one frame, where the graph's is not it (a batch that was written along).
        surrogate: of the neurons, for learning; NIR has none.
        metadata: provenance, instead of the graph's.

    Raises ValueError, naming the node, the parameter and the remedy, for nodes and parameters that
    no network here has, for a step, reset or number of steps that is not known, and for arguments
    that contradict what this package wrote.
    """
    meaning = convention_of(written_by).with_choices(dt, reset, fires)
    reader = _Reader(flattened(graph), kept_in(graph, "graph"), meaning, surrogate)
    reader.check_choices(dt, reset, fires, time_steps)
    return reader.network(time_steps, input_shape, metadata)


class _Reader:
    """One graph while it is read."""

    def __init__(
        self, flat: Flat, own: dict[str, Any], meaning: Convention, surrogate: Surrogate | None
    ) -> None:
        self.flat, self.own, self.surrogate = flat, own, surrogate
        if own:
            if own.get("version") != VERSION:
                raise ValueError(
                    f"NIR: the graph was written by version {own.get('version')!r:.20} of this "
                    f"package's metadata, and {VERSION} is known here; upgrade onchip"
                )
            meaning = Convention(dt=own.get("dt"), fires=">=", reset=meaning.reset)
        self.meaning = meaning
        self.kept = {name: kept_in(node, name) for name, node in flat.nodes.items()}
        self.nodes = NodeCurrents(flat, self.kept, meaning, bool(own))
        for name, node in flat.nodes.items():
            kind = type(node).__name__
            if kind in REFUSED:
                raise ValueError(f"NIR: node {name!r}: {kind}: {REFUSED[kind]}")

    def check_choices(
        self, dt: float | None, reset: str | None, fires: str | None, time_steps: int | None
    ) -> None:
        """Raise ValueError for arguments that differ from what the graph says of itself."""
        given = {"dt": dt, "time_steps": time_steps}
        for option, value in given.items():
            if self.own and value is not None and value != self.own.get(option):
                raise ValueError(
                    f"NIR: {option} is {value!r}, but the graph was written with "
                    f"{self.own.get(option)!r}; leave it out"
                )
        for name, values in self.kept.items():
            for option, chosen in (("reset", reset), ("fires", fires)):
                if chosen is not None and values.get(option, chosen) != chosen:
                    raise ValueError(
                        f"NIR: {option} is {chosen!r}, but node {name!r} was written with "
                        f"{values[option]!r}; leave it out"
                    )

    def network(
        self,
        time_steps: int | None,
        input_shape: tuple[int, ...] | None,
        metadata: Mapping[str, Any] | None,
    ) -> Network:
        """Return the network, its parts in the order in which they were written, if here."""
        frame = self.nodes.start(input_shape)
        populations, connections = [], []
        for name in self.nodes.neurons():
            population, currents = self._population(name)
            populations.append(population)
            connections += self._connections(population, currents)
        populations, more = self._with_readout(populations)
        _check_cycles([*connections, *more])
        steps = self.own.get("time_steps", time_steps)
        if steps is None:
            raise ValueError(
                "NIR: the graph does not say how many steps a sample has; pass time_steps"
            )
        found = self.own.get("metadata", {}) if metadata is None else metadata
        return Network(
            tuple(_ordered(populations, self.own.get("populations"), lambda p: p.name)),
            tuple(
                _ordered(
                    [*connections, *more],
                    self.own.get("connections"),
                    lambda c: [c.source, c.target, c.delay],
                )
            ),
            frame,
            steps,
            metadata=found,
        )

    def _population(self, name: str) -> tuple[Population, Currents]:
        kept = self.kept[name]
        read = read_neuron(
            self.flat.nodes[name], name, self.meaning, self.surrogate, kept.get("constants", {})
        )
        shape = self.nodes.shape(name)
        try:
            currents = self.nodes.into(name).reshaped(shape)
            gain = read.gain if read.gain.size == 1 else read.gain.reshape(shape)
            currents = currents.scaled(np.broadcast_to(gain, shape))
            return Population(kept.get("name", name), shape, read.neuron), currents
        except ValueError as error:
            raise ValueError(_located(name, error)) from None

    def _with_readout(
        self, populations: list[Population]
    ) -> tuple[list[Population], list[Connection]]:
        """The populations with the readout last, and the connections of one without neurons."""
        out, names = self.flat.output, self._named()
        before = self.flat.before(out)
        while len(before) == 1 and before[0] in self.flat.passing:
            before = self.flat.before(before[0])
        if len(before) == 1 and before[0] in names:
            last = names[before[0]]
            return sorted(populations, key=lambda p: p.name == last), []
        neuron: Any = LinearReadout()
        if "readout" in self.own:
            neuron = neuron_from_kept(self.own["readout"], out)
        currents = self.nodes.into(out)
        taken = {p.name for p in populations}
        called = self.own["populations"][-1] if "readout" in self.own else "readout"
        while called in taken:
            called += "_"
        readout = Population(called, currents.shape, neuron)
        return [*populations, readout], self._connections(readout, currents)

    def _connections(self, population: Population, currents: Currents) -> list[Connection]:
        found, names = [], self._named()
        for key in currents.sent:
            node, delay = key
            source = INPUT if node == self.flat.input else names[node]
            own = source == population.name
            found.append(
                Connection(source, population.name, currents.transform_of(key), delay or int(own))
            )
        try:
            bias = currents.bias()
        except ValueError as error:
            raise ValueError(_located(population.name, error)) from None
        if bias is not None:
            found.append(Connection(ALWAYS_ON, population.name, bias))
        return found

    def _named(self) -> dict[str, str]:
        """Populations' names by their nodes'."""
        return {name: self.kept[name].get("name", name) for name in self.nodes.neurons()}


def _check_cycles(connections: list[Connection]) -> None:
    """Raise ValueError for a cycle of several populations in which nothing is delayed."""
    edges = {(c.source, c.target) for c in connections if not c.delay}
    names = {target for _, target in edges}
    while True:
        free = {n for n in names if not any(b == n and a in names for a, b in edges)}
        if not free:
            break
        names -= free
    if names:
        raise ValueError(
            f"NIR: the neurons {', '.join(sorted(names))} read each other in a cycle, and nothing "
            "says which of them waits a step; put a Delay of dt into it"
        )


def _ordered(parts: list[Any], order: Any, key: Any) -> list[Any]:
    """`parts` in the order of their keys in a list, those that are not in it last."""
    if not isinstance(order, list):
        return parts
    return sorted(parts, key=lambda p: order.index(key(p)) if key(p) in order else len(order))


def _located(name: str, error: ValueError) -> str:
    text = str(error)
    return text if text.startswith("NIR: ") else f"NIR: node {name!r}: {text}"
