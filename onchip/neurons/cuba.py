"""The current-based leaky integrate-and-fire neuron: its synaptic current decays, too."""

from __future__ import annotations

from dataclasses import dataclass, field

from onchip.checks import require_between, require_choice
from onchip.neurons.base import Array, Neuron, Numbers
from onchip.neurons.current_based import CurrentBased, CurrentState
from onchip.neurons.lif import RESETS
from onchip.neurons.surrogates import Surrogate

SMALLEST_DIFFERENCE = 1e-6
"""Of the two decays: below it the trace's two exponentials cancel to fewer than ten digits."""


@dataclass(frozen=True)
class CuBa(CurrentBased, Neuron):  # type: ignore[misc]  # its own state
    """Current-based leaky integrate-and-fire neuron.

        i[n] = beta i[n-1] + I[n]
        u[n] = lambda reset(u[n-1], s[n-1]) + i[n],    s[n] = 1 if u[n] >= Vth else 0

    `decay` lambda and `current_decay` beta in (0, 1] per step, `v_threshold`, `reset` and
    `surrogate` as of `LIF`. I[n] is everything that arrives, biases too: they pass the current's
    filter (Lava's LIF adds its bias behind it). With the reset path detached a past spike moves
    u[n] by the sum over j of lambda^j beta^(k-j), the difference of two exponentials that `traces`
    has, exactly. In integers i[n] wraps around at 24 bits and beta i is truncated towards zero, as
    in Lava's LIF. Raises ValueError outside of these ranges, and for decays that are equal: then
    the response is k lambda^k, which is not a sum of exponentials.
    """

    decay: float = 0.75
    current_decay: float = 0.5
    v_threshold: float = 1.0
    reset: str = "soft"
    surrogate: Surrogate | None = field(default_factory=Surrogate)

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("CuBa: decay", self.decay, 0, 1, open_low=True)
        require_between("CuBa: current_decay", self.current_decay, 0, 1, open_low=True)
        require_between("CuBa: v_threshold", self.v_threshold, 0, 1e9, open_low=True)
        require_choice("CuBa: reset", self.reset, RESETS)
        if abs(self.decay - self.current_decay) < SMALLEST_DIFFERENCE:
            raise ValueError(
                f"CuBa: current_decay {self.current_decay!r} is decay {self.decay!r} or nearly, so "
                "that no difference of two exponentials is its trace; let them differ by at least "
                f"{SMALLEST_DIFFERENCE}"
            )

    @property
    def traces(self) -> tuple[tuple[float, float], ...]:
        """As `Neuron.traces`: lambda / (lambda - beta) and -beta / (lambda - beta)."""
        slow, fast = self.decay, self.current_decay
        return ((slow / (slow - fast), slow), (-fast / (slow - fast), fast))

    def step(  # type: ignore[override]
        self, current: Array, state: CurrentState, numbers: Numbers
    ) -> tuple[Array, CurrentState]:
        """Return the spikes s[n] (0 or 1 in the current's type) and the new state."""
        i = self.filtered(current, state, numbers)
        past = RESETS[self.reset](state.u, state.spikes, self.v_threshold)
        u = numbers.hold(numbers.decay(past, self.decay) + i)
        spikes = numbers.fires(u, self.v_threshold)
        return spikes, CurrentState(u, spikes, i)
