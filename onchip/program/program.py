"""The program: a network lowered for a machine, the same classes in floats and in integers.

A network says what is computed, a program when and with which numbers: `lower` (`program.lower`)
makes one for a schedule, and what builds processes reads nothing else.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.network.graph import Network
from onchip.network.sheets import graph_sheet
from onchip.network.transform import Transform
from onchip.program.computation import Computation
from onchip.program.graphs import INTEGERS
from onchip.program.synapses import Plasticity
from onchip.program.teaching import Teacher
from onchip.program.timetable import Schedule
from onchip.rules.rule import Rule
from onchip.showing import Sheet, Shown


def dtype_of(numbers: str) -> type:
    """Return the type of what the processes of a program in these numbers exchange."""
    return np.int32 if numbers == INTEGERS else np.float64


@dataclass(frozen=True, eq=False)
class Neurons:
    """One population: what it computes, when, and what it tells its plastic synapses.

    `offset` is the Lava step of an algorithmic step at which it integrates, `answers` that at which
    it knows its factor, None where it has none; `number` counts the populations that are not of the
    host's trunk from 1; `teacher` is None where no synapses of it learn.
    """

    name: str
    shape: tuple[int, ...]
    spiking: bool
    computes: Computation
    number: int
    offset: int = 0
    answers: int | None = None
    teacher: Teacher | None = None


@dataclass(frozen=True, eq=False)
class Synapses:
    """The synapses from one population to another, `weights` as `transform` lays them out.

    `source` may be `INPUT`; with `always_on` the last column of the weights [post, pre + 1] belongs
    to a unit that spikes with it at every step, the bias. `exponent` shifts the sums of integers;
    `delay` is 0, or 1 for the spikes of the step before. `rule` is None where they are frozen, then
    `plasticity` is what the machine makes of it on the program's schedule, if it has one. `traces`
    (amplitude, decay) are what the rule knows of the inputs, those of the target's neurons where it
    is None. `shares` are those of the rate, [post] of neurons or as the weights lie of synapses,
    None for 1; `tags` are what a machine's tags hold of the latter, for good.
    """

    name: str
    source: str
    target: str
    transform: Transform
    weights: np.ndarray
    exponent: int = 0
    delay: int = 0
    always_on: bool = False
    plastic: bool = False
    rule: Rule | None = None
    plasticity: Plasticity | None = None
    traces: tuple[tuple[float, float], ...] = ()
    shares: np.ndarray | None = None
    tags: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class FeedbackPath:
    """How an error comes to a population: by a fixed `matrix` [receiving, sending] or live weights.

    A fixed `transform` sends it back by its own verb.

    `source` is the population whose factor is sent, or, where `is_error`, the readout with its
    error. Without a matrix it is the transpose of the present weights of the synapses `live`.
    """

    name: str
    source: str
    target: str
    is_error: bool = False
    matrix: np.ndarray | None = None
    live: str | None = None
    transform: Transform | None = None


@dataclass(frozen=True, eq=False, repr=False)
class Program(Shown):
    """A network lowered for one schedule: populations in the order in which they are evaluated.

    `numbers` is `REAL_NUMBERS` or `INTEGERS`; `network` what it was made from and `graph` its
    graph; `timetable` is None for a machine that takes an algorithmic step as a whole; the last
    population is the readout.
    """

    numbers: str
    network: Any
    graph: Network
    timetable: Schedule | None
    populations: tuple[Neurons, ...]
    synapses: tuple[Synapses, ...]
    routes: tuple[FeedbackPath, ...]

    def sheet(self) -> Sheet:
        """Return what is shown of it: its timetable, and a row for each population."""
        plan = self.timetable
        when = f"schedule {plan.name}, epoch of {plan.period} steps" if plan else "whole steps"
        return graph_sheet(self.graph, f"Program in {self.numbers}, {when}")

    @property
    def inputs(self) -> int:
        """Number of values in a frame."""
        return self.graph.input_size

    @property
    def classes(self) -> int:
        """Number of outputs."""
        return self.graph.classes

    @property
    def schedule(self) -> Schedule:
        """The timetable of a program that has one."""
        assert self.timetable is not None
        return self.timetable

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

    def population(self, name: str) -> Neurons:
        """The population of this name."""
        return next(p for p in self.populations if p.name == name)

    def named(self, synapses: str) -> Synapses:
        """The synapses of this name."""
        return next(s for s in self.synapses if s.name == synapses)

    def has_always_on(self, population: str) -> bool:
        """Whether some synapses out of a population have a column for a bias."""
        return any(s.always_on for s in self.out_of(population))
