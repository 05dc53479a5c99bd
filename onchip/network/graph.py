"""The network: a graph of populations and connections, its time steps and its learning.

    Network(
        (Population("hidden", (20,), LIF()), Population("out", (3,), LeakyIntegrator())),
        (Connection("input", "hidden", Dense(w1)), Connection("hidden", "out", Dense(w2))),
        input_shape=(40,),
        time_steps=10,
    )

All connections without delay act within the same step, so they must have no cycle; those of delay 1
bring the spikes of the step before (recurrence, feedback from above). A bias is a connection from
`ALWAYS_ON`, a residual sum a second connection into a population. `onchip.network.chain` makes the
usual chain of layers, `onchip.network.fit` checks that the parts fit together.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from onchip.metadata import plain_metadata
from onchip.network.arrays import integers
from onchip.network.fit import check_graph, evaluation_order
from onchip.network.layer_spec import equal_fields
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Learning, Population
from onchip.network.sheets import graph_sheet
from onchip.showing import Sheet, Shown


@dataclass(frozen=True, eq=False, repr=False)
class Network(Shown):
    """A graph of populations and connections; the last population is the readout.

    `input_shape` is that of one frame, flattened in C order where a transform takes a row;
    `time_steps` T of one sample; `learning` is None for inference; `metadata` is provenance. The
    populations are put in the order in which they are evaluated. Raises ValueError, naming the part
    and what to do, when the parts do not fit together.
    """

    populations: tuple[Population, ...]
    connections: tuple[Connection, ...]
    input_shape: tuple[int, ...]
    time_steps: int
    learning: Learning | None = None
    metadata: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Check that the parts fit together."""
        object.__setattr__(self, "connections", tuple(self.connections))
        object.__setattr__(self, "populations", tuple(self.populations))
        object.__setattr__(self, "input_shape", integers("network: input_shape", self.input_shape))
        object.__setattr__(self, "metadata", plain_metadata(self.metadata))
        object.__setattr__(self, "populations", evaluation_order(self))
        check_graph(self)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def input_size(self) -> int:
        """Number of values in one frame."""
        return int(math.prod(self.input_shape))

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.populations[-1].size

    @functools.cached_property
    def readouts(self) -> tuple[str, ...]:
        """Names of the populations whose output is held against the targets, the last one too.

        The others are local readouts: an error route of the learning section starts there.
        """
        last = self.populations[-1].name
        routes = () if self.learning is None else self.learning.routes
        found = {last} | {route.source for route in routes if route.is_error}
        return tuple(p.name for p in self.populations if p.name in found)

    @property
    def plastic_names(self) -> tuple[str, ...]:
        """Names of the populations with a connection that learns, from input to output."""
        learning = {c.target for c in self.connections if c.plastic}
        return tuple(p.name for p in self.populations if p.name in learning)

    def sheet(self) -> Sheet:
        """Return what is shown of it: a row for each population."""
        return graph_sheet(self)

    def population(self, name: str) -> Population:
        """Return the population of this name."""
        return next(p for p in self.populations if p.name == name)

    def size_of(self, source: str) -> int:
        """Return the number of neurons of a population, of the input or of the always-on unit."""
        if source == ALWAYS_ON:
            return 1
        return self.input_size if source == INPUT else self.population(source).size

    @functools.cached_property
    def names(self) -> tuple[str, ...]:
        """The names of the connections, in their order: "target.synapses" for the first into it.

        "target.recurrent" from a population to itself, "target.bias", and "target.from_SOURCE"
        ("..._delayed") for others.
        """
        found: list[str] = []
        for connection in self.connections:
            name = f"{connection.target}.{_kind(connection)}"
            first = f"{connection.target}.synapses"
            main = connection.source != ALWAYS_ON and not connection.delay
            found.append(first if main and first not in found else name)
        return tuple(found)

    def with_weights(self, weights: Mapping[str, np.ndarray]) -> Network:
        """Return the network with copies of other weights, by the names of connections."""
        changed = tuple(
            replace(c, transform=replace(c.transform, weight=np.array(weights[name])))  # type: ignore[type-var]
            if name in weights
            else c
            for c, name in zip(self.connections, self.names, strict=True)
        )
        return replace(self, connections=changed)


def _kind(connection: Connection) -> str:
    if connection.source == ALWAYS_ON:
        return "bias"
    if connection.source == connection.target:
        return "recurrent"
    return f"from_{connection.source}" + "_delayed" * connection.delay
