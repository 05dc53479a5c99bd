"""The NumPy engine: steps a `NetworkSpec` through time and applies its learning rule.

It is the reference that the other executions are held to. All layers are evaluated within the same
step; the rule then uses that step's traces, potentials and error. `onchip.engine.real_layers` holds
the layers, whose weights are updated in place.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.checks import check_output, require_choice
from onchip.engine.inputs import check_batch, check_frames
from onchip.engine.real_layers import DenseLayer, Gradient, Parameters, make_layer
from onchip.engine.state import State, check_state, flatten, unflatten
from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.objectives.classification import instantaneous_error
from onchip.objectives.given import check_labels
from onchip.rules.feedback import send_back
from onchip.sealed import Sealed

Recorder = Callable[[str, np.ndarray], None]
"""Called as `recorder(layer name, output [batch, ...])` at every step."""

Gradients = list[tuple[DenseLayer, Gradient]]
"""One step's gradients of the plastic layers."""


class Engine(Sealed):
    """Runs and trains a network, step by step, for a batch of samples at a time.

    `dtype` is float64 (the reference) or float32. Learning with a batch applies the mean of the
    samples' gradients. Use `run` and `learn` for whole samples, or `reset`, `step` and `finish` to
    own the time loop.
    """

    def __init__(self, spec: NetworkSpec, dtype: Any = np.float64) -> None:
        """Copy the spec's weights; no state is kept from earlier engines."""
        self.spec = spec
        self.dtype = np.dtype(dtype)
        require_choice("engine: dtype", self.dtype.name, ("float64", "float32"))
        self._layers = [make_layer(layer, self.dtype) for layer in spec.layers]
        learning = {layer.name for layer in spec.learning_layers}
        dense = [layer for layer in self._layers if isinstance(layer, DenseLayer)]
        self._learning_layers = [layer for layer in dense if layer.spec.name in learning]
        matrices = {} if spec.learning is None else spec.learning.feedback_matrices
        self._feedback = {name: matrix.astype(self.dtype) for name, matrix in matrices.items()}
        self.reset(1)

    def reset(self, batch: int = 1) -> None:
        """Start a sample: membranes, spikes and traces to zero for `batch` samples.

        Gradients of an unfinished sample are dropped; `finish` applies them.
        """
        self._batch = batch
        self._accumulated: dict[str, Parameters] = {}
        self._pending: Gradients = []
        for layer in self._layers:
            layer.reset(batch)

    def step(
        self,
        frame: np.ndarray,
        targets: np.ndarray | None = None,
        recorder: Recorder | None = None,
    ) -> np.ndarray:
        """One time step: `frame` [batch, *input_shape] -> output [batch, classes].

        With one-hot `targets` [batch, classes] the network also learns from this step. Raises
        ValueError for a batch other than that of `reset`.
        """
        x = np.asarray(frame, dtype=self.dtype)
        check_batch(x, self._batch)
        for layer in self._layers:
            x = layer.forward(x)
            if recorder is not None:
                recorder(layer.spec.name, x)
        output = x.reshape(len(x), -1).copy()  # a readout's is its membrane
        if targets is not None:
            self._learn_step(output, np.asarray(targets, dtype=self.dtype))
        elif self._pending:
            self._apply(self._pending)
            self._pending = []
        return output

    def finish(self) -> None:
        """End a sample: apply what accumulated (OTTT_A) or is still delayed."""
        for layer in self._learning_layers:
            sums = self._accumulated.get(layer.spec.name)
            if sums is not None:
                layer.parameters.subtract(sums, self._require_learning().learning_rate)
        self._apply(self._pending)
        self._accumulated, self._pending = {}, []

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
            replace(layer.spec, **layer.parameters.arrays())  # type: ignore[arg-type]
            if isinstance(layer, DenseLayer) and layer.spec.plastic
            else layer.spec
            for layer in self._layers
        )
        return replace(self.spec, layers=layers)

    def potentials(self) -> dict[str, np.ndarray]:
        """Layer name -> membrane potential u[n] [batch, ...] of the last step (a copy)."""
        return {layer.spec.name: layer.neuron.u.copy() for layer in self._layers}

    def spikes(self) -> dict[str, np.ndarray]:
        """Layer name -> spikes s[n] [batch, ...] of the last step (a copy); zeros of a readout."""
        return {layer.spec.name: layer.neuron.spikes.copy() for layer in self._layers}

    def state(self) -> State:
        """Everything that changes, between samples: "layer.array" -> a copy.

        "weight", "bias" and "recurrent_weight" of plastic layers, laid out as in `DenseSpec`; "u"
        and "spikes" [batch, ...] of all; "trace" [batch, pre], "recurrent_trace" [batch, post] and
        "bias_trace" [] of plastic ones. Raises ValueError before `finish` while gradients wait.
        """
        if self._accumulated or self._pending:
            raise ValueError("engine: gradients of an unfinished sample wait; call finish() first")
        return flatten({layer.spec.name: layer.state() for layer in self._layers})

    def restore(self, state: State) -> None:
        """Continue from a `state` of this network and type; nothing changes if it does not fit.

        Raises ValueError for missing or unknown names, other shapes or types, NaN, and before
        `finish` while gradients wait.
        """
        check_state(state, self.state())
        for layer in self._layers:
            layer.restore(unflatten(state, layer.spec.name))
        self._batch = len(self._layers[0].neuron.u)

    # -- learning -----------------------------------------------------------------------------

    def _require_learning(self) -> LearningSpec:
        if self.spec.learning is None:
            raise ValueError(
                "network: it has no learning section; use onchip.network.learning.with_learning"
            )
        return self.spec.learning

    def _learn_step(self, output: np.ndarray, targets: np.ndarray) -> None:
        learning = self._require_learning()
        check_output(output)
        gradients = self._gradients(learning, output, targets)
        if learning.mode == "accumulate":
            self._accumulate(gradients)
        elif learning.update_delay:
            self._apply(self._pending)
            self._pending = gradients
        else:
            self._apply(gradients)

    def _gradients(
        self, learning: LearningSpec, output: np.ndarray, targets: np.ndarray
    ) -> Gradients:
        """From the readout to the lowest plastic layer, all with the weights of this step."""
        error = instantaneous_error(output, targets, self.spec.time_steps, learning.mse_weight)
        signal, above, factor, gradients = error, None, error, []
        for layer in reversed(self._learning_layers):
            if above is not None:
                sent = error if learning.feedback == "direct" else factor
                signal = send_back(sent, self._feedback_matrix(layer, above))
            factor = layer.factor(signal)
            above = layer
            if layer.spec.plastic:
                gradients.append((layer, layer.gradient(factor)))
        return gradients

    def _feedback_matrix(self, layer: DenseLayer, above: DenseLayer) -> np.ndarray:
        """B [receiving, sending]; the transposed live weights for exact feedback."""
        fixed = self._feedback.get(layer.spec.name)
        return above.parameters.weight if fixed is None else fixed

    def _accumulate(self, gradients: Gradients) -> None:
        for layer, gradient in gradients:
            name = layer.spec.name
            if name not in self._accumulated:
                self._accumulated[name] = layer.parameters.zeros()
            self._accumulated[name].add(gradient, 1.0)

    def _apply(self, gradients: Gradients) -> None:
        rate = self._require_learning().learning_rate if gradients else 0.0
        for layer, gradient in gradients:
            layer.parameters.add(gradient, -rate)
