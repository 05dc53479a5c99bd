"""Eligibilities of a trace times a derivative: as it is, or filtered once or twice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.neurons.base import Neuron
from onchip.rules.eligibility import (
    SECOND_TAG,
    TAG,
    TRACE,
    Array,
    Arrays,
    Eligibility,
    Recipe,
    Term,
)


@dataclass(frozen=True)
class Instantaneous(Eligibility):
    """e[n] = psi[n] a[n]: nothing is kept (Xiao et al. 2022)."""

    equation = r"e[n] = \psi[n]\, a[n]"

    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """As `Eligibility.step`."""
        return told[0] * trace, ()

    def recipe(self) -> Recipe:
        """As `Eligibility.recipe`."""
        return Recipe((Term(1, (TRACE, "y1")),))

    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """y1 = -eta L psi."""
        return third * told[0], 0 * third, 0 * third


@dataclass(frozen=True)
class Filtered(Eligibility):
    """e[n] = kappa e[n-1] + psi[n] a[n], `decay` kappa in (0, 1) per step.

    Sources: Bellec et al. 2020 (neurons without adaptation), Zenke and Ganguli 2018 with one filter
    instead of two. Raises ValueError outside of the range.
    """

    decay: float

    equation = r"e[n] = \kappa\, e[n-1] + \psi[n]\, a[n]"
    variables = ("eligibility",)

    def __post_init__(self) -> None:
        """Check the range."""
        require_decay("filtered eligibility: decay", self.decay)

    @property
    def decays(self) -> Mapping[str, float]:
        """As `Eligibility.decays`; a rule knows it as `eligibility_decay`."""
        return {"eligibility_decay": self.decay}

    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """As `Eligibility.step`."""
        now = self.decay * kept[0] + told[0] * trace
        return now, (now,)

    def recipe(self) -> Recipe:
        """As `Eligibility.recipe`."""
        return Recipe(
            dw=(Term(1, (TAG, "y3")), Term(1, (TRACE, "y1", "y2"))),
            dt=(Term(1, (TRACE, "y1")), Term(self.decay - 1, (TAG,))),
        )

    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """y1 = psi, y2 = -eta L, y3 = kappa y2."""
        return told[0], third, self.decay * third


@dataclass(frozen=True)
class DoubleFiltered(Eligibility):
    """e[n] = k2 e[n-1] + d[n],  d[n] = k1 d[n-1] + psi[n] a[n].

    `decay` k1 and `second_decay` k2 in (0, 1) per step: a filter by two exponentials, as SuperSpike
    is published (Zenke and Ganguli 2018, Eq. 5). In Lava d is the second tag. Raises ValueError
    outside of these ranges.
    """

    decay: float
    second_decay: float

    equation = r"e[n] = \kappa_2\, e[n-1] + d[n],\quad d[n] = \kappa_1\, d[n-1] + \psi[n]\, a[n]"
    variables = ("eligibility", "inner")

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_decay("double filter: decay", self.decay)
        require_decay("double filter: second_decay", self.second_decay)

    @property
    def decays(self) -> Mapping[str, float]:
        """As `Eligibility.decays`."""
        return {"decay": self.decay, "second_decay": self.second_decay}

    def needs_positive(self, neuron: Neuron) -> str | None:
        """As `Eligibility.needs_positive`: psi and a must not be negative."""
        return negative_part(neuron)

    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """As `Eligibility.step`."""
        inner = self.decay * kept[1] + told[0] * trace
        now = self.second_decay * kept[0] + inner
        return now, (now, inner)

    def recipe(self) -> Recipe:
        """As `Eligibility.recipe`; k t is t - (1 - k) t where it needs two products."""
        first, second = self.decay, self.second_decay
        return Recipe(
            dw=(
                Term(second, (TAG, "y2")),
                Term(first, (SECOND_TAG, "y2")),
                Term(1, (TRACE, "y1", "y2")),
            ),
            dt=(
                Term(1, (TRACE, "y1")),
                Term(first, (SECOND_TAG,)),
                Term(second - 1, (TAG,)),
            ),
            dd=(Term(1, (TRACE, "y1")), Term(first - 1, (SECOND_TAG,))),
        )

    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """y1 = psi, y2 = -eta L."""
        return told[0], third, 0 * third


def require_decay(name: str, value: float) -> None:
    """Raise ValueError unless a filter of this decay exists and forgets."""
    require_between(name, value, 0, 1, open_low=True)
    if value == 1:
        raise ValueError(f"{name} is 1; a filter must forget, use less than 1")


def negative_part(neuron: Neuron) -> str | None:
    """Return which of derivative and trace of a neuron is negative somewhere, None if neither."""
    surrogate = getattr(neuron, "surrogate", None)
    if surrogate is not None and derivatives(neuron).min() < 0:
        return f"surrogate {surrogate.name!r} is negative in places"
    ages = np.arange(1000)
    response = sum(amplitude * decay**ages for amplitude, decay in neuron.traces)
    if np.min(response) < -1e-12:
        return "the trace of the input is negative at times"
    return None


def derivatives(neuron: Neuron) -> np.ndarray:
    """Return the surrogate's values near and far from the threshold, the one at it among them."""
    surrogate: Any = getattr(neuron, "surrogate", None)
    threshold = getattr(neuron, "v_threshold", 1.0)
    values: np.ndarray = surrogate.derivative(threshold * (1 + _DISTANCES), threshold)
    return values


_DISTANCES = np.linspace(-50, 50, 20001)
"""From the threshold, in units of it: where a surrogate is looked at."""
