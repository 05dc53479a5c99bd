"""A network of Lava processes built from a specification: runs, learns, returns a learned one."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig
from lava.proc.dense.process import Dense, LearningDense

from onchip.checks import check_binary, check_frames, check_labels
from onchip.execution import RunResult
from onchip.fixed_point.neurons import FixedLIF
from onchip.fixed_point.spec import FixedNetworkSpec
from onchip.lava.precision import precision_of
from onchip.lava.processes.lif import LIFLayer
from onchip.lava.processes.live_feedback import LiveFeedback
from onchip.lava.processes.readout import Readout
from onchip.lava.processes.source import SpikeSource
from onchip.lava.supervisor import Supervisor
from onchip.neurons import LIF
from onchip.schedule import make_schedule
from onchip.spec import NetworkSpec


@dataclass
class LavaLayer:
    """The Lava processes of one dense layer; `spec` is a `DenseSpec` or `FixedDenseSpec`."""

    spec: Any
    synapses: Dense | LearningDense
    recurrent: Dense | LearningDense | None
    neurons: LIFLayer | Readout


class LavaNetwork:
    """A network of dense layers as Lava processes in the CPU simulator.

    The type of `spec` decides the precision: floating point for a `NetworkSpec`, integers (Lava's
    `fixed_pt`) for a `FixedNetworkSpec`, whose outputs are int64 membrane integers. Plastic
    synapses are stock `LearningDense`, frozen ones `Dense`; convolutions stay on the host
    (`onchip.spec.split_trunk` parts them). `schedule` is "sequenced" or "pipelined" (see
    `onchip.schedule`). With `record` the results carry every layer's spikes. Use as a context
    manager; the OS processes end with it. Raises ValueError when the spec does not fit the
    schedule and LavaExecutionError when a process fails.
    """

    def __init__(
        self,
        spec: NetworkSpec | FixedNetworkSpec,
        schedule: str = "sequenced",
        *,
        record: bool = False,
        run_config: RunConfig | None = None,
    ) -> None:
        """Build and start; `run_config` is Loihi2SimCfg of the spec's precision by default."""
        self.spec = spec
        self._record = record
        self.schedule = make_schedule(schedule, spec)
        self._precision: Any = precision_of(spec, self.schedule)
        self._source = self._make_source()
        self.layers = [self._make_layer(i + 1) for i in range(len(spec.layers))]
        self._connect()
        config = run_config or Loihi2SimCfg(select_tag=self._precision.tag)
        self.supervisor = Supervisor(self._source, config)
        self.supervisor.start()

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
        self.supervisor.close()

    def run(self, frames: np.ndarray) -> RunResult:
        """Inference, learning switched off: `frames` [samples, T, *input_shape]."""
        return self._stream(frames, None)

    def learn(self, frames: np.ndarray, labels: np.ndarray) -> RunResult:
        """Learn from one sample after the other, in order; `labels` int [samples]."""
        if self.spec.learning is None:
            raise ValueError("network: it has no learning section; use onchip.spec.with_learning")
        return self._stream(frames, check_labels(labels, len(frames), self.spec.classes))

    def snapshot(self) -> Any:
        """The spec with the present weights, read from the running processes."""
        self.supervisor.require_runtime()
        layers = tuple(self._read_back(layer) for layer in self.layers)
        spec: Any = self.spec
        return replace(spec, layers=layers)

    def _stream(self, frames: np.ndarray, labels: np.ndarray | None) -> RunResult:
        self.supervisor.require_runtime()
        frames = check_frames(frames, self.spec)
        check_binary(frames)
        frames = frames.reshape(*frames.shape[:2], -1).astype(self._precision.dtype)
        targets = [None] * len(frames) if labels is None else labels
        runs = [self._run_sample(*pair) for pair in zip(frames, targets, strict=True)]
        outputs, spikes = zip(*runs, strict=True)
        names = spikes[0]
        return RunResult(np.stack(outputs), {n: np.stack([s[n] for s in spikes]) for n in names})

    def _run_sample(
        self, frames: np.ndarray, label: int | None
    ) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        self.send_sample(frames, label)
        self.supervisor.run(self.schedule.steps_per_sample)
        return self.receive_sample()

    def send_sample(self, frames: np.ndarray, label: int | None) -> None:
        """Hand the source a sample [T, inputs]; `label` None switches learning off."""
        target = np.zeros(self.spec.classes + 1, self._precision.dtype)
        if label is not None:
            target[[label, -1]] = 1
        frames = frames.astype(self._precision.dtype)
        self._source.frames_in.external_pipe_csp_send_port.send(frames)
        self._source.target_in.external_pipe_csp_send_port.send(target)

    def receive_sample(self) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """Outputs [T, classes] and recorded spikes after `schedule.steps_per_sample` steps."""
        output = self.layers[-1].neurons.outputs_host.external_pipe_csp_recv_port.recv()
        if self._precision.dtype != np.float64:
            output = output.astype(np.int64)
        return output, self._receive_spikes(output)

    def _receive_spikes(self, output: np.ndarray) -> dict[str, np.ndarray]:
        if not self._record:
            return {}
        spikes = {
            layer.spec.name: layer.neurons.spikes_host.external_pipe_csp_recv_port.recv()
            for layer in self.layers[:-1]
        }
        last = self.layers[-1].spec
        if isinstance(last.neuron, (LIF, FixedLIF)):
            spikes[last.name] = output
        return {name: values.astype(np.uint8) for name, values in spikes.items()}

    def _make_source(self) -> SpikeSource:
        return SpikeSource(
            schedule=self.schedule,
            inputs=self.spec.input_size,
            classes=self.spec.classes,
            always_on=self._precision.has_always_on(self.spec.layers[0]),
            name="source",
        )

    def _make_layer(self, number: int) -> LavaLayer:
        spec: Any = self.spec.layers[number - 1]
        make, weights = self._precision.synapses, self._precision.weights(spec)
        incoming = make(spec, weights, number, False, f"{spec.name}.synapses")
        recurrent = None
        if spec.recurrent_weight is not None:
            own = spec.recurrent_weight
            recurrent = make(spec, own, number, True, f"{spec.name}.recurrent")
        neurons = self._make_neurons(spec, number, weights.shape[1])
        return LavaLayer(spec, incoming, recurrent, neurons)

    def _make_neurons(self, spec: Any, number: int, inputs: int) -> LIFLayer | Readout:
        common: dict[str, Any] = {
            "schedule": self.schedule,
            "arithmetic": self._precision.arithmetic(spec),
            "shape": spec.output_shape,
            "inputs": inputs,
            "teacher": self._precision.teacher(spec),
            "name": spec.name,
        }
        if number == len(self.spec.layers):
            return Readout(**common)
        return LIFLayer(
            layer=number,
            record=self._record,
            recurrent=spec.recurrent_weight is not None,
            always_on=self._precision.has_always_on(self.spec.layers[number]),
            **common,
        )

    def _connect(self) -> None:
        spikes = self._source.s_out
        for layer in self.layers:
            spikes.connect(layer.synapses.s_in)
            layer.synapses.a_out.connect(layer.neurons.a_in)
            _connect_recurrence(layer)
            self._connect_plasticity(layer)
            if isinstance(layer.neurons, LIFLayer):
                spikes = layer.neurons.s_out
        self._source.target_out.connect(self.layers[-1].neurons.target_in)
        self._feedback_processes = self._connect_feedback()

    def _connect_plasticity(self, layer: LavaLayer) -> None:
        """Third factors, gates and trace references between a layer and its own synapses.

        A connected port must be sent to at every step, so unused gates stay unconnected.
        """
        teacher, neurons = self._precision.teacher(layer.spec), layer.neurons
        for synapses, trace in ((layer.synapses, "trace"), (layer.recurrent, "recurrent_trace")):
            if not isinstance(synapses, LearningDense):
                continue
            getattr(neurons, trace).connect_var(synapses.x1)
            for name in teacher.used:
                getattr(neurons, f"{name}_out").connect(getattr(synapses, f"s_in_{name}"))

    def _connect_feedback(self) -> list[AbstractProcess]:
        learning = self.spec.learning
        if learning is None:
            return []
        count = len(self.spec.learning_layers)
        receiving = self.layers[-count:]
        processes = []
        for layer, above in itertools.pairwise(receiving):
            process = self._make_feedback(layer, above)
            direct = learning.feedback == "direct"
            sender = self.layers[-1].neurons.error_out if direct else above.neurons.factor_out
            sender.connect(process.s_in)
            process.a_out.connect(layer.neurons.feedback_in)
            processes.append(process)
        return processes

    def _make_feedback(self, layer: LavaLayer, above: LavaLayer) -> Dense | LiveFeedback:
        name = f"{layer.spec.name}.feedback"
        fixed: Dense | None = self._precision.feedback(layer.spec, name)
        if fixed is not None:
            return fixed
        process = LiveFeedback(
            schedule=self.schedule,
            weight=self._precision.live_weight(above.spec),
            columns=above.synapses.weights.shape[1],
            reads=above.spec.plastic,
            name=name,
        )
        if above.spec.plastic:
            process.weights.connect_var(above.synapses.weights)
        return process

    def _read_back(self, layer: LavaLayer) -> Any:
        if not layer.spec.plastic:
            return layer.spec
        weights = np.array(layer.synapses.weights.get())
        recurrent = None if layer.recurrent is None else np.array(layer.recurrent.weights.get())
        return self._precision.read_back(layer.spec, weights, recurrent)


def _connect_recurrence(layer: LavaLayer) -> None:
    if layer.recurrent is not None:
        layer.neurons.s_prev_out.connect(layer.recurrent.s_in)
        layer.recurrent.a_out.connect(layer.neurons.a_in)
