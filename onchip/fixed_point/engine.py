"""The integer engine: runs and learns a `FixedNetworkSpec`, bit for bit as Lava's `fixed_pt` does.

It is to integers what `onchip.engine` is to floating point. It computes algorithmic steps, but
keeps count of the Lava steps of the schedule: the roundings of traces and weights depend on them.
Sums of products run through floating point where that is exact (below 2^53), for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np

from onchip.checks import check_binary, check_frames, check_labels
from onchip.convolution import conv2d
from onchip.fixed_point.layers import FixedLayer
from onchip.fixed_point.plasticity import connection_seed, gate_value, make_synapses
from onchip.fixed_point.spec import (
    FixedConvSpec,
    FixedDenseSpec,
    FixedLayerSpec,
    FixedNetworkSpec,
)
from onchip.fixed_point.synapses import (
    FixedSynapses,
    LearningDraws,
    SynapseState,
    drop_lowest_bit,
    initial_state,
    shift_activation,
    synapse_epoch,
)
from onchip.neurons import NeuronState
from onchip.schedule import Schedule, arrival_phase, make_schedule
from onchip.spec import is_convolution, split_trunk

Recorder = Callable[[str, np.ndarray], None]
"""Called as `recorder(layer name, output [batch, ...])` at every step."""


SINGLE_PRECISION_INPUTS = 2**24 // 2**8
"""Up to as many weights of -256..255 sum exactly in 32-bit floating point."""


class _Connection:
    """Synapses into a layer: their weights, and how they learn where they do."""

    def __init__(self, weights: np.ndarray, exponent: int, synapses: FixedSynapses | None) -> None:
        self._exponent = exponent
        self._synapses = synapses
        if synapses is None:
            self._frozen = drop_lowest_bit(weights)
        else:
            self.state: SynapseState = initial_state(weights)
            self._draws = LearningDraws(synapses)

    @property
    def weights(self) -> np.ndarray:
        """The present weights, int64 [post, pre]."""
        return self._frozen if self._synapses is None else self.state.weights

    def activation(self, spikes: np.ndarray) -> np.ndarray:
        """(W s) 2^exponent for `spikes` [batch, pre]: int64 [batch, post]."""
        dtype = np.float32 if spikes.shape[-1] <= SINGLE_PRECISION_INPUTS else np.float64
        sums = spikes.astype(dtype) @ self.weights.T.astype(dtype)
        return shift_activation(sums.astype(np.int64), self._exponent)

    def learn(self, spikes: np.ndarray, phase: int, factors: np.ndarray) -> None:
        """One epoch: `spikes` [pre] in step `phase`, factors [3, post] at its end."""
        if self._synapses is not None:
            self.state = synapse_epoch(
                self.state, spikes, phase, factors, self._synapses, self._draws
            )

    def idle(self, epochs: int) -> None:
        """Pass over epochs in which nothing is learned and the traces are not needed."""
        if self._synapses is not None:
            self._draws.skip(epochs)

    def forget(self) -> None:
        """Zero the traces between samples."""
        if self._synapses is not None:
            self.state = self.state._replace(x1=np.zeros_like(self.state.x1))


@dataclass
class _Layer:
    """One layer: its specification, its neurons, its connections and its state."""

    spec: FixedLayerSpec
    number: int
    neurons: FixedLayer
    incoming: _Connection | None = None
    recurrent: _Connection | None = None
    neuron: NeuronState = field(init=False)

    def reset(self, batch: int) -> None:
        """Zero membranes and spikes for a batch of samples."""
        zeros = np.zeros((batch, *self.spec.output_shape), np.int64)
        self.neuron = NeuronState(zeros, zeros)

    def inputs(self, x: np.ndarray) -> np.ndarray:
        """Input spikes [batch, pre], with the always-on unit where there is one."""
        x = x.reshape(len(x), -1)
        if self.spec.bias_weight is None:
            return x
        return np.concatenate((x, np.ones((len(x), 1), x.dtype)), axis=1)

    def activation(self, x: np.ndarray) -> np.ndarray:
        """What the synapses send for input [batch, ...]: int64 [batch, *output_shape]."""
        if isinstance(self.spec, FixedConvSpec):
            return self._convolve(x)
        assert self.incoming is not None
        activation = self.incoming.activation(self.inputs(x))
        if self.recurrent is not None:
            activation = activation + self.recurrent.activation(self.neuron.spikes)
        return activation

    def fire(self, activation: np.ndarray) -> np.ndarray:
        """Advance the neurons; returns the output [batch, *output_shape]."""
        output, self.neuron = self.neurons.step(activation, self.neuron)
        return output

    def _convolve(self, x: np.ndarray) -> np.ndarray:
        spec = self.spec
        assert isinstance(spec, FixedConvSpec)
        x = x.reshape(len(x), *spec.input_shape).astype(np.float64)
        weight = drop_lowest_bit(spec.weight).astype(np.float64)
        sums = conv2d(x, weight, None, spec.stride, spec.padding)
        return shift_activation(sums.astype(np.int64), spec.weight_exponent)


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

    def _load(self, spec: FixedLayerSpec, number: int) -> _Layer:
        layer = _Layer(spec, number, FixedLayer(spec, self.spec.learning))
        if isinstance(spec, FixedDenseSpec):
            layer.incoming = self._connect(spec, with_bias(spec), number, False)
            if spec.recurrent_weight is not None:
                layer.recurrent = self._connect(spec, spec.recurrent_weight, number, True)
        return layer

    def _connect(
        self, spec: FixedDenseSpec, weights: np.ndarray, number: int, recurrent: bool
    ) -> _Connection:
        learning, synapses = self.spec.learning, None
        if spec.plasticity is not None and learning is not None and self._schedule is not None:
            synapses = make_synapses(
                self._schedule,
                spec.neuron,
                spec.plasticity,
                learning.mode,
                connection_seed(learning.seed, number, recurrent),
                spec.weight_exponent,
            )
        return _Connection(weights, spec.weight_exponent, synapses)

    def _read(self, layer: _Layer) -> FixedLayerSpec:
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
            for connection in _plastic(layer):
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

    def _feedback_matrix(self, layer: _Layer, above: _Layer) -> np.ndarray:
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
                _plastic(layer), spikes.get(layer.spec.name, ()), strict=False
            ):
                phase = arrival_phase(self._schedule, layer.number)
                connection.learn(arrived, phase, factors[layer.spec.name])

    def _idle(self, samples: int) -> None:
        """Samples that were only run: their epochs' random numbers are used up all the same."""
        if self._schedule is not None:
            self._idle_epochs(samples * self._schedule.sample_periods)

    def _idle_epochs(self, epochs: int) -> None:
        for layer in self._learning_layers:
            for connection in _plastic(layer):
                connection.idle(epochs)


