"""What the neurons of a population send to their plastic synapses."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np

from onchip.neurons.base import Neuron
from onchip.program.synapses import FACTOR_TAU
from onchip.program.timetable import Schedule
from onchip.rules.eligibility import Arrays, Eligibility

Array = np.ndarray


class Teacher(Protocol):
    """What a layer sends to its plastic synapses."""

    @property
    def used(self) -> tuple[str, ...]:
        """The factors that are sent: a connected port must be sent to at every step."""

    @property
    def eligibility(self) -> Eligibility | None:
        """The one that is made of more than the factor, if it is so; it must be observed."""

    @property
    def filtered(self) -> bool:
        """Whether derivative and signals are held apart: a filtered eligibility of integers."""

    def held(self, factor: Array, told: Arrays, signal: Array) -> Array:
        """What is held until the epoch's end: the factor [n], or what is made of the rest.

        `told` is what the eligibility observed, `signal` L[n] the third factor without a sign.
        """

    def values(self, held: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """y1, y2, y3 [n] at a Lava step.

        `learns` at the end of a step's epoch, `applies` and `clears` at the gates of an accumulated
        update.
        """


@dataclass(frozen=True)
class RealTeacher:
    """y1 = scale g; y2 applies and y3 clears an accumulated update, `gate` is an open one.

    `scale` is one number, or one for each neuron [n]. With an `eligibility` that keeps nothing g is
    L times what that observes.
    """

    scale: float | Array
    gate: float
    accumulate: bool
    eligibility: Eligibility | None = None
    filtered: ClassVar[bool] = False

    @property
    def used(self) -> tuple[str, ...]:
        """y1, and the gates of an accumulated update."""
        return ("y1", "y2", "y3") if self.accumulate else ("y1",)

    def held(self, factor: Array, told: Arrays, signal: Array) -> Array:
        """As `Teacher.held`."""
        return factor if self.eligibility is None else signal * told[0]

    def values(self, held: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """As `Teacher.values`."""
        silent = np.zeros_like(held)
        y1 = self.scale * held if learns else silent
        return [y1, silent + self.gate * applies, silent + self.gate * clears]


@dataclass(frozen=True)
class EligibilityTeacher:
    """y1, y2, y3 as an eligibility teaches them, times their `scales`; it has a tag of its own.

    `learning_rate` is one number, or one for each neuron [n].
    """

    eligibility: Eligibility
    neuron: Neuron
    learning_rate: float | Array
    scales: tuple[float, float, float]
    used: tuple[str, ...]
    filtered: ClassVar[bool] = False

    def held(self, factor: Array, told: Arrays, signal: Array) -> Array:
        """As `Teacher.held`: [3, n]."""
        third = -self.learning_rate * signal
        return np.stack(self.eligibility.teach(self.neuron, told, third))

    def values(self, held: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """As `Teacher.values`; nothing is left to be applied."""
        if not learns or held.ndim == 1:  # nothing is held before the first step
            silent = np.zeros(held.shape[-1])
            return [silent, silent, silent]
        return [scale * values for scale, values in zip(self.scales, held, strict=True)]


@dataclass(frozen=True)
class IntegerTeacher:
    """y1 and y2 the positive and negative part of -g; y3 the rate, or the gate that applies a tag.

    With `late` updates wait a step in the tag, so that one is left at a sample's end. `gate` is one
    number, or one for each neuron [n].

    See `onchip.program.plasticity` for the rule.
    """

    gate: int | Array
    accumulate: bool
    late: bool = False
    eligibility = None
    filtered = False

    @property
    def used(self) -> tuple[str, ...]:
        """All three."""
        return ("y1", "y2", "y3")

    def held(self, factor: Array, told: Arrays, signal: Array) -> Array:
        """As `Teacher.held`: the factor."""
        return factor

    def values(self, held: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """As `Teacher.values`; a tag is applied and cleared at once, at every step where late."""
        opened = applies if self.accumulate else learns or (self.late and applies)
        return list(third_factors(held * learns, self.gate * opened))


@dataclass(frozen=True)
class IntegerFilteredTeacher:
    """y1 = psi, y2 and y3 the positive and negative part of -L of the step before.

    The tag holds the eligibilities of that step when a rule reads it, so each meets the factor of
    its own step, and the update acts one step late.
    """

    filtered = True
    gate = 0
    accumulate = False
    eligibility = None

    @property
    def used(self) -> tuple[str, ...]:
        """All three."""
        return ("y1", "y2", "y3")

    def held(self, factor: Array, told: Arrays, signal: Array) -> Array:
        """As `Teacher.held`; whoever holds derivative and signals does not ask."""
        return factor

    def values(self, held: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """As `Teacher.values`, of derivative, signal before and signal now [3, n].

        After the last step, where a tag is applied, the signal of that step is left.
        """
        derivative, before, now = held
        parts = third_factors(before * learns + now * (applies and not learns), 0)
        return [derivative * learns, parts[0], parts[1]]


def third_factors(factor: np.ndarray, gate: int | np.ndarray) -> np.ndarray:
    """y1, y2, y3 [3, post] for g [post] in -127..127: -g as two unsigned parts, and the gate(s)."""
    factors = np.empty((3, *factor.shape), factor.dtype)
    np.maximum(-factor, 0, out=factors[0])
    np.maximum(factor, 0, out=factors[1])
    factors[2] = gate
    return factors


def factor_scale(schedule: Schedule, learning_rate: float | Array, decay: float) -> float | Array:
    """y1 / g: -eta, made up for the decay of y within the epoch and, pipelined, for x1's lead.

    A number, or one for each neuron [n], as the rate is.
    """
    return -learning_rate * lead(schedule, decay) * gate_scale(schedule)


def lead(schedule: Schedule, decay: float) -> float:
    """What makes up for the step by which a pipelined trace x1 is ahead of its factor."""
    return 1 / decay if schedule.period == 1 else 1.0


def gate_scale(schedule: Schedule) -> float:
    """The value of a gate y2, y3 that acts as one at the epoch's end."""
    return math.exp(schedule.period / FACTOR_TAU)
