"""The populations of the engine: the synapses into them, their neurons and their state."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from onchip.engine.state import State
from onchip.neurons.base import NeuronState
from onchip.program.program import Neurons

Array = np.ndarray


@dataclass(eq=False)
class Source:
    """What spikes: the frames, or the neurons of a population.

    `spikes` are those of the present step, `before` those of the step before.
    """

    spikes: Array = field(default_factory=lambda: np.zeros((1, 0)))
    before: Array = field(default_factory=lambda: np.zeros((1, 0)))


@dataclass(eq=False)
class Incoming:
    """Synapses and where their spikes come from; `delay` 1 takes those of the step before."""

    synapses: Any
    source: Source
    delay: int


class EnginePopulation(Source):
    """One population: its neurons, the synapses into it and what changes.

    `connect` gives it its synapses, once all populations are there.
    """

    def __init__(self, neurons: Neurons, dtype: np.dtype) -> None:
        super().__init__()
        self.neurons, self._dtype = neurons, dtype
        self._computes: Any = neurons.computes
        self.flat = len(neurons.shape) == 1
        self._advance: Callable[..., tuple[Array, NeuronState]] = neurons.computes.stepper()
        self.incoming: Sequence[Incoming] = ()
        self.neuron = self._start(1)

    def connect(self, incoming: Sequence[Incoming]) -> None:
        """Take the synapses into the population, the first of them without delay."""
        self.incoming = incoming
        self._first, *self._others = incoming

    @property
    def plastic(self) -> list[Incoming]:
        """The incoming synapses that learn."""
        return [incoming for incoming in self.incoming if incoming.synapses.plastic]

    def reset(self, batch: int) -> None:
        """Zero neurons, spikes and traces for a batch of samples."""
        self.neuron = self._start(batch)
        self.spikes = self.before = self.neuron.spikes
        for incoming in self.incoming:
            incoming.synapses.reset(batch)

    def _start(self, batch: int) -> NeuronState:
        zeros = np.zeros((batch, *self.neurons.shape), self._dtype)
        state: NeuronState = self._computes.start(zeros)
        return state

    def current(self) -> Array:
        """What the synapses send in this step: [batch, *shape]; advances their traces."""
        first = self._first
        total: Array = first.synapses.current(first.source.spikes)
        if not self.flat or total.ndim > 2:
            total = self._shaped(total)
        for incoming in self._others:
            source = incoming.source
            spikes = source.before if incoming.delay else source.spikes
            total = total + self._shaped(incoming.synapses.current(spikes))
        return total

    def _shaped(self, current: Array) -> Array:
        """Currents as the population: those of dense synapses are rows, of convolutions maps."""
        if self.flat and current.ndim == 2:
            return current
        return current.reshape(-1, *self.neurons.shape)

    def fire(self, current: Array) -> Array:
        """Advance the neurons; returns their output [batch, *shape]."""
        self.spikes, self.neuron = self._advance(current, self.neuron)
        return self.spikes

    @functools.cached_property
    def tells(self) -> bool:
        """Whether some synapses are told more than the factor, for an eligibility of their own."""
        return any(incoming.synapses.listens for incoming in self.incoming)

    def fire_and_tell(self, current: Array) -> Array:
        """As `fire`; then the eligibilities of the synapses advance."""
        before, output = self.neuron, self.fire(current)
        told: dict[Any, Any] = {}
        for incoming in self.plastic:
            kind = incoming.synapses.kind
            if kind not in told:
                told[kind] = self._computes.observe(kind, before, current, self.neuron)
            incoming.synapses.hear(told[kind])
        return output

    def state(self) -> State:
        """The neurons' arrays [batch, ...], and those of plastic synapses by "kind_array"."""
        found = dict(self.neuron._asdict())
        for incoming in self.plastic:
            kind = prefix_of(incoming.synapses.synapses.name)
            for name, array in incoming.synapses.state().items():
                found[name if name.startswith("bias") else kind + name] = array
        return found

    def restore(self, state: State) -> None:
        """Take over a state of the same names and shapes."""
        fields = {name: state[name] for name in self.neuron._fields}
        self.neuron = type(self.neuron)(**fields)
        self.spikes = self.before = self.neuron.spikes
        for incoming in self.plastic:
            kind = prefix_of(incoming.synapses.synapses.name)
            own = {
                name: state[name if name.startswith("bias") else kind + name]
                for name in incoming.synapses.state()
            }
            incoming.synapses.restore(own)

    def batched(self) -> set[str]:
        """The names of a state's arrays whose first axis is the batch."""
        found = set(self.neuron._fields)
        for incoming in self.plastic:
            kind = prefix_of(incoming.synapses.synapses.name)
            found |= {
                name if name.startswith("bias") else kind + name
                for name in incoming.synapses.batched()
            }
        return found


def prefix_of(synapses: str) -> str:
    """What the arrays of synapses begin with in a state: nothing for the first of a population."""
    kind = synapses.rpartition(".")[2]
    return "" if kind == "synapses" else f"{kind}_"
