"""The leaky integrate-and-fire neuron of Lava itself, with its current, reset and threshold."""

from __future__ import annotations

from dataclasses import dataclass, field

from onchip.checks import require_between, require_choice
from onchip.neurons.base import Array, Neuron, Numbers
from onchip.neurons.current_based import CurrentBased, CurrentState
from onchip.neurons.lif import RESETS
from onchip.neurons.surrogates import Surrogate

COMPARISONS = (">", ">=")


@dataclass(frozen=True)
class LavaLIF(CurrentBased, Neuron):  # type: ignore[misc]  # its own state
    """Lava's `LIF`: current-based, reset to zero, firing above its threshold.

        i[n] = beta i[n-1] + I[n]
        u[n] = lambda reset(u[n-1], s[n-1]) + i[n] + d,    s[n] = 1 if u[n] > Vth else 0

    `decay` lambda (Lava's 1 - dv) and `current_decay` beta (1 - du) in [0, 1] per step,
    `v_threshold` Vth >= 0, `drive` d is Lava's bias, one of each neuron of a population [n] or
    empty for none: behind the current's filter, where connections from the unit that is always on
    pass it. `reset` is "hard" as Lava's, or "soft" (u - Vth s), `comparison` ">" as Lava's, or
    ">=". In integers as in Lava: i wraps around and u saturates at 24 bits, both decays truncate
    towards zero, lambda = (4096 - dv) / 4096 and beta = (4095 - du) / 4096. `surrogate` None for
    neurons that never learn. Raises ValueError outside of these ranges; learning needs decays that
    differ, as `CuBa`'s.
    """

    decay: float = 1.0
    current_decay: float = 1.0
    v_threshold: float = 10.0
    drive: tuple[float, ...] = ()
    reset: str = "hard"
    comparison: str = ">"
    surrogate: Surrogate | None = field(default_factory=Surrogate)

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("LavaLIF: decay", self.decay, 0, 1)
        require_between("LavaLIF: current_decay", self.current_decay, 0, 1)
        require_between("LavaLIF: v_threshold", self.v_threshold, 0, 1e9)
        require_choice("LavaLIF: reset", self.reset, RESETS)
        require_choice("LavaLIF: comparison", self.comparison, COMPARISONS)
        object.__setattr__(self, "drive", tuple(float(value) for value in self.drive))
        for value in self.drive:
            require_between("LavaLIF: drive", value, -1e9, 1e9)

    @property
    def traces(self) -> tuple[tuple[float, float], ...]:
        """As `CuBa.traces`; of one decay where the other is 0. ValueError for equal ones."""
        slow, fast = self.decay, self.current_decay
        if fast == 0 or slow == 0:
            return ((1.0, slow + fast),)
        if slow == fast:
            raise ValueError(
                f"LavaLIF: decay and current_decay are both {slow}, so that no difference of two "
                "exponentials is its trace; let them differ, or do not let it learn"
            )
        return ((slow / (slow - fast), slow), (-fast / (slow - fast), fast))

    def step(  # type: ignore[override]
        self, current: Array, state: CurrentState, numbers: Numbers
    ) -> tuple[Array, CurrentState]:
        """Return the spikes s[n] (0 or 1 in the current's type) and the new state."""
        i = self.filtered(current, state, numbers)
        past = RESETS[self.reset](state.u, state.spikes, self.v_threshold)
        u = numbers.decay(past, self.decay) + i
        if self.drive:
            u = u + numbers.spread(self.drive, u)
        u = numbers.hold(u)
        fires = numbers.exceeds if self.comparison == ">" else numbers.fires
        spikes = fires(u, self.v_threshold)
        return spikes, CurrentState(u, spikes, i)
