"""What the neurons of a population compute, in floating point or in integers: one interface.

Engines and Lava processes know when; the numbers are computed here.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import ALIGNMENT_BITS, TRACE_MAX, saturate_membrane
from onchip.arithmetic.membrane import LOIHI
from onchip.arithmetic.real import REAL
from onchip.checks import check_output
from onchip.neurons.base import Neuron, NeuronState
from onchip.objectives.base import Objective
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.computation import Stepper
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec
from onchip.program.integer_spec import FixedLearningSpec
from onchip.rules.eligibility import Eligibility

Array = np.ndarray


READOUT_DERIVATIVE = 64
"""What stands for the derivative 1 of a readout: a product with a trace, shifted by 3, is exact."""


@dataclass(frozen=True, eq=False)
class IntegerPopulation:
    """The step, the factor and (for a readout) the error of one population.

    `bias` [1] or [channels, 1...] is added to the membrane; `factor_shift` is None where no factor
    is needed; factors are multiples of `factor_multiple`. All arrays are int64, of any leading
    shape; the population's own shape comes last.
    """

    neuron: Neuron
    bias: Array
    factor_shift: int | None = None
    objective: Objective | None = None
    time_steps: int = 1
    factor_multiple: int = 1
    signal_shift: int | None = None

    @classmethod
    def of(
        cls, spec: FixedDenseSpec | FixedConvSpec, learning: FixedLearningSpec | None = None
    ) -> IntegerPopulation:
        """Return that of a layer, with the network's learning section or None for inference."""
        factor = None if learning is None else learning.factors.get(spec.name)
        objective = None if learning is None else IntegerClassification(learning.error)
        shift = None if factor is None else factor.shift
        return cls(spec.neuron, spread_bias(spec.bias, spec.output_shape), shift, objective)

    def start(self, zeros: Array) -> NeuronState:
        """Return the state before the first step."""
        state: NeuronState = self.neuron.start(zeros)
        return state

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """As `Computation.step`."""
        return self.advance(activation, state)

    def advance(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """One step: what the synapses sent, (W s) 2^exponent -> (output, new state)."""
        wide = np.asarray(activation, np.int64)  # Lava's ports hold 32 bits
        current = (wide << ALIGNMENT_BITS) + self.bias
        return self.neuron.step(current, state, LOIHI)

    def stepper(self) -> Stepper:
        """As `Computation.stepper`."""
        return self.advance

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """g in -127..127: `signal` is the error of a readout, else B times what is fed back.

        Zero for a layer below all that learn, which needs none.
        """
        if not self.neuron.spiking:
            return signal
        if self.factor_shift is None:
            return np.zeros_like(signal)
        derivative = self.derivative(state)
        return fixed_factor(signal, derivative, self.factor_shift, self.factor_multiple)

    def derivative(self, state: NeuronState) -> Array:
        """The surrogate derivative in 0..127; of a readout's membrane `READOUT_DERIVATIVE`."""
        if not self.neuron.spiking:
            return np.full_like(state.u, READOUT_DERIVATIVE)
        return np.asarray(self.neuron.derivative(state, LOIHI))

    def signal(self, signal: Array) -> Array:
        """L in -127..127, the fed-back error without a derivative: int64."""
        if self.signal_shift is None:  # the error itself
            return signal
        return fixed_factor(signal, np.ones_like(signal), self.signal_shift)

    def error(self, output: Array, target: Array) -> Array:
        """e in -127..127 for one sample: integer `output` and one-hot `target` [classes]."""
        assert self.objective is not None
        error: Array = self.objective.error(output, target, self.time_steps)
        return error

    def observe(
        self, kind: Eligibility, before: Any, activation: Array, state: Any
    ) -> tuple[Array, ...]:
        """Raise ValueError: no other eligibility has an integer form."""
        raise ValueError(f"eligibility {type(kind).__name__} has no integer form; use floats")

    def answer(self, output: Array, target: Array, memory: Any) -> tuple[Array, Any]:
        """As `Computation.answer`; e in -127..127."""
        assert self.objective is not None
        return self.objective.step(output, target, memory, self.time_steps)


def flattened(computes: Any, shape: tuple[int, ...]) -> Any:
    """Return the same `Computation` for a population in a row: a map's bias has its positions."""
    bias = getattr(computes, "bias", None)
    if bias is None or len(shape) == 1:
        return computes
    return replace(computes, bias=np.broadcast_to(bias, shape).reshape(-1))


def spread_bias(bias: Array | None, shape: tuple[int, ...]) -> Array:
    """A bias [channels] so that it broadcasts to `shape`; [1] of zero for None.

    One for each neuron has the shape itself.
    """
    values = np.zeros(1, np.int64) if bias is None else bias
    if len(values) == int(np.prod(shape)):
        return values.reshape(shape)
    return values.reshape(-1, *(1 for _ in shape[1:]))


def fixed_factor(signal: Array, derivative: Array, shift: int, multiple: int = 1) -> Array:
    """saturate(round(signal derivative 2^-shift)) in -127..127, halves away from zero.

    Rounded to a `multiple`, a power of two, and saturated at the largest. `signal` is saturated to
    24 bits first, `derivative` is in 0..127; any shape, int64.
    """
    product = saturate_membrane(np.asarray(signal, np.int64)) * derivative
    shift += multiple.bit_length() - 1
    half, limit = (1 << shift) >> 1, TRACE_MAX // multiple
    rounded = np.sign(product) * ((np.abs(product) + half) >> shift)
    return multiple * np.minimum(np.maximum(rounded, -limit), limit)


@dataclass(frozen=True, eq=False)
class RealPopulation:
    """The equations of `onchip.neurons` and `onchip.objectives` in floating point.

    `bias` broadcasts to the population's shape and is added to its current; None for none.
    """

    neuron: Neuron
    time_steps: int
    objective: Objective | None = None
    bias: Array | None = None

    def start(self, zeros: Array) -> NeuronState:
        """As `Computation.start`."""
        state: NeuronState = self.neuron.start(zeros)
        return state

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """As `Computation.step`; FloatingPointError when a readout diverges."""
        output, state = self.advance(activation, state)
        check_output(output)
        return output, state

    def advance(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """As `Computation.advance`."""
        return self.neuron.step(self._biased(activation), state, REAL)

    def stepper(self) -> Stepper:
        """As `Computation.stepper`."""
        whole = functools.partial(self.neuron.step, numbers=REAL)
        return whole if self.bias is None else self.advance

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """g = signal ds/du."""
        return signal * self.neuron.derivative(state, REAL)

    def derivative(self, state: NeuronState) -> Array:
        """ds/du."""
        derivative = self.neuron.derivative(state, REAL)
        return derivative + np.zeros_like(state.u)

    def observe(
        self, kind: Eligibility, before: Any, activation: Array, state: Any
    ) -> tuple[Array, ...]:
        """As `Computation.observe`."""
        told = kind.observe(self.neuron, before, self._biased(activation), state, REAL)
        zeros = np.zeros_like(state.u)
        return tuple(value + zeros for value in told)

    def _biased(self, activation: Array) -> Array:
        """What arrives and the constant, in the type of what arrives."""
        if self.bias is None:
            return activation
        return activation + self.bias.astype(activation.dtype, copy=False)

    def signal(self, signal: Array) -> Array:
        """As `Computation.signal`: itself."""
        return signal

    def answer(self, output: Array, target: Array, memory: Any) -> tuple[Array, Any]:
        """As `Computation.answer`."""
        assert self.objective is not None
        return self.objective.step(output, target, memory, self.time_steps)
