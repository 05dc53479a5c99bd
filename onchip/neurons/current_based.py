"""What neurons share whose synaptic current decays, too: their state and its derivative."""

from __future__ import annotations

from typing import NamedTuple

from onchip.neurons.base import Array, Numbers
from onchip.neurons.lif import RESET_SLOPES
from onchip.neurons.surrogates import Surrogate


class CurrentState(NamedTuple):
    """Membrane `u`, `spikes` of the last step and synaptic current `i`, all [batch, ...]."""

    u: Array
    spikes: Array
    i: Array


class CurrentBased:
    """What a `Neuron` with the current i[n] = beta i[n-1] + I[n] has, but its membrane's `step`."""

    decay: float
    current_decay: float
    v_threshold: float
    reset: str
    surrogate: Surrogate | None

    spiking = True
    has_integer_form = True
    decays = ("decay", "current_decay")

    @property
    def input_decay(self) -> float:
        """As `Neuron.input_decay`: beta."""
        return self.current_decay

    def start(self, zeros: Array) -> CurrentState:
        """As `Neuron.start`."""
        return CurrentState(zeros, zeros, zeros)

    def filtered(self, current: Array, state: CurrentState, numbers: Numbers) -> Array:
        """Return i[n]."""
        return numbers.hold_current(numbers.decay(state.i, self.current_decay) + current)

    def derivative(self, state: CurrentState, numbers: Numbers) -> Array:
        """Return the surrogate derivative at the present membrane."""
        if self.surrogate is None:
            name = type(self).__name__
            raise ValueError(f"{name}: a neuron without a surrogate has no derivative; give it one")
        return numbers.derivative(self.surrogate, state.u, self.v_threshold)

    def carry(self, state: CurrentState, numbers: Numbers) -> Array:
        """As `Neuron.carry`: lambda times the reset's slope."""
        slope = RESET_SLOPES[self.reset]
        derivative = self.derivative(state, numbers)
        return self.decay * slope(state.u, state.spikes, derivative, self.v_threshold)

    def synaptic_current(self, current: Array, state: CurrentState) -> Array:
        """As `Neuron.synaptic_current`: i[n], behind the filter."""
        return state.i
