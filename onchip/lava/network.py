"""A network of Lava processes built from a `NetworkSpec`: runs, learns, returns a learned spec."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg
from lava.proc.dense.process import Dense, LearningDense

from onchip.checks import check_frames, check_labels
from onchip.execution import RunResult
from onchip.lava.processes.lif import LIFLayer
from onchip.lava.processes.live_feedback import LiveFeedback
from onchip.lava.processes.readout import Readout
from onchip.lava.processes.source import SpikeSource
from onchip.lava.rules import factor_scale, gate_scale, three_factor_rule
from onchip.lava.schedule import make_schedule
from onchip.lava.supervisor import Supervisor
from onchip.lava.teacher import TeacherSettings
from onchip.neurons import LIF
from onchip.spec import DenseSpec, NetworkSpec

GRADED_BITS = 24
"""Message width of the feedback connections; in floating point it only marks them as graded."""


@dataclass
class _Layer:
    """The Lava processes of one dense layer."""

    spec: DenseSpec
    synapses: Dense | LearningDense
    recurrent: Dense | LearningDense | None
    neurons: LIFLayer | Readout


class LavaNetwork:
    """A network of dense layers as Lava processes in the CPU simulator, in floating point.

    Plastic synapses are stock `LearningDense`, frozen ones `Dense`; convolutions stay on the host
    (`onchip.spec.split_trunk` parts them). `schedule` is "sequenced" or "pipelined" (see
    `onchip.lava.schedule`). With `record` the results carry every layer's spikes. Use as a context
    manager; the OS processes end with it. Raises ValueError when the spec does not fit the
    schedule and LavaExecutionError when a process fails.
    """

    def __init__(
        self, spec: NetworkSpec, schedule: str = "sequenced", *, record: bool = False
    ) -> None:
        self.spec = spec
        self._record = record
        self.schedule = make_schedule(schedule, spec)
        self._source = self._make_source()
        self._layers = [self._make_layer(i + 1) for i in range(len(self.spec.layers))]
        self._connect()
        self._supervisor = Supervisor(self._source, Loihi2SimCfg(select_tag="floating_pt"))
        self._supervisor.start()

    def __enter__(self) -> LavaNetwork:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the network's OS processes."""
        self._supervisor.close()

    def run(self, frames: np.ndarray) -> RunResult:
        """Inference, learning switched off: `frames` [samples, T, *input_shape]."""
        return self._stream(frames, None)

    def learn(self, frames: np.ndarray, labels: np.ndarray) -> RunResult:
        """Learn from one sample after the other, in order; `labels` int [samples]."""
        if self.spec.learning is None:
            raise ValueError("network: it has no learning section; use onchip.spec.with_learning")
        return self._stream(frames, check_labels(labels, len(frames), self.spec.classes))

    def snapshot(self) -> NetworkSpec:
        """The spec with the present weights, read from the running processes."""
        self._supervisor.require_runtime()
        return replace(self.spec, layers=tuple(_read_back(layer) for layer in self._layers))

    def _stream(self, frames: np.ndarray, labels: np.ndarray | None) -> RunResult:
        self._supervisor.require_runtime()
        frames = check_frames(frames, self.spec)
        _require_binary(frames)
        frames = frames.reshape(*frames.shape[:2], -1).astype(float)
        targets = [None] * len(frames) if labels is None else labels
        runs = [self._run_sample(*pair) for pair in zip(frames, targets, strict=True)]
        outputs, spikes = zip(*runs, strict=True)
        names = spikes[0]
        return RunResult(np.stack(outputs), {n: np.stack([s[n] for s in spikes]) for n in names})

    def _run_sample(
        self, frames: np.ndarray, label: int | None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        target = np.zeros(self.spec.classes + 1)
        if label is not None:
            target[[label, -1]] = 1
        self._source.frames_in.external_pipe_csp_send_port.send(frames)
        self._source.target_in.external_pipe_csp_send_port.send(target)
        self._supervisor.run(self.schedule.steps_per_sample)
        output = self._layers[-1].neurons.outputs_host.external_pipe_csp_recv_port.recv()
        return output, self._receive_spikes(output)

    def _receive_spikes(self, output: np.ndarray) -> dict[str, np.ndarray]:
        if not self._record:
            return {}
        spikes = {
            layer.spec.name: layer.neurons.spikes_host.external_pipe_csp_recv_port.recv()
            for layer in self._layers[:-1]
        }
        last = self._layers[-1].spec
        if isinstance(last.neuron, LIF):
            spikes[last.name] = output
        return {name: values.astype(np.uint8) for name, values in spikes.items()}

    def _make_source(self) -> SpikeSource:
        return SpikeSource(
            schedule=self.schedule,
            inputs=self.spec.input_size,
            classes=self.spec.classes,
            always_on=self.spec.layers[0].bias is not None,
            name="source",
        )

    def _make_layer(self, number: int) -> _Layer:
        spec = self.spec.layers[number - 1]
        assert isinstance(spec, DenseSpec)
        weights = _with_bias(spec)
        recurrent = spec.recurrent_weight
        return _Layer(
            spec,
            self._synapses(weights, spec, number, f"{spec.name}.synapses"),
            None
            if recurrent is None
            else self._synapses(recurrent, spec, number, f"{spec.name}.recurrent"),
            self._make_neurons(spec, number, weights.shape[1]),
        )

    def _synapses(
        self, weights: np.ndarray, spec: DenseSpec, number: int, name: str
    ) -> Dense | LearningDense:
        learning = self.spec.learning
        if not spec.plastic or learning is None:
            return Dense(weights=weights.copy(), name=name)
        arrival = (number - 1) % self.schedule.period + 1
        rule = three_factor_rule(self.schedule, learning.mode, spec.neuron.decay, arrival)
        return LearningDense(weights=weights.copy(), learning_rule=rule, name=name)

    def _make_neurons(self, spec: DenseSpec, number: int, inputs: int) -> LIFLayer | Readout:
        common: dict[str, Any] = {
            "schedule": self.schedule,
            "neuron": spec.neuron,
            "shape": spec.output_shape,
            "inputs": inputs,
            "teacher": self._teacher_settings(spec),
            "name": spec.name,
        }
        if number == len(self.spec.layers):
            learning = self.spec.learning
            return Readout(mse_weight=0.0 if learning is None else learning.mse_weight, **common)
        return LIFLayer(
            layer=number,
            record=self._record,
            recurrent=spec.recurrent_weight is not None,
            always_on=self.spec.layers[number].bias is not None,
            **common,
        )

    def _teacher_settings(self, spec: DenseSpec) -> TeacherSettings | None:
        learning = self.spec.learning
        if not spec.plastic or learning is None:
            return None
        return TeacherSettings(
            scale=factor_scale(self.schedule, learning.learning_rate, spec.neuron.decay),
            gate=gate_scale(self.schedule),
            accumulate=learning.mode == "accumulate",
            recurrent=spec.recurrent_weight is not None,
        )

    def _connect(self) -> None:
        spikes = self._source.s_out
        for layer in self._layers:
            spikes.connect(layer.synapses.s_in)
            layer.synapses.a_out.connect(layer.neurons.a_in)
            _connect_recurrence(layer)
            self._connect_plasticity(layer)
            if isinstance(layer.neurons, LIFLayer):
                spikes = layer.neurons.s_out
        self._source.target_out.connect(self._layers[-1].neurons.target_in)
        self._feedback_processes = self._connect_feedback()

    def _connect_plasticity(self, layer: _Layer) -> None:
        """Third factors, gates and trace references between a layer and its own synapses.

        A connected port must be sent to at every step, so unused gates stay unconnected.
        """
        learning, neurons = self.spec.learning, layer.neurons
        for synapses, trace in ((layer.synapses, "trace"), (layer.recurrent, "recurrent_trace")):
            if not isinstance(synapses, LearningDense):
                continue
            neurons.y1_out.connect(synapses.s_in_y1)
            getattr(neurons, trace).connect_var(synapses.x1)
            if learning is not None and learning.mode == "accumulate":
                neurons.y2_out.connect(synapses.s_in_y2)
                neurons.y3_out.connect(synapses.s_in_y3)

    def _connect_feedback(self) -> list[AbstractProcess]:
        learning = self.spec.learning
        if learning is None:
            return []
        count = len(self.spec.learning_layers)
        receiving = self._layers[-count:]
        processes = []
        for layer, above in itertools.pairwise(receiving):
            process = self._make_feedback(layer, above)
            direct = learning.feedback == "direct"
            sender = self._layers[-1].neurons.error_out if direct else above.neurons.factor_out
            sender.connect(process.s_in)
            process.a_out.connect(layer.neurons.feedback_in)
            processes.append(process)
        return processes

    def _make_feedback(self, layer: _Layer, above: _Layer) -> Dense | LiveFeedback:
        learning = self.spec.learning
        assert learning is not None
        name = f"{layer.spec.name}.feedback"
        if learning.feedback != "exact":
            matrix = learning.feedback_matrices[layer.spec.name].copy()
            return Dense(weights=matrix, num_message_bits=GRADED_BITS, name=name)
        process = LiveFeedback(
            schedule=self.schedule,
            weight=above.spec.weight.copy(),
            columns=above.synapses.weights.shape[1],
            reads=above.spec.plastic,
            name=name,
        )
        if above.spec.plastic:
            process.weights.connect_var(above.synapses.weights)
        return process


def _connect_recurrence(layer: _Layer) -> None:
    if layer.recurrent is not None:
        layer.neurons.s_prev_out.connect(layer.recurrent.s_in)
        layer.recurrent.a_out.connect(layer.neurons.a_in)


def _with_bias(spec: DenseSpec) -> np.ndarray:
    """Weights [post, pre], with the bias as one more column where there is one."""
    if spec.bias is None:
        return spec.weight
    return np.concatenate((spec.weight, spec.bias[:, np.newaxis]), axis=1)


def _read_back(layer: _Layer) -> DenseSpec:
    spec = layer.spec
    if not spec.plastic:
        return spec
    weights = np.array(layer.synapses.weights.get())
    bias = None if spec.bias is None else weights[:, -1]
    recurrent = None if layer.recurrent is None else np.array(layer.recurrent.weights.get())
    weight = weights if bias is None else weights[:, :-1]
    return replace(spec, weight=weight, bias=bias, recurrent_weight=recurrent)


def _require_binary(frames: np.ndarray) -> None:
    other = frames[(frames != 0) & (frames != 1)]
    if other.size:
        raise ValueError(
            f"frames hold the value {other[0]}; Lava's synapses take binary spikes (0 or 1): "
            "frame the events with binary=True"
        )
