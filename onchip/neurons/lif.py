"""The leaky integrate-and-fire neuron, which fires at u >= Vth.

Time is counted in steps, potentials share the unit of the threshold.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from onchip.checks import require_between, require_choice
from onchip.neurons.base import Array, Neuron, NeuronState, Numbers
from onchip.neurons.surrogates import Surrogate


def soft_reset(u: Array, spikes: Array, v_threshold: float) -> Array:
    """Reset by subtraction: u - Vth s."""
    return u - v_threshold * spikes


def hard_reset(u: Array, spikes: Array, v_threshold: float) -> Array:
    """Reset to zero: u (1 - s). The threshold is not used."""
    return u * (1 - spikes)


RESETS: dict[str, Callable[[Array, Array, float], Array]] = {
    "soft": soft_reset,
    "hard": hard_reset,
}


def soft_slope(u: Array, spikes: Array, derivative: Array, v_threshold: float) -> Array:
    """d soft_reset / d u = 1 - Vth psi."""
    return 1 - v_threshold * derivative


def hard_slope(u: Array, spikes: Array, derivative: Array, v_threshold: float) -> Array:
    """d hard_reset / d u = 1 - s - u psi."""
    return 1 - spikes - u * derivative


RESET_SLOPES: dict[str, Callable[[Array, Array, Array, float], Array]] = {
    "soft": soft_slope,
    "hard": hard_slope,
}
"""The derivatives of `RESETS` by the membrane, with psi for ds/du."""


@dataclass(frozen=True)
class LIF(Neuron):
    """Leaky integrate-and-fire neuron.

        u[n] = hold(lambda reset(u[n-1], s[n-1]) + I[n]),    s[n] = 1 if u[n] >= Vth else 0

    `decay` is lambda in (0, 1] per step (not a time constant), `v_threshold` is Vth > 0, `reset` is
    "soft" (u - Vth s) or "hard" (u (1 - s)), `surrogate` stands in for ds/du in learning (None for
    neurons that never learn). "hold" does nothing to real numbers; in integers it saturates at 24
    bits, lambda u is truncated towards zero, and lambda and Vth are what the machine holds (see
    `onchip.program.integer_layer_spec`). Source: Xiao et al. 2022, Eq. 2 (soft reset). Raises
    ValueError outside of these ranges.
    """

    decay: float = 0.5
    v_threshold: float = 1.0
    reset: str = "soft"
    surrogate: Surrogate | None = field(default_factory=Surrogate)

    spiking = True
    has_integer_form = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("LIF: decay", self.decay, 0, 1, open_low=True)
        require_between("LIF: v_threshold", self.v_threshold, 0, 1e9, open_low=True)
        require_choice("LIF: reset", self.reset, RESETS)

    def step(
        self, current: Array, state: NeuronState, numbers: Numbers
    ) -> tuple[Array, NeuronState]:
        """Return the spikes s[n] (0 or 1 in the current's type) and the new state."""
        past = RESETS[self.reset](state.u, state.spikes, self.v_threshold)
        u = numbers.hold(numbers.decay(past, self.decay) + current)
        spikes = numbers.fires(u, self.v_threshold)
        return spikes, NeuronState(u, spikes)

    def derivative(self, state: NeuronState, numbers: Numbers) -> Array:
        """Return the surrogate derivative at the present membrane."""
        if self.surrogate is None:
            raise ValueError("LIF: a neuron without a surrogate has no derivative; give it one")
        return numbers.derivative(self.surrogate, state.u, self.v_threshold)

    def carry(self, state: NeuronState, numbers: Numbers) -> Array:
        """As `Neuron.carry`: lambda times the reset's slope."""
        slope = RESET_SLOPES[self.reset]
        derivative = self.derivative(state, numbers)
        return self.decay * slope(state.u, state.spikes, derivative, self.v_threshold)
