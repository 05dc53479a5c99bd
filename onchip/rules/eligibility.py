"""What all eligibilities share: a state for each synapse, one step, and the products of Lava.

The eligibility of a synapse is what it remembers of its input and its neuron until a third factor
comes. An equation is written once, in arrays of NumPy or torch; `Recipe` says the same in the
products of a chip's learning rule, from which `onchip.program.recipes` makes those of a schedule.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, NamedTuple

from onchip.neurons.base import Neuron, Numbers

Array = Any
Arrays = tuple[Array, ...]
Traces = tuple[tuple[float, float], ...]
"""(amplitude, decay) of each exponential."""

TRACE, TAG, SECOND_TAG = "trace", "t", "d"
"""Factors of a term besides y1, y2, y3: what the synapse knows of its input, and its two tags."""


class Term(NamedTuple):
    """scale f1 f2 ...: one product of a recipe, of up to three factors that are written above."""

    scale: float
    factors: tuple[str, ...]


class Recipe(NamedTuple):
    """What a step adds to the weight (dw), the tag (dt) and the second tag (dd).

    All terms read the values from before the step. The second tag holds no negative values.
    """

    dw: tuple[Term, ...]
    dt: tuple[Term, ...] = ()
    dd: tuple[Term, ...] = ()

    @property
    def factors(self) -> tuple[str, ...]:
        """Those of y1, y2, y3 that it reads."""
        read = {name for term in (*self.dw, *self.dt, *self.dd) for name in term.factors}
        return tuple(name for name in ("y1", "y2", "y3") if name in read)


class Eligibility(ABC):
    """An eligibility trace: subclasses are frozen dataclasses of its constants.

    `equation` is its step in LaTeX, `variables` names what it keeps of each synapse from step to
    step (nothing: its gradient is a product of input and neuron, which shared weights take too).
    """

    equation: ClassVar[str]
    variables: ClassVar[tuple[str, ...]] = ()

    @property
    def decays(self) -> Mapping[str, float]:
        """The constants that Lava's rules must hold, as 1 - m 2^e, by the names of fields."""
        return {}

    def of(self, neuron: Neuron) -> Eligibility:
        """Return the form that it takes for a neuron: a simpler one where both are the same."""
        return self

    def refusal(self, neuron: Neuron) -> str | None:
        """Return why synapses onto such neurons have no such eligibility, None if they have."""
        return None

    def needs_positive(self, neuron: Neuron) -> str | None:
        """Return what of the second tag could be negative, which Lava clips; None if nothing."""
        return None

    def traces(self, neuron: Neuron) -> Traces:
        """Return the exponentials that add up to what a synapse knows of its input.

        A decay of 0 is the spike of the step itself.
        """
        return neuron.traces

    def observe(
        self, neuron: Neuron, before: Any, current: Array, state: Any, numbers: Numbers
    ) -> Arrays:
        """Return what the neurons tell their synapses in a step, each [batch, *shape].

        `before` and `state` are theirs before and after it, `current` is I[n].
        """
        return (neuron.derivative(state, numbers),)

    @abstractmethod
    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """Return the eligibility e[n] and what is kept: [batch, *weight shape] each.

        `kept` are the `variables` of the step before, `trace` what is known of the input and `told`
        what `observe` returned, both broadcasting to the weights.
        """

    @abstractmethod
    def recipe(self) -> Recipe:
        """Return the products of the rule W += third factor x e[n]."""

    @abstractmethod
    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """Return y1, y2, y3 of the recipe, for the third factor -eta L[n], each [n]."""
