"""The Lava processes of a program, made and connected."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

from onchip.lava.feedback import Feedback, make_feedback
from onchip.lava.processes.always_on import AlwaysOnUnit
from onchip.lava.processes.eraser import Eraser
from onchip.lava.processes.inlet import SpikeInlet
from onchip.lava.processes.lif import LIFLayer
from onchip.lava.processes.readout import Readout
from onchip.lava.processes.relay import Relay
from onchip.lava.processes.source import SpikeSource
from onchip.lava.runtime.compilation import quiet_processes
from onchip.lava.runtime.memory import read_var
from onchip.lava.synapses import make_synapses
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.program.lower import learned
from onchip.program.populations import flattened
from onchip.program.program import FeedbackPath, Neurons, Program, Synapses


@dataclass
class LavaLayer:
    """The Lava processes of one population and of the synapses into it, by their names."""

    population: Neurons
    neurons: LIFLayer | Readout
    incoming: dict[str, Any] = field(default_factory=dict)

    @property
    def synapses(self) -> Any:
        """The first synapses into the population."""
        return next(iter(self.incoming.values()))

    @property
    def recurrent(self) -> Any | None:
        """Its synapses from itself, or None."""
        return self.incoming.get(f"{self.population.name}.recurrent")


class Processes(NamedTuple):
    """All processes of a network: its source, its layers, the synapses of the feedback."""

    source: SpikeSource | SpikeInlet
    layers: list[LavaLayer]
    feedback: list[Feedback]


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
    return learned(program, _plastic_weights(program, layers))


def _plastic_weights(program: Program, layers: list[LavaLayer]) -> Mapping[str, np.ndarray]:
    processes = {name: p for layer in layers for name, p in layer.incoming.items()}
    return {
        s.name: read_var(processes[s.name].weights).reshape(s.weights.shape)
        for s in program.synapses
        if s.plastic
    }


class _Assembly:
    """Makes the source and the layers, in order; then they are connected, feedback last."""

    def __init__(self, program: Program, record: bool, hosted: bool) -> None:
        self._program, self._record, self._hosted = program, record, hosted
        self._schedule = program.schedule
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
        neurons = self._make_neurons(population, into)
        return LavaLayer(population, neurons, {s.name: make_synapses(s) for s in into})

    def _make_neurons(self, population: Neurons, into: tuple[Synapses, ...]) -> LIFLayer | Readout:
        recurrent = [s for s in into if s.source == s.target]
        common: dict[str, Any] = {
            "schedule": self._schedule,
            "arithmetic": flattened(population.computes, population.shape),
            "shape": (math.prod(population.shape),),
            "inputs": into[0].weights.shape[-1],
            "teacher": population.teacher,
            "name": population.name,
        }
        if population is self._program.readout or not population.spiking:
            hosted = self._hosted and population is self._program.readout
            return Readout(hosted=hosted, offset=population.offset, **common)
        return LIFLayer(
            offset=population.offset,
            answers=population.answers,
            record=self._record,
            recurrent=bool(recurrent),
            learns_recurrence=any(s.plastic for s in recurrent),
            always_on=self._program.has_always_on(population.name),
            **common,
        )

    def connect(self) -> None:
        """Spikes from layer to layer, currents into neurons, what neurons teach, the target."""
        for layer in self.layers:
            for synapses in self._program.into(layer.population.name):
                self._connect_synapses(synapses, layer)
        for layer in self.layers:
            if isinstance(layer.neurons, Readout):
                self.source.target_out.connect(layer.neurons.target_in)

    def _connect_synapses(self, synapses: Synapses, layer: LavaLayer) -> None:
        process = layer.incoming[synapses.name]
        self._spikes_of(synapses).connect(process.s_in)
        process.a_out.connect(layer.neurons.a_in)
        if synapses.plastic:
            self._connect_plasticity(synapses, layer)

    def _spikes_of(self, synapses: Synapses) -> Any:
        """The port whose spikes come to synapses in the phase of their target."""
        if synapses.source == synapses.target:
            return self._by_name[synapses.source].neurons.s_prev_out
        if synapses.source == ALWAYS_ON:
            offset = self._by_name[synapses.target].population.offset - 1
            unit = AlwaysOnUnit(
                schedule=self._schedule, offset=offset, name=f"{synapses.name}.unit"
            )
            return unit.s_out
        at_input = synapses.source == INPUT
        sender: Any = self.source if at_input else self._by_name[synapses.source].neurons
        port = sender.s_out if synapses.always_on else sender.spikes_out
        offset = 0 if at_input else self._by_name[synapses.source].population.offset
        sends = self._by_name[synapses.target].population.offset - 1
        steps = sends - offset + synapses.delay * self._schedule.period
        if steps == 0 and not synapses.delay:
            return port
        return self._relayed(port, steps, sends, synapses.delay, synapses.name)

    def _relayed(self, port: Any, steps: int, offset: int, first: int, name: str) -> Any:
        """The port of a relay of what another sends."""
        relay = Relay(
            schedule=self._schedule,
            steps=steps,
            offset=offset,
            first=first,
            size=math.prod(port.shape),
            name=f"{name}.relay",
        )
        port.connect(relay.s_in)
        return relay.s_out

    def _connect_plasticity(self, synapses: Synapses, layer: LavaLayer) -> None:
        """Third factors and gates of a layer's own synapses, and what zeroes their variables.

        A connected port must be sent to at every step, so unused gates stay unconnected.
        """
        process, neurons, teacher = (
            layer.incoming[synapses.name],
            layer.neurons,
            layer.population.teacher,
        )
        assert teacher is not None and synapses.plasticity is not None
        for name in teacher.used:
            getattr(neurons, f"{name}_out").connect(getattr(process, f"s_in_{name}"))
        variables = {"x1": process.x1}
        if synapses.plasticity.second is not None:
            variables["x2"] = process.x2
        if synapses.plasticity.keeps_tag:
            variables["tag_1"] = process.tag_1
        if synapses.plasticity.dd:
            variables["tag_2"] = process.tag_2
        own = self._trace_port(synapses, layer)
        if own is not None and own.shape == process.x1.shape:
            own.connect_var(variables.pop("x1"))
        for name, variable in variables.items():
            eraser = Eraser(
                schedule=self._schedule,
                shape=variable.shape,
                name=f"{synapses.name}.{name}.eraser",
            )
            eraser.variable.connect_var(variable)

    def _trace_port(self, synapses: Synapses, layer: LavaLayer) -> Any:
        """The port through which neurons zero the trace themselves, if they have one for it."""
        if synapses.source == synapses.target:
            return layer.neurons.recurrent_trace
        first = self._program.into(synapses.target)[0]
        return layer.neurons.trace if synapses is first else None

    def connect_feedback(self) -> list[Feedback]:
        """Make and connect the synapses of every route."""
        return [self._connect_route(route) for route in self._program.routes]

    def _connect_route(self, route: FeedbackPath) -> Feedback:
        process = make_feedback(self._program, route, self._by_name)
        source, target = (self._by_name[name] for name in (route.source, route.target))
        port = source.neurons.error_out if route.is_error else source.neurons.factor_out
        sent, answers = source.population.answers, target.population.answers
        assert sent is not None and answers is not None
        if answers - 1 != sent:
            port = self._relayed(port, answers - 1 - sent, answers - 1, 0, route.name)
        port.connect(process.s_in)
        process.a_out.connect(target.neurons.feedback_in)
        return process
