"""What all neuron models share: a state, one step, a derivative, and the numbers they are made of.

An equation is written once, with the operations that differ between machines passed in: `Numbers`
is real numbers (`onchip.arithmetic.real.REAL`, NumPy or torch) or a chip's integers
(`onchip.arithmetic.membrane.LOIHI`).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
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

    def hold_current(self, i: Array) -> Array:
        """Return i as a synaptic current can be held."""

    def counted(self, spikes: Array) -> Array:
        """Return spikes as a count that decays in the fraction of one."""

    def times(self, strength: float, count: Array) -> Array:
        """Return `strength`, a potential, times a `counted` number of spikes."""

    def fires(self, u: Array, v_threshold: float) -> Array:
        """Return 1 where u >= Vth, else 0, in the type of u."""

    def exceeds(self, u: Array, v_threshold: float) -> Array:
        """Return 1 where u > Vth, else 0, in the type of u."""

    def spread(self, values: Sequence[float], like: Array) -> Array:
        """Return constants of each neuron [n] in the type of `like` [..., n]."""

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
    decays: ClassVar[tuple[str, ...]] = ("decay",)
    """The names of its constants that are decays per step: 12 bits on a chip."""
    potentials: ClassVar[tuple[str, ...]] = ()
    """The names of its constants in the unit of the membrane, beside v_threshold."""
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

    @property
    def input_decay(self) -> float:
        """Decay per step of the synaptic current that the membrane integrates; 0 for none."""
        return 0.0

    @property
    def threshold_adaptation(self) -> tuple[float, float] | None:
        """(strength, rho): what a spike adds to the threshold, and its decay; None where it stays.

        The threshold is Vth + strength b[n] with b[n] = rho b[n-1] + s[n-1].
        """
        return None

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

    def carry(self, state: Any, numbers: Numbers) -> Array | float:
        """Return d membrane[n+1] / d membrane[n] at this state, through the leak and the reset.

        For rules that go through the reset; ValueError for a neuron that does not say.
        """
        raise ValueError(f"{type(self).__name__} has no `carry`; use LIF or CuBa neurons")

    def synaptic_current(self, current: Array, state: Any) -> Array:
        """Return the total synaptic current of a step: I[n], or what the state filters of it."""
        return current
