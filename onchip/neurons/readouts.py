"""Readouts: neurons that never spike, whose output is the membrane."""

from __future__ import annotations

from dataclasses import dataclass

from onchip.checks import require_between
from onchip.neurons.base import Array, Neuron, NeuronState, Numbers


class _Readout(Neuron):
    """What both readouts share: no spikes, and a derivative of 1."""

    spiking = False
    has_integer_form = True

    def derivative(self, state: NeuronState, numbers: Numbers) -> float:
        """Return 1: the output is the membrane."""
        return 1.0


@dataclass(frozen=True)
class LeakyIntegrator(_Readout):
    """Readout that never spikes nor resets: o[n] = hold(lambda o[n-1] + I[n]).

    `decay` is lambda in (0, 1] per step, "hold" as in `LIF`. Its exact gradient is e[n] a[n], the
    three-factor rule. Raises ValueError outside of the range.
    """

    decay: float = 0.5

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("LeakyIntegrator: decay", self.decay, 0, 1, open_low=True)

    def step(
        self, current: Array, state: NeuronState, numbers: Numbers
    ) -> tuple[Array, NeuronState]:
        """Return the output o[n] and the new state."""
        output = numbers.hold(numbers.decay(state.u, self.decay) + current)
        return output, NeuronState(output, state.spikes)

    def carry(self, state: NeuronState, numbers: Numbers) -> float:
        """As `Neuron.carry`: the leak."""
        return self.decay


@dataclass(frozen=True)
class LinearReadout(_Readout):
    """Readout without memory, o[n] = hold(I[n]); its weights still learn with a trace.

    `decay` is that of the trace. This is the readout of the published code of Xiao et al. 2022; its
    gradient is not BPTT's.
    """

    decay: float = 0.5

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("LinearReadout: decay", self.decay, 0, 1, open_low=True)

    def step(
        self, current: Array, state: NeuronState, numbers: Numbers
    ) -> tuple[Array, NeuronState]:
        """Return the input current as the output, and the new state."""
        output = numbers.hold(current)
        return output, NeuronState(output, state.spikes)

    def carry(self, state: NeuronState, numbers: Numbers) -> float:
        """As `Neuron.carry`: nothing is kept."""
        return 0.0
