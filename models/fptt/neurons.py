"""Liquid cells as neurons of a graph, for inference in the engine; NumPy alone.

The equations are those of `onchip.models.fptt.scan`. `current` is d, so that the gates' weights,
which reach across a population, belong to the neurons.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from onchip.models.fptt.record import ADAPTATION_GAIN, FIXED_THRESHOLD, RESTING_THRESHOLD
from onchip.neurons.base import Array, Neuron, Numbers

_WHY = (
    "its time constants are computed anew at every step, from the currents and membranes of the "
    "whole layer or for each neuron its own, which no synapse and no neuron of a chip does"
)


class LiquidState(NamedTuple):
    """Membrane after the reset, spikes and adaptation, each [batch, hidden]."""

    u: Array
    spikes: Array
    b: Array


@dataclass(frozen=True, eq=False)
class LiquidGate:
    """sigmoid(W [d; x] + b), `weight` [hidden, 2 hidden]; sigmoid(b) where it is None."""

    weight: np.ndarray | None
    bias: np.ndarray

    def __call__(self, d: Array, x: Array) -> Array:
        """The gate's values for currents and states, each [batch, hidden], in their type."""
        before = self.bias.astype(d.dtype, copy=False)
        if self.weight is not None:
            weight = self.weight.astype(d.dtype, copy=False)
            before = np.concatenate((d, x), axis=1) @ weight.T + before
        return 1 / (1 + np.exp(-before))


@dataclass(frozen=True, eq=False)
class LiquidNeuron(Neuron):
    """The cells of a layer: `onchip.models.fptt.cells.CELLS`; they fire at v > theta.

    `adaptation` is None for the fixed threshold.
    """

    membrane: LiquidGate
    adaptation: LiquidGate | None = None

    decay = 1.0
    spiking = True
    engine_only = _WHY

    def start(self, zeros: Array) -> LiquidState:
        """As `Neuron.start`."""
        return LiquidState(zeros, zeros, zeros)

    def step(  # type: ignore[override]
        self, current: Array, state: LiquidState, numbers: Numbers
    ) -> tuple[Array, LiquidState]:
        """Return the spikes s[n] and the new state for the current d."""
        v = state.u + self.membrane(current, state.u) * (current - state.u)
        b, theta = state.b, np.asarray(FIXED_THRESHOLD, v.dtype)
        if self.adaptation is not None:
            r = self.adaptation(current, state.b)
            b = r * state.b + (1 - r) * state.spikes
            theta = RESTING_THRESHOLD + ADAPTATION_GAIN * b
        spikes = (v > theta).astype(v.dtype)
        return spikes, LiquidState((1 - spikes) * v, spikes, b)

    def derivative(self, state: Any, numbers: Numbers) -> Array:
        """Raise ValueError: it does not learn in the engine."""
        raise ValueError(f"{type(self).__name__}: it does not learn in the engine; {_WHY}")


@dataclass(frozen=True, eq=False)
class LiquidMembranes(LiquidNeuron):
    """The same cells, whose output is the membrane after the reset: what the readout takes."""

    spiking = False
    graded = True

    def step(  # type: ignore[override]
        self, current: Array, state: LiquidState, numbers: Numbers
    ) -> tuple[Array, LiquidState]:
        """Return the membranes u[n] and the new state."""
        _, state = super().step(current, state, numbers)
        return state.u, state
