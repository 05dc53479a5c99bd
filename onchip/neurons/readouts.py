"""Readouts: neurons that never spike, whose output is the membrane."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.checks import require_between
from onchip.neurons.base import Array, NeuronState


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
