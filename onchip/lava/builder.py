"""The Lava processes of a program, made and connected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from lava.proc.dense.process import Dense, LearningDense
from lava.utils.weightutils import SignMode

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.lava.processes.inlet import SpikeInlet
from onchip.lava.processes.lif import LIFLayer
from onchip.lava.processes.live_feedback import LiveFeedback
from onchip.lava.processes.readout import Readout
from onchip.lava.processes.source import SpikeSource
from onchip.lava.rules import learning_rule
from onchip.lava.runtime.compilation import quiet_processes
from onchip.lava.runtime.memory import read_var
from onchip.program.lower import learned
from onchip.program.program import INPUT, INTEGERS, Neurons, Program, Route, Synapses, dtype_of

GRADED_BITS = 24
"""Message width of the feedback connections; in floating point it only marks them as graded."""


@dataclass
class LavaLayer:
    """The Lava processes of one population and of the synapses into it."""

    population: Neurons
    synapses: Dense | LearningDense
    recurrent: Dense | LearningDense | None
    neurons: LIFLayer | Readout


class Processes(NamedTuple):
    """All processes of a network: its source, its layers, the synapses of the feedback."""

    source: SpikeSource | SpikeInlet
    layers: list[LavaLayer]
    feedback: list[Dense | LiveFeedback]


def assemble(program: Program, record: bool = False, hosted: bool = True) -> Processes:
    """Make the processes and connect them; with `record` every layer sends its spikes to the host.

    With `hosted` the samples come from the host, else from other processes (`SpikeInlet`).
    """
    with quiet_processes():
        assembly = _Assembly(program, record, hosted)
        assembly.connect()
        return Processes(assembly.source, assembly.layers, assembly.connect_feedback())


def learned_network(program: Program, layers: list[LavaLayer]) -> Any:
    """Return the network with the weights that its running processes hold."""
    return learned(program, _plastic_weights(layers))


def _plastic_weights(layers: list[LavaLayer]) -> Mapping[str, np.ndarray]:
    processes = [p for layer in layers for p in (layer.synapses, layer.recurrent)]
    return {p.name: read_var(p.weights) for p in processes if isinstance(p, LearningDense)}


class _Assembly:
    """Makes the source and the layers, in order; then they are connected, feedback last."""

    def __init__(self, program: Program, record: bool, hosted: bool) -> None:
        self._program, self._record, self._hosted = program, record, hosted
        self._schedule = program.timetable
        self.source = self._make_source()
        self.layers = [self._make_layer(population) for population in program.populations]
        self._by_name = {layer.population.name: layer for layer in self.layers}

    def _make_source(self) -> SpikeSource | SpikeInlet:
        kind = SpikeSource if self._hosted else SpikeInlet
        return kind(
            schedule=self._schedule,
            inputs=self._program.inputs,
            classes=self._program.classes,
            always_on=self._program.has_always_on(INPUT),
            name="source",
        )

    def _make_layer(self, population: Neurons) -> LavaLayer:
        into = self._program.into(population.name)
        made = [self._make_synapses(synapses) for synapses in into]
        recurrent = next((p for p, s in zip(made, into, strict=True) if s.delay), None)
        neurons = self._make_neurons(population, into[0].weights.shape[1], recurrent is not None)
        return LavaLayer(population, made[0], recurrent, neurons)

    def _make_synapses(self, synapses: Synapses) -> Dense | LearningDense:
        """Synapses of integers are always of mixed sign."""
        options: dict[str, Any] = {"weights": synapses.weights.copy(), "name": synapses.name}
        options["weight_exp"] = synapses.exponent
        if synapses.plasticity is not None:
            return LearningDense(learning_rule=learning_rule(synapses.plasticity), **options)
        return Dense(sign_mode=SignMode.MIXED, **options)

    def _make_neurons(
        self, population: Neurons, inputs: int, recurrent: bool
    ) -> LIFLayer | Readout:
        common: dict[str, Any] = {
            "schedule": self._schedule,
            "arithmetic": population.computes,
            "shape": population.shape,
            "inputs": inputs,
            "teacher": population.teacher,
            "name": population.name,
        }
        if population is self._program.readout:
            return Readout(hosted=self._hosted, **common)
        return LIFLayer(
            layer=population.offset,
            record=self._record,
            recurrent=recurrent,
            always_on=self._program.has_always_on(population.name),
            **common,
        )

    def connect(self) -> None:
        """Spikes from layer to layer, currents into neurons, what neurons teach, the target."""
        for layer in self.layers:
            for synapses in self._program.into(layer.population.name):
                self._connect_synapses(synapses, layer)
        self.source.target_out.connect(self.layers[-1].neurons.target_in)

    def _connect_synapses(self, synapses: Synapses, layer: LavaLayer) -> None:
        process: Any = layer.recurrent if synapses.delay else layer.synapses
        self._spikes_of(synapses).connect(process.s_in)
        process.a_out.connect(layer.neurons.a_in)
        if isinstance(process, LearningDense):
            self._connect_plasticity(layer, process, bool(synapses.delay))

    def _spikes_of(self, synapses: Synapses) -> Any:
        if synapses.source == INPUT:
            return self.source.s_out
        neurons = self._by_name[synapses.source].neurons
        return neurons.s_prev_out if synapses.delay else neurons.s_out

    def _connect_plasticity(
        self, layer: LavaLayer, synapses: LearningDense, recurrent: bool
    ) -> None:
        """Third factors, gates and trace references between a layer and its own synapses.

        A connected port must be sent to at every step, so unused gates stay unconnected.
        """
        neurons, teacher = layer.neurons, layer.population.teacher
        assert teacher is not None
        trace = neurons.recurrent_trace if recurrent else neurons.trace
        trace.connect_var(synapses.x1)
        for name in teacher.used:
            getattr(neurons, f"{name}_out").connect(getattr(synapses, f"s_in_{name}"))

    def connect_feedback(self) -> list[Dense | LiveFeedback]:
        """Make and connect the synapses of every route."""
        processes = []
        for route in self._program.routes:
            process = self._make_feedback(route)
            sender = self._by_name[route.source].neurons
            (sender.error_out if route.is_error else sender.factor_out).connect(process.s_in)
            process.a_out.connect(self._by_name[route.target].neurons.feedback_in)
            processes.append(process)
        return processes

    def _make_feedback(self, route: Route) -> Dense | LiveFeedback:
        if route.matrix is not None:
            options: dict[str, Any] = {"num_message_bits": GRADED_BITS, "name": route.name}
            return Dense(weights=route.matrix.copy(), sign_mode=SignMode.MIXED, **options)
        return self._make_live_feedback(route)

    def _make_live_feedback(self, route: Route) -> LiveFeedback:
        """The transpose of the weights above, of which the bias's column takes no part."""
        assert route.live is not None
        synapses = self._program.named(route.live)
        columns, plastic = synapses.weights.shape[1], synapses.plasticity is not None
        process = LiveFeedback(
            schedule=self._schedule,
            weight=self._loaded(synapses.weights[:, : columns - synapses.always_on]),
            columns=columns,
            reads=plastic,
            name=route.name,
        )
        if plastic:
            process.weights.connect_var(self._by_name[synapses.target].synapses.weights)
        return process

    def _loaded(self, weights: np.ndarray) -> np.ndarray:
        """Weights as synapses hold them before any learning."""
        if self._program.numbers == INTEGERS:
            weights = drop_lowest_bit(weights)
        return np.array(weights, dtype_of(self._program.numbers))