def third_factors(factor: np.ndarray, gate: int) -> np.ndarray:
    """y1, y2, y3 [3, post] for g [post] in -127..127: -g as two unsigned parts, and the gate."""
    return np.stack((np.maximum(-factor, 0), np.maximum(factor, 0), np.full_like(factor, gate)))


def with_bias(spec: FixedDenseSpec) -> np.ndarray:
    """Weights [post, pre], those of the always-on unit (if there is one) as a last column."""
    if spec.bias_weight is None:
        return spec.weight
    return np.concatenate((spec.weight, spec.bias_weight[:, np.newaxis]), axis=1)


def with_weights(
    spec: FixedDenseSpec, weights: np.ndarray, recurrent: np.ndarray | None
) -> FixedDenseSpec:
    """The layer with learned weights, laid out as `with_bias` does."""
    if spec.bias_weight is None:
        return replace(spec, weight=weights, recurrent_weight=recurrent)
    return replace(
        spec, weight=weights[:, :-1], bias_weight=weights[:, -1], recurrent_weight=recurrent
    )


def exact_product(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """`left` @ `right` of integers below 2^53 in all sums, by way of floating point: int64."""
    product: np.ndarray = left.astype(np.float64) @ right.astype(np.float64)
    return product.astype(np.int64)


def _plastic(layer: _Layer) -> list[_Connection]:
    """The incoming and the recurrent connection of a plastic layer, those that exist."""
    if not layer.spec.plastic:
        return []
    return [c for c in (layer.incoming, layer.recurrent) if c is not None]
