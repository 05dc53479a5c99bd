"""Neuron models: one dataclass per model, one pure step function each, NumPy or torch arrays.

Time is counted in steps, potentials share the unit of the threshold. Neurons fire at u >= Vth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from onchip.checks import require_between, require_choice
from onchip.namespace import array_namespace
from onchip.surrogates import Surrogate

Array = Any


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


@dataclass(frozen=True)
class LeakyIntegrator:
    """Readout that never spikes nor resets: o[n] = lambda o[n-1] + I[n].

    `decay` is lambda in (0, 1]. Raises ValueError outside of this range.
    """

    decay: float = 0.5

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("LeakyIntegrator: decay", self.decay, 0, 1, open_low=True)


@dataclass(frozen=True)
class LinearReadout:
    """Readout without memory, o[n] = I[n]; its weights still learn with the trace of decay `decay`.

    This is the readout of the published code of Xiao et al. 2022; its gradient is not BPTT's.
    """

    decay: float = 0.5

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("LinearReadout: decay", self.decay, 0, 1, open_low=True)


Neuron = LIF | LeakyIntegrator | LinearReadout


class NeuronState(NamedTuple):
    """Membrane potential `u` and `spikes` of the last step, both [batch, ...]; zeros at first."""

    u: Array
    spikes: Array


def lif_step(current: Array, state: NeuronState, neuron: LIF) -> tuple[Array, NeuronState]:
    """One step of `LIF`: current I[n] -> (spikes s[n], 0 or 1 in its type, new state)."""
    u = neuron.decay * RESETS[neuron.reset](state.u, state.spikes, neuron.v_threshold) + current
    spikes = array_namespace(u).astype(u >= neuron.v_threshold, u.dtype)
    return spikes, NeuronState(u, spikes)


def leaky_integrator_step(
    current: Array, state: NeuronState, neuron: LeakyIntegrator
) -> tuple[Array, NeuronState]:
    """One step of `LeakyIntegrator`: input current I[n] -> (output o[n], new state)."""
    output = neuron.decay * state.u + current
    return output, NeuronState(output, state.spikes)


def linear_readout_step(
    current: Array, state: NeuronState, neuron: LinearReadout
) -> tuple[Array, NeuronState]:
    """One step of `LinearReadout`: the output is the input current."""
    return current, NeuronState(current, state.spikes)


STEPS: dict[type, Callable[[Array, NeuronState, Any], tuple[Array, NeuronState]]] = {
    LIF: lif_step,
    LeakyIntegrator: leaky_integrator_step,
    LinearReadout: linear_readout_step,
}
"""Neuron type -> its step function `(current, state, neuron) -> (output, state)`."""


def postsynaptic_derivative(state: NeuronState, neuron: Neuron) -> Array | float:
    """d output / d current within the step: the surrogate for LIF, 1 for the readouts."""
    if isinstance(neuron, LIF):
        return neuron.surrogate.derivative(state.u, neuron.v_threshold)
    return 1.0
