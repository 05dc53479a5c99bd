"""What the neurons of a population compute, in floating point or in integers: one interface.

Engines and Lava processes know when; the numbers are computed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from onchip.arithmetic.integer_softmax import FixedError, fixed_error
from onchip.arithmetic.loihi import ALIGNMENT_BITS, TRACE_MAX, saturate_membrane
from onchip.arithmetic.membrane import LOIHI
from onchip.arithmetic.real import REAL
from onchip.checks import check_output
from onchip.neurons.base import Neuron, NeuronState
from onchip.objectives.classification import instantaneous_error
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec

Array = np.ndarray


class IntegerPopulation:
    """The step, the factor and (for a readout) the error of one layer.

    `learning` is the network's learning section, or None for inference. All arrays are int64, of
    any leading shape; the layer's own shape comes last (a convolution's bias goes by its channels).
    """

    def __init__(
        self, spec: FixedDenseSpec | FixedConvSpec, learning: FixedLearningSpec | None = None
    ) -> None:
        self._neuron = spec.neuron
        bias = np.zeros(1, np.int64) if spec.bias is None else spec.bias
        self._bias = bias.reshape(-1, *(1 for _ in spec.output_shape[1:]))
        factors = {} if learning is None else learning.factors
        self._factor: FixedFactor | None = factors.get(spec.name)
        self._error: FixedError | None = None if learning is None else learning.error

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """One step: what the synapses sent, (W s) 2^exponent -> (output, new state)."""
        wide = np.asarray(activation, np.int64)  # Lava's ports hold 32 bits
        current = (wide << ALIGNMENT_BITS) + self._bias
        return self._neuron.step(current, state, LOIHI)

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """g in -127..127: `signal` is the error of a readout, else B times what is fed back.

        Zero for a layer below all that learn, which needs none.
        """
        if not self._neuron.spiking:
            return signal
        if self._factor is None:
            return np.zeros_like(signal)
        derivative = self._neuron.derivative(state, LOIHI)
        return fixed_factor(signal, np.asarray(derivative), self._factor.shift)

    def error(self, output: Array, target: Array) -> Array:
        """e in -127..127 for one sample: integer `output` and one-hot `target` [classes]."""
        assert self._error is not None
        return fixed_error(output, target, self._error)


def fixed_factor(signal: Array, derivative: Array, shift: int) -> Array:
    """saturate(round(signal derivative 2^-shift)) in -127..127, halves away from zero.

    `signal` is saturated to 24 bits first, `derivative` is in 0..127; any shape, int64.
    """
    product = saturate_membrane(np.asarray(signal, np.int64)) * derivative
    half = (1 << shift) >> 1
    rounded = np.sign(product) * ((np.abs(product) + half) >> shift)
    return np.minimum(np.maximum(rounded, -TRACE_MAX), TRACE_MAX)


class Population(Protocol):
    """One layer's numbers; `signal` is the fed-back error, for a readout the error itself."""

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """What the synapses sent [n] -> (output [n], new state)."""

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """The postsynaptic factor g [n]."""

    def error(self, output: Array, target: Array) -> Array:
        """A readout's error e [classes] for a one-hot target."""


@dataclass(frozen=True)
class RealPopulation:
    """The equations of `onchip.neurons` and `onchip.objectives.classification` in floating
    point."""

    neuron: Neuron
    time_steps: int
    mse_weight: float = 0.0

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """As `Population.step`; FloatingPointError when a readout diverges."""
        output, state = self.neuron.step(activation, state, REAL)
        check_output(output)
        return output, state

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """g = signal ds/du."""
        return signal * self.neuron.derivative(state, REAL)

    def error(self, output: Array, target: Array) -> Array:
        """e[n] = dL[n]/do[n]."""
        return instantaneous_error(output, target, self.time_steps, self.mse_weight)
