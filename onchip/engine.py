"""The NumPy engine: steps a `NetworkSpec` through time and applies its learning rule.

It is the reference that the other executions are held to. All layers are evaluated within the same
step; the rule then uses that step's traces, potentials and error. In-place writes happen only here,
on copies of the spec's arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from onchip.checks import check_frames, check_labels, check_output, require_choice
from onchip.convolution import conv2d
from onchip.feedback import send_back
from onchip.losses import instantaneous_error
from onchip.neurons import STEPS, NeuronState, postsynaptic_derivative
from onchip.rules import bias_gradient, weight_gradient
from onchip.spec import ConvSpec, LayerSpec, NetworkSpec
from onchip.traces import trace_step

Gradients = dict[str, dict[str, np.ndarray]]
"""Layer name -> parameter name ("weight", "bias", "recurrent_weight") -> gradient."""

Recorder = Callable[[str, np.ndarray], None]
"""Called as `recorder(layer name, output [batch, ...])` at every step."""

_PARAMETERS = ("weight", "bias", "recurrent_weight")


@dataclass
class _Layer:
    """One layer: its spec, its parameters (copies that learning writes to) and its state."""

    spec: LayerSpec
    parameters: dict[str, np.ndarray]
    neuron: NeuronState = field(init=False)
    trace: np.ndarray = field(init=False)
    recurrent_trace: np.ndarray = field(init=False)
    bias_trace: float = field(init=False)

    def reset(self, batch: int) -> None:
        """Zero state for a batch of samples."""
        spec, dtype = self.spec, self.parameters["weight"].dtype
        zeros = np.zeros((batch, *spec.output_shape), dtype)
        self.neuron = NeuronState(zeros, zeros)
        self.trace = np.zeros((batch, spec.input_size if spec.plastic else 0), dtype)
        self.recurrent_trace = np.zeros_like(zeros)
        self.bias_trace = 0.0

    def forward(self, x: np.ndarray) -> np.ndarray:
        """One step: input [batch, ...] -> output [batch, *output_shape]; advances the state."""
        current = self._conv_current(x) if isinstance(self.spec, ConvSpec) else self._current(x)
        output, self.neuron = STEPS[type(self.spec.neuron)](current, self.neuron, self.spec.neuron)
        return output

    def gradients(self, factor: np.ndarray) -> dict[str, np.ndarray]:
        """Three-factor gradients for the postsynaptic factor g[n] [batch, post]."""
        gradients = {"weight": weight_gradient(factor, self.trace)}
        if "bias" in self.parameters:
            gradients["bias"] = bias_gradient(factor, self.bias_trace)
        if "recurrent_weight" in self.parameters:
            gradients["recurrent_weight"] = weight_gradient(factor, self.recurrent_trace)
        return gradients

    def _conv_current(self, x: np.ndarray) -> np.ndarray:
        spec = self.spec
        assert isinstance(spec, ConvSpec)
        x = x.reshape(len(x), *spec.input_shape)
        bias = self.parameters.get("bias")
        return conv2d(x, self.parameters["weight"], bias, spec.stride, spec.padding)

    def _current(self, x: np.ndarray) -> np.ndarray:
        x = x.reshape(len(x), -1)
        current = x @ self.parameters["weight"].T
        if "bias" in self.parameters:
            current += self.parameters["bias"]
        if "recurrent_weight" in self.parameters:
            current += self.neuron.spikes @ self.parameters["recurrent_weight"].T
        if self.spec.plastic:
            self._advance_traces(x)
        return current

    def _advance_traces(self, x: np.ndarray) -> None:
        decay = self.spec.neuron.decay
        self.trace = trace_step(self.trace, x, decay)
        self.bias_trace = float(trace_step(self.bias_trace, 1.0, decay))
        if "recurrent_weight" in self.parameters:
            self.recurrent_trace = trace_step(self.recurrent_trace, self.neuron.spikes, decay)


class Engine:
    """Runs and trains a network, step by step, for a batch of samples at a time.

    `dtype` is float64 (the reference) or float32. Learning with a batch applies the mean of the
    samples' gradients. Use `run` and `learn` for whole samples, or `reset` and `step` to own the
    time loop.
    """

    def __init__(self, spec: NetworkSpec, dtype: Any = np.float64) -> None:
        """Copy the spec's weights; no state is kept from earlier engines."""
        self.spec = spec
        self.dtype = np.dtype(dtype)
        require_choice("engine: dtype", self.dtype.name, ("float64", "float32"))
        self._layers = [self._load(layer) for layer in spec.layers]
        learning = {layer.name for layer in spec.learning_layers}
        self._learning_layers = [layer for layer in self._layers if layer.spec.name in learning]
        self.reset(1)

    def reset(self, batch: int = 1) -> None:
        """Start a sample: membranes, spikes and traces to zero for `batch` samples.

        Gradients of an unfinished sample are dropped; `finish` applies them.
        """
        self._accumulated: Gradients = {}
        self._pending: Gradients = {}
        for layer in self._layers:
            layer.reset(batch)

    def step(
        self,
        frame: np.ndarray,
        targets: np.ndarray | None = None,
        recorder: Recorder | None = None,
    ) -> np.ndarray:
        """One time step: `frame` [batch, *input_shape] -> output [batch, classes].

        With one-hot `targets` [batch, classes] the network also learns from this step.
        """
        x = np.asarray(frame, dtype=self.dtype)
        for layer in self._layers:
            x = layer.forward(x)
            if recorder is not None:
                recorder(layer.spec.name, x)
        output = x.reshape(len(x), -1)
        if targets is not None:
            self._learn_step(output, targets)
        return output

    def finish(self) -> None:
        """End a sample: apply what accumulated (OTTT_A) or is still delayed."""
        self._apply(self._accumulated)
        self._apply(self._pending)
        self._accumulated, self._pending = {}, {}

    def run(self, frames: np.ndarray, recorder: Recorder | None = None) -> np.ndarray:
        """Inference: `frames` [samples, T, *input_shape] -> outputs [samples, T, classes].

        All samples run as one batch; the engine's state is reset before and left at the last step.
        """
        frames = check_frames(frames, self.spec)
        self.reset(len(frames))
        steps = [self.step(frames[:, n], None, recorder) for n in range(frames.shape[1])]
        return np.stack(steps, axis=1)

    def learn(
        self, frames: np.ndarray, labels: np.ndarray, recorder: Recorder | None = None
    ) -> np.ndarray:
        """Learn from one batch of samples: as `run`, with integer `labels` [samples]."""
        frames = check_frames(frames, self.spec)
        labels = check_labels(labels, len(frames), self.spec.classes)
        targets = np.eye(self.spec.classes, dtype=self.dtype)[labels]
        self.reset(len(frames))
        steps = [self.step(frames[:, n], targets, recorder) for n in range(frames.shape[1])]
        self.finish()
        return np.stack(steps, axis=1)

    def snapshot(self) -> NetworkSpec:
        """The spec with the present weights."""
        layers = tuple(
            replace(layer.spec, **layer.parameters)  # type: ignore[arg-type]
            if layer.spec.plastic
            else layer.spec
            for layer in self._layers
        )
        return replace(self.spec, layers=layers)

    def potentials(self) -> dict[str, np.ndarray]:
        """Layer name -> membrane potential u[n] [batch, ...] of the last step (a copy)."""
        return {layer.spec.name: layer.neuron.u.copy() for layer in self._layers}

    def _load(self, spec: LayerSpec) -> _Layer:
        arrays = {name: getattr(spec, name, None) for name in _PARAMETERS}
        return _Layer(spec, {k: v.astype(self.dtype) for k, v in arrays.items() if v is not None})

    def _learn_step(self, output: np.ndarray, targets: np.ndarray) -> None:
        learning = self.spec.learning
        if learning is None:
            raise ValueError("network: it has no learning section; use onchip.spec.with_learning")
        check_output(output)
        gradients = self._gradients(output, targets)
        if learning.mode == "accumulate":
            _add(self._accumulated, gradients)
        elif learning.update_delay:
            self._apply(self._pending)
            self._pending = gradients
        else:
            self._apply(gradients)

    def _gradients(self, output: np.ndarray, targets: np.ndarray) -> Gradients:
        return {
            layer.spec.name: layer.gradients(factor)
            for layer, factor in self._factors(output, targets)
            if layer.spec.plastic
        }

    def _factors(
        self, output: np.ndarray, targets: np.ndarray
    ) -> Iterator[tuple[_Layer, np.ndarray]]:
        """Postsynaptic factors g^l [batch, post], from the readout to the lowest plastic layer."""
        learning = self.spec.learning
        assert learning is not None
        error = instantaneous_error(output, targets, self.spec.time_steps, learning.mse_weight)
        signal, above, factor = error, None, error
        for layer in reversed(self._learning_layers):
            if above is not None:
                sent = error if learning.feedback == "direct" else factor
                signal = send_back(sent, self._feedback_matrix(layer, above))
            factor = signal * postsynaptic_derivative(layer.neuron, layer.spec.neuron)
            above = layer
            yield layer, factor

    def _feedback_matrix(self, layer: _Layer, above: _Layer) -> np.ndarray:
        assert self.spec.learning is not None
        if self.spec.learning.feedback == "exact":
            return above.parameters["weight"].T
        return self.spec.learning.feedback_matrices[layer.spec.name]

    def _apply(self, gradients: Gradients) -> None:
        if not gradients:
            return
        assert self.spec.learning is not None
        rate = self.spec.learning.learning_rate
        for layer in self._learning_layers:
            for name, gradient in gradients.get(layer.spec.name, {}).items():
                layer.parameters[name] -= rate * gradient


def _add(total: Gradients, gradients: Gradients) -> None:
    """Add gradients to a running sum, in place."""
    for layer, parameters in gradients.items():
        sums = total.setdefault(layer, {})
        for name, gradient in parameters.items():
            sums[name] = sums[name] + gradient if name in sums else gradient
