"""The parts of a network: populations, connections, feedback and what is learned."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from onchip.checks import require_between, require_choice
from onchip.network.arrays import frozen_array, integers
from onchip.network.layer_spec import equal_fields
from onchip.network.transform import Transform
from onchip.neurons.base import Neuron
from onchip.objectives.base import Objective
from onchip.rules.rule import UPDATE_MODES, Rule

INPUT = "input"
"""The source whose spikes are the frames."""

ALWAYS_ON = "always_on"
"""The source of biases: one unit that spikes at every step."""

SOURCES = (INPUT, ALWAYS_ON)
"""What is not a population."""


@dataclass(frozen=True)
class Population:
    """Neurons of one kind: `shape` (n,) or (channels, height, width), no side below 1."""

    name: str
    shape: tuple[int, ...]
    neuron: Neuron

    def __post_init__(self) -> None:
        """Check the shape."""
        where = f"population {self.name!r}: shape"
        object.__setattr__(self, "shape", integers(where, self.shape))
        require_between(f"{where}'s smallest side", min(self.shape), 1, 1_000_000_000)

    @property
    def size(self) -> int:
        """Number of neurons."""
        return int(math.prod(self.shape))


@dataclass(frozen=True, eq=False)
class Connection:
    """Synapses from `source` (a population, `INPUT` or `ALWAYS_ON`) to the population `target`.

    `delay` 0, or 1 for the spikes of the step before; `rule` is None where they are frozen.
    """

    source: str
    target: str
    transform: Transform
    delay: int = 0
    rule: Rule | None = None

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def plastic(self) -> bool:
        """Whether it learns."""
        return self.rule is not None


@dataclass(frozen=True, eq=False)
class Route:
    """How an error comes to the population `target`.

    `source` is the population whose factor is sent, or where `is_error` a readout with its error:
    the last population, or a local readout that is held against the same targets.
    `matrix` B [receiving, sending] is fixed; `transform` (of a connection from `target` to
    `source`, with fixed weights of its own) sends back through those. Neither is the transpose of
    the present weights of that connection.
    """

    source: str
    target: str
    is_error: bool = False
    matrix: np.ndarray | None = None
    transform: Transform | None = None

    def __post_init__(self) -> None:
        """Freeze the matrix; ValueError for a matrix and a transform."""
        if self.matrix is not None and self.transform is not None:
            raise ValueError(
                f"feedback from {self.source!r} to {self.target!r}: give a matrix or a transform"
            )
        if self.matrix is not None:
            name = f"feedback matrix of {self.target!r}"
            object.__setattr__(self, "matrix", frozen_array(name, self.matrix, 2))

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


def checked_shares(name: str, array: np.ndarray) -> np.ndarray:
    """Return shares of a rate as a read-only copy; ValueError unless all are in 0..1."""
    held = frozen_array(f"shares of {name!r}", array, np.ndim(array))
    wrong = held[(held < 0) | (held > 1)]
    if wrong.size:
        raise ValueError(
            f"shares of {name!r} hold {wrong[0]:.6g}; they must lie in 0..1, raise the learning "
            "rate to that of the fastest"
        )
    return held


@dataclass(frozen=True, eq=False)
class Learning:
    """What a network learns and how its error travels; each connection's `rule` says the rest.

    `mode` "online" (every step) or "accumulate" (at a sample's end); `feedback` is the name of the
    kind that the `routes` were made by; `update_delay` 0 or 1: the number of steps by which an
    online update lags behind its gradient. `shares` in 0..1 are those of the rules' rates, by the
    name of a population [neurons] or of a connection [*weight shape], None for 1 everywhere
    (`onchip.network.shares`).
    """

    objective: Objective
    routes: tuple[Route, ...] = ()
    mode: str = "online"
    feedback: str = "exact"
    update_delay: int = 0
    shares: Mapping[str, np.ndarray] | None = None

    def __post_init__(self) -> None:
        """Check names and ranges."""
        object.__setattr__(self, "routes", tuple(self.routes))
        if self.shares is not None:
            held = {name: checked_shares(name, array) for name, array in self.shares.items()}
            object.__setattr__(self, "shares", held or None)
        require_choice("learning: mode", self.mode, UPDATE_MODES)
        if self.update_delay not in (0, 1):
            raise ValueError(f"learning: update_delay is {self.update_delay!r}; it must be 0 or 1")

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]
