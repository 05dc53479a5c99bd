"""The leaky integrate-and-fire neuron whose threshold rises with its own spikes."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

from onchip.checks import require_between, require_choice
from onchip.neurons.base import Array, Neuron, Numbers
from onchip.neurons.lif import RESETS
from onchip.neurons.surrogates import Surrogate


class AdaptiveState(NamedTuple):
    """Membrane `u`, `spikes` of the last step and adaptation `b`, all [batch, ...]."""

    u: Array
    spikes: Array
    b: Array


@dataclass(frozen=True)
class ALIF(Neuron):
    """Leaky integrate-and-fire neuron with an adaptive threshold.

        b[n] = hold(rho b[n-1] + s[n-1])
        u[n] = lambda reset(u[n-1], s[n-1]) + I[n]
        s[n] = 1 if u[n] - strength b[n] >= Vth else 0

    `decay` lambda and `threshold_decay` rho in (0, 1] per step, `strength` >= 0 is what each spike
    adds to the threshold, `v_threshold`, `reset` and `surrogate` as of `LIF`; a soft reset
    subtracts Vth, not the raised threshold. Learning takes the surrogate at u - strength b and, by
    most rules, the membrane's trace alone: that the weights move b too is left out, as the reset
    is. Rule "e-prop" has that second trace (`onchip.rules.recursive.Adaptive`).
    In integers b is counted in units of 1/4096 in 24 bits, rho b truncated towards zero, and
    strength b, in membrane units, floored. Sources: Bellec et al. 2018 and 2020 (whose b has their
    factors 1 - rho and beta in `strength`). Raises ValueError outside of these ranges.
    """

    decay: float = 0.5
    threshold_decay: float = 0.96875
    strength: float = 0.05
    v_threshold: float = 1.0
    reset: str = "soft"
    surrogate: Surrogate | None = field(default_factory=Surrogate)

    spiking = True
    has_integer_form = True
    decays = ("decay", "threshold_decay")
    potentials = ("strength",)

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("ALIF: decay", self.decay, 0, 1, open_low=True)
        require_between("ALIF: threshold_decay", self.threshold_decay, 0, 1, open_low=True)
        require_between("ALIF: strength", self.strength, 0, 1e9)
        require_between("ALIF: v_threshold", self.v_threshold, 0, 1e9, open_low=True)
        require_choice("ALIF: reset", self.reset, RESETS)

    @property
    def threshold_adaptation(self) -> tuple[float, float]:
        """As `Neuron.threshold_adaptation`."""
        return self.strength, self.threshold_decay

    def start(self, zeros: Array) -> AdaptiveState:
        """As `Neuron.start`."""
        return AdaptiveState(zeros, zeros, zeros)

    def step(  # type: ignore[override]
        self, current: Array, state: AdaptiveState, numbers: Numbers
    ) -> tuple[Array, AdaptiveState]:
        """Return the spikes s[n] (0 or 1 in the current's type) and the new state."""
        counted = numbers.counted(state.spikes)
        b = numbers.hold(numbers.decay(state.b, self.threshold_decay) + counted)
        past = RESETS[self.reset](state.u, state.spikes, self.v_threshold)
        u = numbers.hold(numbers.decay(past, self.decay) + current)
        spikes = numbers.fires(u - numbers.times(self.strength, b), self.v_threshold)
        return spikes, AdaptiveState(u, spikes, b)

    def derivative(self, state: AdaptiveState, numbers: Numbers) -> Array:  # type: ignore[override]
        """Return the surrogate derivative at the membrane below the raised threshold."""
        if self.surrogate is None:
            raise ValueError("ALIF: a neuron without a surrogate has no derivative; give it one")
        above = state.u - numbers.times(self.strength, state.b)
        return numbers.derivative(self.surrogate, above, self.v_threshold)
