"""The integer engine: runs and learns a `FixedNetworkSpec`, bit for bit as Lava's `fixed_pt` does.

It is to integers what `onchip.engine` is to floating point. It computes algorithmic steps, but
keeps count of the Lava steps of the schedule: the roundings of traces and weights depend on them.
Sums of products run through floating point where that is exact (below 2^53), for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from onchip.checks import check_binary, check_frames, check_labels
from onchip.fixed_point.connections import (
    Connection,
    EngineLayer,
    exact_product,
    third_factors,
    with_bias,
    with_weights,
)
from onchip.fixed_point.layer_spec import FixedDenseSpec, FixedLayerSpec
from onchip.fixed_point.layers import FixedLayer
from onchip.fixed_point.plasticity import gate_value, layer_synapses
from onchip.fixed_point.spec import FixedNetworkSpec
from onchip.fixed_point.synapses import (
    SynapseState,
    drop_lowest_bit,
)
from onchip.neurons import NeuronState
from onchip.schedule import Schedule, arrival_phase, make_schedule
from onchip.spec import is_convolution, split_trunk

Recorder = Callable[[str, np.ndarray], None]
"""Called as `recorder(layer name, output [batch, ...])` at every step."""


class FixedEngine:
    """Runs a network of integers for a batch of samples, or learns from one after the other.

    Use `run` and `learn` for whole samples. Input frames must be binary. The weights' lowest bit is
    dropped on loading (see `FixedDenseSpec`). Raises ValueError for a network that its schedule
    cannot execute.
    """

    def __init__(self, spec: FixedNetworkSpec) -> None:
        self.spec = spec
        first_dense = sum(is_convolution(layer) for layer in spec.layers)
        self._schedule: Schedule | None = None
        if spec.learning is not None:
            self._schedule = make_schedule(spec.learning.schedule, split_trunk(spec)[1])
        self._layers = [
            self._load(layer, i + 1 - first_dense) for i, layer in enumerate(spec.layers)
        ]
        count = len(spec.learning_layers)
        self._learning_layers = self._layers[len(self._layers) - count :]
        self._reset(1)

    def run(self, frames: np.ndarray, recorder: Recorder | None = None) -> np.ndarray:
        """Inference: `frames` [samples, T, *input_shape] -> outputs int64 [samples, T, classes].

        Outputs are membrane integers (0 and 1 for a spiking readout).
        """
        frames = self._frames(frames)
        self._reset(len(frames))
        steps = [self._step(frames[:, n], recorder) for n in range(frames.shape[1])]
        self._idle(len(frames))
        return np.stack(steps, axis=1)

    def learn(
        self, frames: np.ndarray, labels: np.ndarray, recorder: Recorder | None = None
    ) -> np.ndarray:
        """Learn from one sample after the other; as `run`, with integer `labels` [samples]."""
        if self.spec.learning is None:
            raise ValueError("network: it has no learning section; quantise one that has")
        frames = self._frames(frames)
        labels = check_labels(labels, len(frames), self.spec.classes)
        targets = np.eye(self.spec.classes, dtype=np.int64)[labels]
        pairs = zip(frames, targets, strict=True)
        return np.stack([self._learn_sample(*pair, recorder) for pair in pairs])

    def snapshot(self) -> FixedNetworkSpec:
        """The spec with the present weights."""
        return replace(self.spec, layers=tuple(self._read(layer) for layer in self._layers))

    def potentials(self) -> dict[str, np.ndarray]:
        """Layer name -> membrane potential u[n] [batch, ...] of the last step (a copy)."""
        return {layer.spec.name: layer.neuron.u.copy() for layer in self._layers}

    def synapses(self, name: str, recurrent: bool = False) -> SynapseState:
        """The state of a plastic layer's synapses: weights, tag, x1 (read-only by convention)."""
        for layer in self._layers:
            connection = layer.recurrent if recurrent else layer.incoming
            if layer.spec.name == name and layer.spec.plastic and connection is not None:
                return connection.state
        raise ValueError(f"layer {name!r} has no such plastic synapses")

    # -- building -----------------------------------------------------------------------------

    def _load(self, spec: FixedLayerSpec, number: int) -> EngineLayer:
        layer = EngineLayer(spec, number, FixedLayer(spec, self.spec.learning))
        if isinstance(spec, FixedDenseSpec):
            layer.incoming = self._connect(spec, with_bias(spec), number, False)
            if spec.recurrent_weight is not None:
                layer.recurrent = self._connect(spec, spec.recurrent_weight, number, True)
        return layer

    def _connect(
        self, spec: FixedDenseSpec, weights: np.ndarray, number: int, recurrent: bool
    ) -> Connection:
        synapses = None
        if self._schedule is not None:
            learning = self.spec.learning
            synapses = layer_synapses(self._schedule, spec, learning, number, recurrent)
        return Connection(weights, spec.weight_exponent, synapses)

    def _read(self, layer: EngineLayer) -> FixedLayerSpec:
        spec = layer.spec
        if not isinstance(spec, FixedDenseSpec) or not spec.plastic:
            return spec
        assert layer.incoming is not None
        recurrent = None if layer.recurrent is None else layer.recurrent.weights
        return with_weights(spec, layer.incoming.weights, recurrent)

    # -- stepping -----------------------------------------------------------------------------

    def _frames(self, frames: np.ndarray) -> np.ndarray:
        frames = check_frames(frames, self.spec)
        check_binary(frames)
        return frames.astype(np.int64)

    def _reset(self, batch: int) -> None:
        for layer in self._layers:
            layer.reset(batch)

    def _step(self, x: np.ndarray, recorder: Recorder | None) -> np.ndarray:
        """One inference step [batch, *input_shape] -> output [batch, classes]."""
        for layer in self._layers:
            x = layer.fire(layer.activation(x))
            if recorder is not None:
                recorder(layer.spec.name, x)
        return x.reshape(len(x), -1)

    def _learn_sample(
        self, frames: np.ndarray, target: np.ndarray, recorder: Recorder | None
    ) -> np.ndarray:
        """Learn from one sample [T, *input_shape] -> outputs [T, classes]."""
        assert self._schedule is not None and self.spec.learning is not None
        self._reset(1)
        step = self._sequenced_step if self._schedule.period > 1 else self._pipelined_step
        if self._schedule.period == 1:
            self._pending = self._silent_factors()
            self._idle_epochs(self._schedule.depth - 1)
        outputs = [step(frame[np.newaxis], target, recorder) for frame in frames]
        if self._schedule.period == 1:
            self._learn_epoch(self._silence(), self._pending)
        if self.spec.learning.mode == "accumulate":
            self._learn_epoch(self._silence(), self._silent_factors(open_gate=True))
            self._learn_epoch(self._silence(), self._silent_factors())
        for layer in self._learning_layers:
            for connection in layer.plastic_connections:
                connection.forget()
        return np.concatenate(outputs)

    def _sequenced_step(
        self, x: np.ndarray, target: np.ndarray, recorder: Recorder | None
    ) -> np.ndarray:
        """All layers, then the factors, then every synapse learns."""
        spikes = {}
        for layer in self._layers:
            if layer.spec.plastic:
                spikes[layer.spec.name] = (layer.inputs(x)[0], layer.neuron.spikes[0])
            x = layer.fire(layer.activation(x))
            if recorder is not None:
                recorder(layer.spec.name, x)
        self._learn_epoch(spikes, self._factors(x.reshape(-1), target))
        return x.reshape(1, -1)

    def _pipelined_step(
        self, x: np.ndarray, target: np.ndarray, recorder: Recorder | None
    ) -> np.ndarray:
        """The last layer's synapses send, then learn from the step before; then it answers."""
        *trunk, last = self._layers
        for layer in trunk:
            x = layer.fire(layer.activation(x))
            if recorder is not None:
                recorder(layer.spec.name, x)
        activation = last.activation(x)
        spikes = {last.spec.name: (last.inputs(x)[0], last.neuron.spikes[0])}
        self._learn_epoch(spikes, self._pending)
        x = last.fire(activation)
        if recorder is not None:
            recorder(last.spec.name, x)
        self._pending = self._factors(x.reshape(-1), target)
        return x.reshape(1, -1)

    # -- learning -----------------------------------------------------------------------------

    def _factors(self, output: np.ndarray, target: np.ndarray) -> dict[str, np.ndarray]:
        """y1, y2, y3 [3, post] of each plastic layer, from g by layer."""
        learning = self.spec.learning
        assert learning is not None
        error = self._layers[-1].neurons.error(output, target)
        signal, above, factor = error, None, error
        factors = {}
        for layer in reversed(self._learning_layers):
            if above is not None:
                sent = error if learning.feedback == "direct" else factor
                signal = exact_product(sent, self._feedback_matrix(layer, above).T)
            state = NeuronState(layer.neuron.u[0], layer.neuron.spikes[0])
            factor = layer.neurons.factor(signal, state)
            if layer.spec.plasticity is not None:
                online = learning.mode == "online"
                gate = gate_value(layer.spec.plasticity.rate, learning.mode) if online else 0
                factors[layer.spec.name] = third_factors(factor, gate)
            above = layer
        return factors

    def _feedback_matrix(self, layer: EngineLayer, above: EngineLayer) -> np.ndarray:
        learning = self.spec.learning
        assert learning is not None and above.incoming is not None
        matrix = learning.factors[layer.spec.name].matrix
        if matrix is None:
            return above.incoming.weights[:, : layer.spec.output_shape[0]].T
        return drop_lowest_bit(matrix)

    def _silent_factors(self, open_gate: bool = False) -> dict[str, np.ndarray]:
        assert self.spec.learning is not None
        factors = {}
        for layer in self._learning_layers:
            if layer.spec.plasticity is not None:
                gate = gate_value(layer.spec.plasticity.rate, self.spec.learning.mode)
                zeros = np.zeros(layer.spec.output_shape, np.int64)
                factors[layer.spec.name] = third_factors(zeros, gate if open_gate else 0)
        return factors

    def _silence(self) -> dict[str, tuple[np.ndarray, np.ndarray]]:
        silence = {}
        for layer in self._learning_layers:
            if layer.spec.plastic and layer.incoming is not None:
                inputs = np.zeros(layer.incoming.weights.shape[1], np.int64)
                silence[layer.spec.name] = (inputs, np.zeros(layer.spec.output_shape, np.int64))
        return silence

    def _learn_epoch(
        self, spikes: dict[str, tuple[np.ndarray, np.ndarray]], factors: dict[str, np.ndarray]
    ) -> None:
        """One learning epoch of every plastic connection."""
        assert self._schedule is not None
        for layer in self._learning_layers:
            for connection, arrived in zip(
                layer.plastic_connections, spikes.get(layer.spec.name, ()), strict=False
            ):
                phase = arrival_phase(self._schedule, layer.number)
                connection.learn(arrived, phase, factors[layer.spec.name])

    def _idle(self, samples: int) -> None:
        """Samples that were only run: their epochs' random numbers are used up all the same."""
        if self._schedule is not None:
            self._idle_epochs(samples * self._schedule.sample_periods)

    def _idle_epochs(self, epochs: int) -> None:
        for layer in self._learning_layers:
            for connection in layer.plastic_connections:
                connection.idle(epochs)
