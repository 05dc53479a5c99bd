"""The program: a network lowered for a machine, the same classes in floats and in integers.

A network says what is computed, a program when and with which numbers: `lower` (`program.lower`)
makes one for a schedule, and what builds processes reads nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.program.populations import Population
from onchip.program.synapses import Plasticity
from onchip.program.teaching import Teacher
from onchip.program.timetable import Schedule

INPUT = "input"
"""The population whose spikes are the frames."""

REAL_NUMBERS, INTEGERS = "floating_pt", "fixed_pt"
"""What a program is written in, by Lava's names of them."""


def dtype_of(numbers: str) -> type:
    """Return the type of what the processes of a program in these numbers exchange."""
    return np.int32 if numbers == INTEGERS else np.float64


@dataclass(frozen=True, eq=False)
class Neurons:
    """One population: what it computes, when, and what it tells its plastic synapses.

    `offset` is the Lava step of an algorithmic step at which it integrates, `answers` that at which
    it knows its factor; `teacher` is None where no synapses of it learn.
    """

    name: str
    shape: tuple[int, ...]
    spiking: bool
    computes: Population
    offset: int
    answers: int
    teacher: Teacher | None = None


@dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses from one population to another, W [post, pre].

    `source` may be `INPUT`; with `always_on` the last column belongs to a unit that spikes with it
    at every step, the bias. `exponent` shifts the sums of integers; `delay` is 0, or 1 for the
    spikes of the step before; `plasticity` is None where they are frozen.
    """

    name: str
    source: str
    target: str
    weights: np.ndarray
    exponent: int = 0
    delay: int = 0
    always_on: bool = False
    plasticity: Plasticity | None = None


@dataclass(frozen=True, eq=False)
class Route:
    """How an error comes to a population: by a fixed `matrix` [receiving, sending] or live weights.

    `source` is the population whose factor is sent, or, where `is_error`, the readout with its
    error. Without a matrix it is the transpose of the present weights of the synapses `live`.
    """

    name: str
    source: str
    target: str
    is_error: bool = False
    matrix: np.ndarray | None = None
    live: str | None = None


@dataclass(frozen=True, eq=False)
class Program:
    """A network lowered for one schedule: populations in the order in which they are evaluated.

    `numbers` is `REAL_NUMBERS` or `INTEGERS`; `network` what it was made from; `inputs` values of a
    frame, `classes` outputs of the last population, which is the readout.
    """

    numbers: str
    network: Any
    timetable: Schedule
    populations: tuple[Neurons, ...]
    synapses: tuple[Synapses, ...]
    routes: tuple[Route, ...]
    inputs: int
    classes: int

    @property
    def readout(self) -> Neurons:
        """The population whose output is the network's."""
        return self.populations[-1]

    def into(self, population: str) -> tuple[Synapses, ...]:
        """The synapses into a population, in their order."""
        return tuple(s for s in self.synapses if s.target == population)

    def out_of(self, population: str) -> tuple[Synapses, ...]:
        """The synapses out of a population, in their order."""
        return tuple(s for s in self.synapses if s.source == population)

    def named(self, synapses: str) -> Synapses:
        """The synapses of this name."""
        return next(s for s in self.synapses if s.name == synapses)

    def has_always_on(self, population: str) -> bool:
        """Whether some synapses out of a population have a column for a bias."""
        return any(s.always_on for s in self.out_of(population))
