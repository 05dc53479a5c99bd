"""What the nodes of a NIR graph send: each sheet of neurons its spikes, linear nodes currents."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from onchip.deploy.interchange.conventions import Convention
from onchip.deploy.interchange.flattened import Flat
from onchip.deploy.interchange.linear_nodes import plain, through_node
from onchip.deploy.interchange.neurons import NODES
from onchip.network.currents import Currents


class NodeCurrents:
    """The currents of one graph, by the names of its nodes; sources are (node, delay).

    `kept` are the metadata of each node; `own` says whether this package wrote the graph.
    """

    def __init__(
        self, flat: Flat, kept: dict[str, dict[str, Any]], meaning: Convention, own: bool
    ) -> None:
        self.flat, self.kept, self.meaning, self.own = flat, kept, meaning, own
        self._shapes: dict[str, tuple[int, ...]] = {}

    def start(self, input_shape: tuple[int, ...] | None) -> tuple[int, ...]:
        """Take the shape of one frame, the graph's for None; return it."""
        shape = self._input_shape() if input_shape is None else tuple(input_shape)
        self._shapes[self.flat.input] = shape
        return shape

    def neurons(self) -> list[str]:
        """Return the names of the nodes that are neurons."""
        return [n for n, node in self.flat.nodes.items() if type(node).__name__ in NODES]

    def into(self, name: str, above: tuple[str, ...] = ()) -> Currents:
        """Return the sum of what a node reads; `above` are those that were asked for it."""
        before = self.flat.before(name)
        if not before:
            raise ValueError(f"NIR: node {name!r} reads nothing; connect it or leave it out")
        total = self._out_of(before[0], (name, *above))
        for source in before[1:]:
            total = total.plus(self._out_of(source, (name, *above)))
        return total

    def _out_of(self, name: str, above: tuple[str, ...]) -> Currents:
        """What a node sends: spikes of neurons or the input, or currents of a linear node."""
        node = self.flat.nodes[name]
        if name == self.flat.input or type(node).__name__ in NODES:
            return Currents.of_spikes((name, 0), self.shape(name))
        if name in above:
            raise ValueError(
                f"NIR: the nodes {' -> '.join(reversed(above))} are a cycle without neurons; put "
                "neurons into it"
            )
        total = self.into(name, above)
        if name in self.flat.passing:
            return total
        if type(node).__name__ == "Delay":
            return _later(total, self._delay(name))
        kept = self.kept[name]
        found = through_node(node, name, total)
        if kept.get("bias") and found.offset is None:  # a bias of zeros that is one
            found = found.plus(Currents(found.shape, {}, np.zeros(found.shape)))
        elif kept.get("bias") is None and found.offset is not None and not found.offset.any():
            found = Currents(found.shape, found.sent)
        return _later(found, int(kept.get("delay", 0)))

    def _delay(self, name: str) -> int:
        """Steps of a delay node: 0 or 1."""
        delays = np.unique(plain(self.flat.nodes[name].delay).astype(np.float64))
        if self.meaning.dt is None:
            raise ValueError(
                f"NIR: the graph does not say how long a step is (node {name!r} is a delay); pass "
                "dt"
            )
        steps = delays / self.meaning.dt
        if delays.size != 1 or not np.isclose(steps[0], round(steps[0]), atol=1e-6):
            raise ValueError(
                f"NIR: node {name!r}: its delay of {delays} is not one whole number of steps of "
                f"{self.meaning.dt:g}; pass another dt"
            )
        if round(steps[0]) not in (0, 1):
            raise ValueError(
                f"NIR: node {name!r}: its delay of {round(steps[0])} steps is above 1, the longest "
                "here; put populations of relays into the graph"
            )
        return round(steps[0])

    def _input_shape(self) -> tuple[int, ...]:
        node = self.flat.nodes[self.flat.input]
        shape = tuple(int(side) for side in np.ravel(plain(node.input_type["input"])))
        readers = {
            type(self.flat.nodes[t]).__name__ for s, t in self.flat.edges if s == self.flat.input
        }
        while len(shape) > 3 and shape[0] == 1:
            shape = shape[1:]
        if len(shape) == 2 and shape[0] == 1 and readers <= {"Linear", "Affine", *NODES}:
            shape = shape[1:]
        return shape

    def shape(self, name: str, above: tuple[str, ...] = ()) -> tuple[int, ...]:
        """Return the shape of what neurons or the input send."""
        if name not in self._shapes:
            node = self.flat.nodes[name]
            own = plain(getattr(node, "v_threshold", node.r)).shape
            while len(own) > 1 and own[0] == 1 and len(own) != 3:
                own = own[1:]
            if math.prod(own) > 1 or self.own:
                self._shapes[name] = own
            else:
                self._shapes[name] = self._shape_by_input(name, above)
        return self._shapes[name]

    def _shape_by_input(self, name: str, above: tuple[str, ...]) -> tuple[int, ...]:
        """The shape of neurons whose parameters are numbers: that of the currents into them."""
        for source in self.flat.before(name):
            feeding = self._feeding(source, set())
            if name in feeding or set(above) & feeding:
                continue
            for other in feeding:
                if other != self.flat.input:
                    self.shape(other, (name, *above))
            return self._out_of(source, (name,)).shape
        raise ValueError(f"NIR: node {name!r} reads nothing but itself; connect it to the input")

    def _feeding(self, name: str, seen: set[str]) -> set[str]:
        """The sheets of neurons (and the input) that a node's output is made of."""
        node = self.flat.nodes[name]
        if name == self.flat.input or type(node).__name__ in NODES:
            return {name}
        if name in seen:
            return set()
        seen.add(name)
        return set().union(*(self._feeding(s, seen) for s in self.flat.before(name)))


def _later(currents: Currents, steps: int) -> Currents:
    """The currents of spikes `steps` steps older."""
    if not steps:
        return currents
    sent = {(node, delay + steps): t for (node, delay), t in currents.sent.items()}
    for node, delay in sent:
        if delay > 1:
            raise ValueError(
                f"NIR: the spikes of {node!r} are delayed by {delay} steps, and 1 is the longest "
                "here; put populations of relays into the graph"
            )
    return Currents(currents.shape, sent, currents.offset)
