"""The layers of the NumPy engine: parameters that learning writes to, and state.

In-place writes happen only here and in `onchip.engine.kernels`, on copies of the spec's arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.real import REAL
from onchip.engine.kernels import add_outer, weighted_inputs
from onchip.engine.state import State
from onchip.network.convolution import conv2d
from onchip.network.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.neurons.base import NeuronState
from onchip.rules.rule import bias_gradient
from onchip.rules.traces import trace_step


class Gradient(NamedTuple):
    """One step's gradients of a layer as their factors: g a^T, g c, g r^T; means over the batch.

    `factor` g [batch, post], `trace` a [batch, pre], `recurrent_trace` r [batch, post] or None,
    `bias_trace` c. A whole matrix is never made of them.
    """

    factor: np.ndarray
    trace: np.ndarray
    recurrent_trace: np.ndarray | None
    bias_trace: float


@dataclass
class Parameters:
    """What a dense layer learns: `weight` and `recurrent` [pre, post], `bias` [post].

    The matrices are stored transposed: an input's weights lie side by side.
    """

    weight: np.ndarray
    bias: np.ndarray | None
    recurrent: np.ndarray | None

    @classmethod
    def of(cls, spec: DenseSpec, dtype: np.dtype) -> Parameters:
        """Copies of a layer's arrays."""
        return cls(
            _transposed(spec.weight, dtype),
            None if spec.bias is None else spec.bias.astype(dtype),
            None if spec.recurrent_weight is None else _transposed(spec.recurrent_weight, dtype),
        )

    def arrays(self) -> dict[str, np.ndarray]:
        """Those that exist by their name in `DenseSpec`, laid out as there (views)."""
        recurrent = None if self.recurrent is None else self.recurrent.T
        named = {"weight": self.weight.T, "bias": self.bias, "recurrent_weight": recurrent}
        return {name: array for name, array in named.items() if array is not None}

    def zeros(self) -> Parameters:
        """As many zeros: a sum to begin with."""
        arrays = (self.weight, self.bias, self.recurrent)
        return Parameters(*(None if a is None else np.zeros_like(a) for a in arrays))  # type: ignore[arg-type]

    def add(self, gradient: Gradient, scale: float) -> None:
        """Add `scale` times a gradient, in place."""
        factor, trace, recurrent_trace, bias_trace = gradient
        each = scale / len(factor)
        add_outer(self.weight, trace, factor, each)
        if self.bias is not None:
            # One sample's sum is itself: reducing takes as long as the rest of a small layer.
            scaled = scale * bias_trace
            self.bias += factor[0] * scaled if len(factor) == 1 else bias_gradient(factor, scaled)
        if self.recurrent is not None and recurrent_trace is not None:
            add_outer(self.recurrent, recurrent_trace, factor, each)

    def subtract(self, sums: Parameters, rate: float) -> None:
        """Subtract `rate` times `sums`, which are overwritten."""
        for name, array in sums.arrays().items():
            array *= rate
            own = self.arrays()[name]
            own -= array


class RealLayer(ABC):
    """One layer: its spec, its neurons' state and (in subclasses) its connections."""

    def __init__(self, spec: LayerSpec, dtype: np.dtype) -> None:
        self.spec, self._dtype, self._neuron = spec, dtype, spec.neuron
        self.reset(1)

    def reset(self, batch: int) -> None:
        """Zero state for a batch of samples."""
        zeros = np.zeros((batch, *self.spec.output_shape), self._dtype)
        self.neuron = NeuronState(zeros, zeros)

    def state(self) -> State:
        """What changes: u and spikes [batch, ...], and what subclasses add (not copied)."""
        return {"u": self.neuron.u, "spikes": self.neuron.spikes}

    def restore(self, state: State) -> None:
        """Take over arrays of the same names and shapes."""
        self.neuron = NeuronState(state["u"], state["spikes"])

    def forward(self, x: np.ndarray) -> np.ndarray:
        """One step: input [batch, ...] -> output [batch, *output_shape]; advances the state."""
        output, self.neuron = self._neuron.step(self.current(x), self.neuron, REAL)
        return output

    @abstractmethod
    def current(self, x: np.ndarray) -> np.ndarray:
        """Input current I[n] [batch, *output_shape] of input [batch, ...]."""


