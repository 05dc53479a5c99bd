"""The Lava processes of a network of dense layers, made and connected."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, NamedTuple

from lava.proc.dense.process import Dense, LearningDense

from onchip.lava.processes.inlet import SpikeInlet
from onchip.lava.processes.lif import LIFLayer
from onchip.lava.processes.live_feedback import LiveFeedback
from onchip.lava.processes.readout import Readout
from onchip.lava.processes.source import SpikeSource
from onchip.lava.runtime.compilation import quiet_processes
from onchip.lava.runtime.memory import read_var
from onchip.network.spec import NetworkSpec
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.timetable import Schedule


@dataclass
class LavaLayer:
    """The Lava processes of one dense layer; `spec` is a `DenseSpec` or `FixedDenseSpec`."""

    spec: Any
    synapses: Dense | LearningDense
    recurrent: Dense | LearningDense | None
    neurons: LIFLayer | Readout


class Processes(NamedTuple):
    """All processes of a network: its source, its layers, the synapses of the feedback."""

    source: SpikeSource | SpikeInlet
    layers: list[LavaLayer]
    feedback: list[Dense | LiveFeedback]


def assemble(
    spec: NetworkSpec | FixedNetworkSpec,
    schedule: Schedule,
    precision: Any,
    record: bool = False,
    hosted: bool = True,
) -> Processes:
    """Make the processes and connect them; with `record` every layer sends its spikes to the host.

    `precision` (`onchip.lava.precision`) makes what differs between floating point and integers.
    With `hosted` the samples come from the host, else from other processes (`SpikeInlet`).
    """
    with quiet_processes():
        assembly = _Assembly(spec, schedule, precision, record, hosted)
        assembly.connect()
        return Processes(assembly.source, assembly.layers, assembly.connect_feedback())


def learned_layers(layers: list[LavaLayer], precision: Any) -> tuple[Any, ...]:
    """The specifications of the layers with the weights that their running processes hold."""
    return tuple(_learned_layer(layer, precision) for layer in layers)


def _learned_layer(layer: LavaLayer, precision: Any) -> Any:
    if not layer.spec.plastic:
        return layer.spec
    weights = read_var(layer.synapses.weights)
    recurrent = None if layer.recurrent is None else read_var(layer.recurrent.weights)
    return precision.read_back(layer.spec, weights, recurrent)


class _Assembly:
    """Makes the source and the layers, in order; then they are connected, feedback last."""

    def __init__(
        self,
        spec: NetworkSpec | FixedNetworkSpec,
        schedule: Schedule,
        precision: Any,
        record: bool,
        hosted: bool,
    ) -> None:
        self._spec, self._schedule = spec, schedule
        self._precision, self._record, self._hosted = precision, record, hosted
        self.source = self._make_source()
        self.layers = [self._make_layer(i + 1) for i in range(len(spec.layers))]

    def _make_source(self) -> SpikeSource | SpikeInlet:
        kind = SpikeSource if self._hosted else SpikeInlet
        return kind(
            schedule=self._schedule,
            inputs=self._spec.input_size,
            classes=self._spec.classes,
            always_on=self._precision.has_always_on(self._spec.layers[0]),
            name="source",
        )

    def _make_layer(self, number: int) -> LavaLayer:
        spec: Any = self._spec.layers[number - 1]
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
            "schedule": self._schedule,
            "arithmetic": self._precision.arithmetic(spec),
            "shape": spec.output_shape,
            "inputs": inputs,
            "teacher": self._precision.teacher(spec),
            "name": spec.name,
        }
        if number == len(self._spec.layers):
            return Readout(hosted=self._hosted, **common)
        return LIFLayer(
            layer=number,
            record=self._record,
            recurrent=spec.recurrent_weight is not None,
            always_on=self._precision.has_always_on(self._spec.layers[number]),
            **common,
        )

    def connect(self) -> None:
        spikes = self.source.s_out
        for layer in self.layers:
            spikes.connect(layer.synapses.s_in)
            layer.synapses.a_out.connect(layer.neurons.a_in)
            _connect_recurrence(layer)
            self._connect_plasticity(layer)
            if isinstance(layer.neurons, LIFLayer):
                spikes = layer.neurons.s_out
        self.source.target_out.connect(self.layers[-1].neurons.target_in)

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

    def connect_feedback(self) -> list[Dense | LiveFeedback]:
        learning = self._spec.learning
        if learning is None:
            return []
        count = len(self._spec.learning_layers)
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
            schedule=self._schedule,
            weight=self._precision.live_weight(above.spec),
            columns=above.synapses.weights.shape[1],
            reads=above.spec.plastic,
            name=name,
        )
        if above.spec.plastic:
            process.weights.connect_var(above.synapses.weights)
        return process


def _connect_recurrence(layer: LavaLayer) -> None:
    if layer.recurrent is not None:
        layer.neurons.s_prev_out.connect(layer.recurrent.s_in)
        layer.recurrent.a_out.connect(layer.neurons.a_in)
