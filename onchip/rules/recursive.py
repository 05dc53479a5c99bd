"""Eligibilities that differentiate a neuron's own recursion: its reset, its adaptive threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.neurons.base import Neuron, Numbers
from onchip.rules.eligibility import (
    SECOND_TAG,
    TAG,
    TRACE,
    Array,
    Arrays,
    Eligibility,
    Recipe,
    Term,
    Traces,
)
from onchip.rules.filtered import Filtered, Instantaneous, derivatives, negative_part


@dataclass(frozen=True)
class ThroughReset(Eligibility):
    """Diagonal real-time recurrent learning, the reset's own path included.

        eps[n] = c[n] eps[n-1] + j[n],    e[n] = psi[n] eps[n]

    c[n] = d u[n] / d u[n-1] is `Neuron.carry`, for a soft reset lambda (1 - Vth psi[n-1]); j is the
    spike, filtered by the decay of the synaptic current where there is one. eps is d u[n] / d W but
    for what goes through other neurons.
    """

    equation = (
        r"e[n] = \psi[n]\, \epsilon[n],\quad "
        r"\epsilon[n] = \lambda (1 - V_{th} \psi[n-1])\, \epsilon[n-1] + s[n]"
    )
    variables = ("eligibility",)

    def refusal(self, neuron: Neuron) -> str | None:
        """As `Eligibility.refusal`."""
        if type(neuron).carry is Neuron.carry:
            return (
                f"{type(neuron).__name__} has no `carry`, by which diagonal RTRL goes through its "
                "reset; use LIF or CuBa neurons, or another rule"
            )
        return None

    def traces(self, neuron: Neuron) -> Traces:
        """As `Eligibility.traces`: what arrives at the membrane."""
        return ((1.0, neuron.input_decay),)

    def observe(
        self, neuron: Neuron, before: Any, current: Array, state: Any, numbers: Numbers
    ) -> Arrays:
        """psi[n] and c[n]."""
        return neuron.derivative(state, numbers), neuron.carry(before, numbers)

    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """As `Eligibility.step`."""
        derivative, carry = told
        moved = carry * kept[0] + trace
        return derivative * moved, (moved,)

    def recipe(self) -> Recipe:
        """As `Eligibility.recipe`."""
        return Recipe(
            dw=(
                Term(1, (TRACE, "y2")),
                Term(1, (TAG, "y2")),
                Term(-1, (TAG, "y2", "y3")),
            ),
            dt=(Term(1, (TRACE, "y1")), Term(-1, (TAG, "y3"))),
        )

    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """y1 = 1, y2 = -eta L psi, y3 = 1 - c."""
        derivative, carry = told
        return np.ones_like(third), third * derivative, 1 - carry


@dataclass(frozen=True)
class Adaptive(Eligibility):
    """E-prop of neurons with an adaptive threshold (Bellec et al. 2020, Eq. 24, 25).

        e[n] = psi[n] (a[n] - strength eb[n-1])
        eb[n] = rho eb[n-1] + e[n] = psi[n] a[n] + (rho - strength psi[n]) eb[n-1]

    eb[n-1] is d b[n] / d W, with the reset detached. `decay` kappa in [0, 1) filters e, 0 for no
    filter: the decay of the readout, whose own weights learn by the trace alone, as the gradient of
    a leaky output has it. In Lava the tag holds strength eb; with a filter that is the second tag,
    which must not be negative: strength psi <= rho. Raises ValueError outside of the range.
    """

    decay: float = 0.0

    equation = (
        r"e[n] = \kappa\, e[n-1] + \psi[n] (a[n] - \beta\, \epsilon_b[n-1]),\quad "
        r"\epsilon_b[n] = \psi[n]\, a[n] + (\rho - \beta \psi[n])\, \epsilon_b[n-1]"
    )
    variables = ("eligibility", "threshold_eligibility")

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("adaptive eligibility: decay", self.decay, 0, 1)
        if self.decay == 1:
            raise ValueError("adaptive eligibility: decay is 1; a filter must forget, use less")

    @property
    def decays(self) -> Mapping[str, float]:
        """As `Eligibility.decays`."""
        return {"decay": self.decay} if self.decay else {}

    def of(self, neuron: Neuron) -> Eligibility:
        """Without adaptation the filter is all that is left, without spikes not even that."""
        if not neuron.spiking:
            return Instantaneous()
        if neuron.threshold_adaptation is not None and neuron.threshold_adaptation[0] > 0:
            return self
        return Filtered(self.decay) if self.decay else Instantaneous()

    def refusal(self, neuron: Neuron) -> str | None:
        """As `Eligibility.refusal`."""
        if self.of(neuron) is not self:
            return (
                f"{type(neuron).__name__} has no adaptive threshold, or one of strength 0; use "
                "eligibility Filtered, or ALIF neurons"
            )
        return None

    def needs_positive(self, neuron: Neuron) -> str | None:
        """As `Eligibility.needs_positive`: only a filter takes the second tag."""
        if not self.decay:
            return None
        strength, decay = _adaptation(neuron)
        steepest = float(derivatives(neuron).max())
        if strength * steepest > decay:
            return (
                f"strength {strength:.6g} times the derivative {steepest:.6g} is above the "
                f"threshold's decay {decay:.6g}"
            )
        return negative_part(neuron)

    def observe(
        self, neuron: Neuron, before: Any, current: Array, state: Any, numbers: Numbers
    ) -> Arrays:
        """psi, strength psi and rho - strength psi."""
        strength, decay = _adaptation(neuron)
        derivative = neuron.derivative(state, numbers)
        return derivative, strength * derivative, decay - strength * derivative

    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """As `Eligibility.step`."""
        derivative, raised, carry = told
        arrived = derivative * trace
        now = self.decay * kept[0] + arrived - raised * kept[1]
        return now, (now, arrived + carry * kept[1])

    def recipe(self) -> Recipe:
        """As `Eligibility.recipe`."""
        if not self.decay:
            return Recipe(
                dw=(Term(1, (TRACE, "y2")), Term(-1, (TAG, "y2"))),
                dt=(Term(1, (TRACE, "y1")), Term(-1, (TAG, "y3"))),
            )
        return Recipe(
            dw=(
                Term(self.decay, (TAG, "y2")),
                Term(1, (TRACE, "y1", "y2")),
                Term(-1, (SECOND_TAG, "y1", "y2")),
            ),
            dt=(
                Term(1, (TRACE, "y1")),
                Term(-1, (SECOND_TAG, "y1")),
                Term(self.decay - 1, (TAG,)),
            ),
            dd=(Term(1, (TRACE, "y1")), Term(-1, (SECOND_TAG, "y3"))),
        )

    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """y1 = strength psi, y3 = 1 - rho + strength psi; y2 = -eta L psi, filtered -eta L / b."""
        derivative, raised, carry = told
        strength = _adaptation(neuron)[0]
        return raised, third / strength if self.decay else third * derivative, 1 - carry


def _adaptation(neuron: Neuron) -> tuple[float, float]:
    assert neuron.threshold_adaptation is not None
    return neuron.threshold_adaptation
