"""What all neuron models share: a state, one step, a derivative, and the numbers they are made of.

An equation is written once, with the operations that differ between machines passed in: `Numbers`
is real numbers (`onchip.arithmetic.real.REAL`, NumPy or torch) or a chip's integers
(`onchip.arithmetic.membrane.LOIHI`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Protocol

from onchip.neurons.surrogates import Surrogate

Array = Any


class NeuronState(NamedTuple):
    """Membrane potential `u` and `spikes` of the last step, both [batch, ...]; zeros at first."""

    u: Array
    spikes: Array


class Numbers(Protocol):
    """The operations of a membrane in one arithmetic; arrays of any shape."""

    def decay(self, u: Array, decay: float) -> Array:
        """Return decay u."""

    def hold(self, u: Array) -> Array:
        """Return u as a membrane can hold it."""

    def fires(self, u: Array, v_threshold: float) -> Array:
        """Return 1 where u >= Vth, else 0, in the type of u."""

    def derivative(self, surrogate: Surrogate, u: Array, v_threshold: float) -> Array:
        """Return the surrogate derivative at u."""


class Neuron(ABC):
    """A neuron model: subclasses are frozen dataclasses of its constants.

    `decay` is the lambda of its membrane, which its presynaptic traces share; `spiking` says
    whether its output is spikes (a readout's is its membrane).
    """

    decay: float
    spiking: ClassVar[bool]
    has_integer_form: ClassVar[bool] = False
    """Whether its step is right in a chip's integers, with a decay and threshold that it holds."""
    graded: ClassVar[bool] = False
    """Whether others read its output though it is a number and not a spike: `engine_only`, too."""
    engine_only: ClassVar[str] = ""
    """Why the engine alone runs it (in inference), or "": every execution does."""

    @property
    def traces(self) -> tuple[tuple[float, float], ...]:
        """(amplitude, decay) of the exponentials that add up to d membrane[n] / d weight.

        One of amplitude 1 for a membrane that integrates its current; their sum over past spikes is
        the presynaptic trace a[n].
        """
        return ((1.0, self.decay),)

    def start(self, zeros: Array) -> Any:
        """Return the state before the first step, of arrays like `zeros`.

        A `NeuronState`, or another named tuple with at least its fields.
        """
        return NeuronState(zeros, zeros)

    @abstractmethod
    def step(
        self, current: Array, state: NeuronState, numbers: Numbers
    ) -> tuple[Array, NeuronState]:
        """Return the output of one step and the new state, for the input current I[n]."""

    @abstractmethod
    def derivative(self, state: NeuronState, numbers: Numbers) -> Array | float:
        """Return d output / d current within the step."""
