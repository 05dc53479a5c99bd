"""Neurons in integers: the models of `onchip.neurons` with a truncated decay and 24 bits.

One dataclass and one pure step function per model. Potentials are membrane integers; what one of
them is worth in the unit of the threshold is a constant of the layer (`FixedDenseSpec`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import (
    DECAY_UNITY,
    MEMBRANE_MAX,
    decay_membrane,
    require_integer,
    saturate_membrane,
)
from onchip.checks import require_choice
from onchip.neurons.base import NeuronState
from onchip.neurons.lif import RESETS
from onchip.neurons.surrogates import Surrogate

Array = np.ndarray


@dataclass(frozen=True)
class FixedLIF:
    """Leaky integrate-and-fire neuron in integers, `onchip.neurons.lif.LIF` with a truncated decay.

        u[n] = saturate(truncate(reset(u[n-1], s[n-1]) (4096 - decay) / 4096) + I[n])
        s[n] = 1 if u[n] >= Vth else 0         (u > Vth - 1 for a neuron that fires above)

    `decay` is the 12-bit integer of `quantise_decay`, `v_threshold` Vth in 1..2^23 - 1, `reset`
    "soft" (u - Vth s) or "hard" (u (1 - s)); `surrogate` (its parameter in units of Vth) stands in
    for ds/du in learning, see `onchip.arithmetic.integer_surrogates`. Raises ValueError outside of
    these ranges.
    """

    decay: int
    v_threshold: int
    reset: str = "soft"
    surrogate: Surrogate | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("FixedLIF: decay", self.decay, 0, DECAY_UNITY - 1)
        require_integer("FixedLIF: v_threshold", self.v_threshold, 1, MEMBRANE_MAX)
        require_choice("FixedLIF: reset", self.reset, RESETS)


def fixed_lif_step(
    current: Array, state: NeuronState, neuron: FixedLIF
) -> tuple[Array, NeuronState]:
    """One step of `FixedLIF`: integer current I[n], any shape -> (spikes 0 or 1, new state)."""
    u = RESETS[neuron.reset](state.u, state.spikes, neuron.v_threshold)
    u = saturate_membrane(decay_membrane(u, neuron.decay) + current)
    spikes = (u >= neuron.v_threshold).astype(np.int64)
    return spikes, NeuronState(u, spikes)


@dataclass(frozen=True)
class FixedIntegrator:
    """Readout that never spikes nor resets.

        o[n] = saturate(truncate(o[n-1] (4096 - d) / 4096) + I[n])

    `decay` d is the 12-bit integer of `quantise_decay`. Raises ValueError outside of its range.
    """

    decay: int

    def __post_init__(self) -> None:
        """Check the range."""
        require_integer("FixedIntegrator: decay", self.decay, 0, DECAY_UNITY - 1)


@dataclass(frozen=True)
class FixedLinear:
    """Readout without memory, o[n] = saturate(I[n]); `decay` is that of its weights' trace."""

    decay: int

    def __post_init__(self) -> None:
        """Check the range."""
        require_integer("FixedLinear: decay", self.decay, 0, DECAY_UNITY - 1)


FixedNeuron = FixedLIF | FixedIntegrator | FixedLinear


def fixed_integrator_step(
    current: Array, state: NeuronState, neuron: FixedIntegrator
) -> tuple[Array, NeuronState]:
    """One step of `FixedIntegrator`: integer current I[n] -> (output o[n], new state)."""
    output = saturate_membrane(decay_membrane(state.u, neuron.decay) + current)
    return output, NeuronState(output, state.spikes)


def fixed_linear_step(
    current: Array, state: NeuronState, neuron: FixedLinear
) -> tuple[Array, NeuronState]:
    """One step of `FixedLinear`: the output is the input current."""
    output = saturate_membrane(current)
    return output, NeuronState(output, state.spikes)


FIXED_STEPS: dict[type, Callable[[Array, NeuronState, Any], tuple[Array, NeuronState]]] = {
    FixedLIF: fixed_lif_step,
    FixedIntegrator: fixed_integrator_step,
    FixedLinear: fixed_linear_step,
}
"""Neuron type -> its step function `(current, state, neuron) -> (output, state)`."""


def realised_decay(neuron: FixedNeuron) -> float:
    """lambda = (4096 - decay) / 4096, which the membrane and its traces decay by."""
    return (DECAY_UNITY - neuron.decay) / DECAY_UNITY
