"""The learning of the engine in floating point: factors, gradients and their updates."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from onchip.checks import check_output
from onchip.engine.learner import NO_LEARNING, Signals
from onchip.engine.populations import EnginePopulation
from onchip.engine.real_shares import weighed
from onchip.engine.real_synapses import Gradient, RealSynapses
from onchip.engine.state import State
from onchip.network.parts import Learning
from onchip.program.program import FeedbackPath, Program
from onchip.rules.feedback import send_back

Array = np.ndarray

Gradients = list[tuple[RealSynapses, Gradient]]
"""One step's gradients of the plastic synapses."""


class _Stage(NamedTuple):
    """A population with a factor: what feeds errors back to it, and its plastic synapses.

    Nothing feeds a readout, which has an error of its own.
    """

    population: EnginePopulation
    feeds: list[tuple[str, bool, Callable[[Array], Array]]]
    plastic: list[RealSynapses]


class RealLearner:
    """The mean of a batch's gradients, from the readout down, all with the weights of one step."""

    samples_at_once = None

    def __init__(
        self, program: Program, populations: Mapping[str, EnginePopulation], dtype: np.dtype
    ) -> None:
        self._dtype, self._learning = dtype, program.graph.learning
        self._time_steps = program.graph.time_steps
        self._stages = _stages(program, populations, dtype)
        self.start(1)

    def start(self, batch: int) -> None:
        """Drop the gradients of unfinished samples."""
        self._sums: dict[str, State] = {}
        self._pending: Gradients = []
        self._memory: dict[str, Any] = {}
        self.signals: dict[str, Signals] = {}

    def target(self, targets: Any) -> Array:
        """Targets [batch, outputs]."""
        self._require_learning()
        return np.asarray(targets, dtype=self._dtype)

    def before_output(self) -> None:
        """Nothing: updates act between the steps."""

    def after_step(self, output: Array, target: Array | None) -> None:
        """Learn from this step, or apply what the one before has left."""
        if target is None:
            self._apply(self._pending)
            self._pending = []
            return
        learning = self._require_learning()
        gradients = self._gradients(learning, target)
        if learning.mode == "accumulate":
            self._accumulate(gradients)
        elif learning.update_delay:
            self._apply(self._pending)
            self._pending = gradients
        else:
            self._apply(gradients)

    def finish(self) -> None:
        """Apply what accumulated or is still delayed."""
        for stage in self._stages:
            for synapses in stage.plastic:
                sums = self._sums.get(synapses.synapses.name)
                if sums is not None:
                    synapses.subtract(sums)
        self._apply(self._pending)
        self.start(0)

    def idle(self, samples: int, steps: int) -> None:
        """Nothing: no number is random."""

    def require_finished(self) -> None:
        """Raise ValueError while gradients wait."""
        if self._sums or self._pending:
            raise ValueError("engine: gradients of an unfinished sample wait; call finish() first")

    def _require_learning(self) -> Learning:
        if self._learning is None:
            raise ValueError(NO_LEARNING)
        return self._learning

    def _error(self, learning: Learning, readout: EnginePopulation, target: Array) -> Array:
        """The error of a readout, [batch, outputs]."""
        output, name = readout.spikes.reshape(len(target), -1), readout.neurons.name
        check_output(output)
        error: Array
        error, self._memory[name] = learning.objective.step(
            output, target, self._memory.get(name), self._time_steps
        )
        return error

    def _gradients(self, learning: Learning, target: Array) -> Gradients:
        errors: dict[str, Array] = {}
        factors: dict[str, Array] = {}
        gradients: Gradients = []
        for population, feeds, plastic in self._stages:
            name = population.neurons.name
            if not feeds:
                errors[name] = signal = self._error(learning, population, target)
            for index, (source, is_error, send) in enumerate(feeds):
                sent = send(errors[source] if is_error else factors[source])
                signal = sent if index == 0 else signal + sent
            if not population.flat:
                signal = signal.reshape(-1, *population.neurons.shape)
            factor = signal
            if population.neurons.spiking:  # a readout's derivative is 1
                factor = population.neurons.computes.factor(signal, population.neuron)
            factors[name] = factor
            self.signals[name] = Signals(signal, factor)
            gradients += [(synapses, weighed(synapses, factor, signal)) for synapses in plastic]
        return gradients

    def _accumulate(self, gradients: Gradients) -> None:
        for synapses, gradient in gradients:
            name = synapses.synapses.name
            if name not in self._sums:
                self._sums[name] = synapses.zeros()
            synapses.accumulate(self._sums[name], gradient)

    @staticmethod
    def _apply(gradients: Gradients) -> None:
        for synapses, gradient in gradients:
            synapses.add(gradient, -synapses.rate)


def _stages(
    program: Program, populations: Mapping[str, EnginePopulation], dtype: np.dtype
) -> list[_Stage]:
    """The populations with a factor, from the readout down."""
    if program.graph.learning is None:
        return []
    found = []
    for neurons in reversed(program.populations):
        population = populations[neurons.name]
        routes = [route for route in program.routes if route.target == neurons.name]
        if not routes and neurons.name not in program.graph.readouts:
            continue
        feeds = [(r.source, r.is_error, _sender(r, populations, dtype)) for r in routes]
        found.append(_Stage(population, feeds, [i.synapses for i in population.plastic]))
    return found


def _sender(
    route: FeedbackPath, populations: Mapping[str, EnginePopulation], dtype: np.dtype
) -> Callable[[Array], Array]:
    """B g through a fixed matrix, or through the live weights."""
    if route.matrix is not None:
        matrix = route.matrix.astype(dtype)
        return lambda factor: send_back(factor.reshape(len(factor), -1), matrix)
    if route.transform is not None:
        transform, weight = route.transform, route.transform.weight.astype(dtype)
        return lambda factor: transform.send_back(factor, weight)
    into = populations[route.source].incoming
    live: RealSynapses = next(i.synapses for i in into if i.synapses.synapses.name == route.live)
    return live.send_back
