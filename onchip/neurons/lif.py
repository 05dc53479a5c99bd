"""Neuron models: one dataclass per model, one pure step function each, NumPy or torch arrays.

Time is counted in steps, potentials share the unit of the threshold. Neurons fire at u >= Vth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from onchip.checks import require_between, require_choice
from onchip.namespace import array_namespace
from onchip.neurons.base import Array, NeuronState
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


@dataclass(frozen=True)
class LIF:
    """Leaky integrate-and-fire neuron.

        u[n] = lambda reset(u[n-1], s[n-1]) + I[n],    s[n] = 1 if u[n] >= Vth else 0

    `decay` is lambda in (0, 1] per step (not a time constant), `v_threshold` is Vth > 0, `reset` is
    "soft" (u - Vth s) or "hard" (u (1 - s)), `surrogate` stands in for ds/du in learning. Source:
    Xiao et al. 2022, Eq. 2 (soft reset). Raises ValueError outside of these ranges.
    """

    decay: float = 0.5
    v_threshold: float = 1.0
    reset: str = "soft"
    surrogate: Surrogate = field(default_factory=Surrogate)

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("LIF: decay", self.decay, 0, 1, open_low=True)
        require_between("LIF: v_threshold", self.v_threshold, 0, 1e9, open_low=True)
        require_choice("LIF: reset", self.reset, RESETS)


def lif_step(current: Array, state: NeuronState, neuron: LIF) -> tuple[Array, NeuronState]:
    """One step of `LIF`: current I[n] -> (spikes s[n], 0 or 1 in its type, new state)."""
    u = neuron.decay * RESETS[neuron.reset](state.u, state.spikes, neuron.v_threshold) + current
    spikes = array_namespace(u).astype(u >= neuron.v_threshold, u.dtype)
    return spikes, NeuronState(u, spikes)
