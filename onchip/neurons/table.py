"""The neuron models by type, and their derivative."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from onchip.neurons.base import Array, NeuronState
from onchip.neurons.lif import LIF, lif_step
from onchip.neurons.readouts import (
    LeakyIntegrator,
    LinearReadout,
    leaky_integrator_step,
    linear_readout_step,
)

Neuron = LIF | LeakyIntegrator | LinearReadout


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