class ConvLayer(RealLayer):
    """A frozen convolution."""

    spec: ConvSpec

    def __init__(self, spec: ConvSpec, dtype: np.dtype) -> None:
        super().__init__(spec, dtype)
        self._weight = spec.weight.astype(dtype)
        self._bias = None if spec.bias is None else spec.bias.astype(dtype)

    def current(self, x: np.ndarray) -> np.ndarray:
        """The convolution of x [batch, ...] plus the bias."""
        x = x.reshape(len(x), *self.spec.input_shape)
        return conv2d(x, self._weight, self._bias, self.spec.stride, self.spec.padding)


class DenseLayer(RealLayer):
    """A dense layer, with traces where it is plastic."""

    spec: DenseSpec

    def __init__(self, spec: DenseSpec, dtype: np.dtype) -> None:
        self.parameters = Parameters.of(spec, dtype)
        self._plastic = spec.plastic
        super().__init__(spec, dtype)

    def reset(self, batch: int) -> None:
        """Zero state and traces for a batch of samples."""
        super().reset(batch)
        inputs, own = (self.spec.input_size, self.spec.output_shape[0]) if self._plastic else (0, 0)
        self.trace = np.zeros((batch, inputs), self._dtype)
        self.recurrent_trace: np.ndarray | None = None
        if self.parameters.recurrent is not None:
            self.recurrent_trace = np.zeros((batch, own), self._dtype)
        self.bias_trace = 0.0

    def state(self) -> State:
        """As in `RealLayer`; of plastic layers also parameters and traces."""
        if not self._plastic:
            return super().state()
        traces = {"trace": self.trace, "bias_trace": np.array(self.bias_trace)}
        if self.recurrent_trace is not None:
            traces["recurrent_trace"] = self.recurrent_trace
        return {**self.parameters.arrays(), **super().state(), **traces}

    def restore(self, state: State) -> None:
        """As in `RealLayer`."""
        super().restore(state)
        if self._plastic:
            for name, array in self.parameters.arrays().items():
                array[...] = state[name]
            self.trace, self.bias_trace = state["trace"], float(state["bias_trace"])
            self.recurrent_trace = state.get("recurrent_trace")

    def current(self, x: np.ndarray) -> np.ndarray:
        """W x + R s + b; advances the traces."""
        x, parameters = x.reshape(len(x), -1), self.parameters
        current = weighted_inputs(x, parameters.weight)
        if parameters.bias is not None:
            current += parameters.bias
        if parameters.recurrent is not None:
            current += weighted_inputs(self.neuron.spikes, parameters.recurrent)
        if self._plastic:
            self._advance_traces(x)
        return current

    def factor(self, signal: np.ndarray) -> np.ndarray:
        """Postsynaptic factor g[n] [batch, post] of what is fed back, [batch, post]."""
        if not self._neuron.spiking:
            return signal  # a readout's derivative is 1
        return np.asarray(signal * self._neuron.derivative(self.neuron, REAL))

    def gradient(self, factor: np.ndarray) -> Gradient:
        """The three-factor gradients of this step."""
        return Gradient(factor, self.trace, self.recurrent_trace, self.bias_trace)

    def _advance_traces(self, x: np.ndarray) -> None:
        # New arrays at every step: a delayed gradient still refers to the old ones.
        decay = self._neuron.decay
        self.trace = trace_step(self.trace, x, decay)
        self.bias_trace = trace_step(self.bias_trace, 1.0, decay)
        if self.recurrent_trace is not None:
            self.recurrent_trace = trace_step(self.recurrent_trace, self.neuron.spikes, decay)


def make_layer(spec: LayerSpec, dtype: Any) -> RealLayer:
    """The engine's layer of a spec."""
    return ConvLayer(spec, dtype) if isinstance(spec, ConvSpec) else DenseLayer(spec, dtype)


def _transposed(matrix: np.ndarray, dtype: np.dtype) -> np.ndarray:
    return np.array(matrix.T, dtype=dtype, order="C")
