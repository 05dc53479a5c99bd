"""The learning of the engine in integers: factors, learning epochs and their random numbers.

An epoch is one algorithmic step of the schedule. All plastic synapses of the network learn in the
same epochs, also in those of which they receive nothing. Those of a sample that was only run pass
too, as in Lava: their random numbers are used up.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from onchip.engine.integer_stages import Stage, plastic_of, stages_of
from onchip.engine.learner import NO_LEARNING, Signals
from onchip.engine.populations import EnginePopulation
from onchip.neurons.base import NeuronState
from onchip.program.computation import Computation
from onchip.program.program import Program
from onchip.program.teaching import third_factors
from onchip.program.timetable import Schedule, through_tags

Array = np.ndarray

Spikes = list[Array]
"""What the plastic synapses got in a step [pre], in their order."""

Factors = dict[str, Array]
"""Population name -> y1, y2, y3 [3, post]."""


class IntegerLearner:
    """Learns from one sample at a time, bit for bit as Lava's `fixed_pt` does."""

    samples_at_once = 1

    def __init__(self, program: Program, populations: Mapping[str, EnginePopulation]) -> None:
        self._program, learning = program, program.graph.learning
        accumulates = learning is not None and learning.mode == "accumulate"
        self._leaves_tags = accumulates or through_tags(program.graph)
        self._schedule: Schedule | None = program.timetable
        self._stages = stages_of(program, populations)
        self._plastic = plastic_of(program, populations)
        self._signals: dict[str, Array] = {}
        self.silent = self._silent_factors()
        self._begin()
        self._learns, self._batch = False, 1

    @property
    def _pipelined(self) -> bool:
        """Whether synapses learn one step late, from factors of the step before."""
        return self._schedule is not None and self._schedule.period == 1

    # -- samples ------------------------------------------------------------------------------

    def _begin(self) -> None:
        """Nothing has happened yet in this sample."""
        self._steps, self._learns = 0, False
        self._unlearned: list[tuple[Spikes, Factors]] = []
        self._signals = {}
        self._pending = self.silent
        self._memory: dict[str, Any] = {}
        self.signals: dict[str, Signals] = {}

    def start(self, batch: int) -> None:
        """Begin samples; of an unfinished one, traces and tags are dropped.

        What it learned online and the random numbers that it drew are not taken back.
        """
        if self._learns:
            for plastic in self._plastic:
                plastic.synapses.forget(tags=True)
        self._batch = batch
        self._begin()

    def target(self, targets: Any) -> Array:
        """The target [classes]; at a sample's first one, the synapses catch up on its steps."""
        if self._schedule is None:
            raise ValueError(NO_LEARNING)
        learning: Any = self._program.graph.learning
        targets, expected = np.asarray(targets), (1, self._program.classes)
        if self._batch != 1 or targets.shape != expected:
            raise ValueError(
                f"targets have shape {targets.shape} for a batch of {self._batch}; integers learn "
                f"from one sample at a time: reset(1), then {learning.objective.wanted} of "
                f"shape {expected}"
            )
        learning.objective.check(targets[0])
        if not self._learns:
            self._catch_up()
        own: Array = targets[0].astype(np.int64)
        return own

    def _catch_up(self) -> None:
        """Go through the epochs of the steps so far, in which nothing was to be learned."""
        self._learns = True
        assert self._schedule is not None
        # The first spikes travel through those below, or the ones that run ahead.
        self._skip(self._schedule.depth - 1 if self._pipelined else self._schedule.ahead)
        for spikes, factors in self._unlearned:
            self._epoch(spikes, factors)
        self._unlearned = []

    def before_output(self) -> None:
        """On the pipelined schedule synapses learn from the step before as they have sent."""
        if self._pipelined:
            self._pass(self._received(), self._pending)

    def after_step(self, output: Array, target: Array | None) -> None:
        """Make the factors; on the sequenced schedule every synapse learns from them now."""
        self._steps += 1
        if self._schedule is None:
            return
        factors = self._factors(target)
        if self._pipelined:
            self._pending = factors
        else:
            self._pass(self._received(), factors)

    def finish(self) -> None:
        """Apply what is still delayed or has accumulated, forget the traces."""
        if self._steps and self._schedule is not None:
            if self._learns:
                self._end_sample()
            else:
                self.idle(self._batch, self._steps)
        self._begin()

    def require_finished(self) -> None:
        """Raise ValueError within a sample."""
        if self._steps:
            raise ValueError(
                f"engine: {self._steps} steps of an unfinished sample; call finish() first"
            )

    # -- epochs -------------------------------------------------------------------------------

    def _pass(self, spikes: Spikes, factors: Factors) -> None:
        """Learn, or keep the spikes of a single sample in case targets follow."""
        if self._learns:
            self._epoch(spikes, factors)
        elif self._batch == 1:
            self._unlearned.append((spikes, factors))
            if len(self._unlearned) > self._program.graph.time_steps:  # no stream fills the memory
                self._catch_up()

    def _received(self) -> Spikes:
        """What the plastic synapses got in this step, of the batch's first sample."""
        return [plastic.synapses.received[0] for plastic in self._plastic]

    def _epoch(self, spikes: Spikes, factors: Factors) -> None:
        for (synapses, target, phase), received in zip(self._plastic, spikes, strict=True):
            synapses.learn(received, phase, factors[target])

    def _end_sample(self) -> None:
        silence = [plastic.synapses.silence() for plastic in self._plastic]
        if self._pipelined:
            self._epoch(silence, self._pending)
        if self._leaves_tags:
            self._epoch(silence, self._silent_factors(open_gate=True))
            self._epoch(silence, self.silent)
        for plastic in self._plastic:
            plastic.synapses.forget(tags=plastic.synapses.keeps_tag)

    def idle(self, samples: int, steps: int) -> None:
        """Samples of `steps` that were only run: their epochs' random numbers are used up too."""
        if self._schedule is not None:
            around = self._schedule.sample_periods - self._schedule.time_steps
            self._skip(samples * (steps + around))

    def _skip(self, epochs: int) -> None:
        for plastic in self._plastic:
            plastic.synapses.idle(epochs)

    # -- factors ------------------------------------------------------------------------------

    def _factors(self, target: Array | None) -> Factors:
        """y1, y2, y3 [3, post] of the populations that teach, for the outputs and `target`.

        Without one, what a step without a target sends.
        """
        factors = dict(self.silent)
        errors: dict[str, Array] = {}
        sent: dict[str, Array] = {}
        for stage in self._stages:
            name, computes = stage.population.neurons.name, stage.population.neurons.computes
            state = stage.population.neuron
            single = type(state)(*(array[0] for array in state))
            signal = None
            if target is not None:
                signal = self._signal(stage, errors, sent, target)
                sent[name] = computes.factor(signal, single)
                self.signals[name] = Signals(signal[np.newaxis], sent[name][np.newaxis])
            if stage.teacher is None:
                continue
            if stage.teacher.filtered:
                factors[name] = self._filtered(name, computes, signal, single)
            elif signal is not None:
                gate = 0 if stage.teacher.accumulate else stage.teacher.gate
                factors[name] = third_factors(sent[name], gate)
        return factors

    def _signal(
        self, stage: Stage, errors: dict[str, Array], sent: Mapping[str, Array], target: Array
    ) -> Array:
        """What is fed back to a population; a readout's own error, which is noted in `errors`."""
        neurons = stage.population.neurons
        if not stage.feeds:
            errors[neurons.name] = signal = self._error(stage.population, target)
        for index, (source, is_error, send) in enumerate(stage.feeds):
            fed = send(errors[source] if is_error else sent[source])
            signal = fed if index == 0 else signal + fed
        return signal.reshape(neurons.shape)

    def _error(self, readout: EnginePopulation, target: Array) -> Array:
        """The error of a readout, [outputs]."""
        name, computes = readout.neurons.name, readout.neurons.computes
        output = readout.spikes.reshape(-1)
        error: Array
        error, self._memory[name] = computes.answer(output, target, self._memory.get(name))
        return error

    def _filtered(
        self, name: str, computes: Computation, signal: Array | None, state: NeuronState
    ) -> Array:
        """psi, and the parts of the signal of the step before."""
        derivative = computes.derivative(state)
        before = self._signals.get(name, np.zeros_like(derivative))
        now = np.zeros_like(derivative) if signal is None else computes.signal(signal)
        self._signals[name] = now
        return np.stack((derivative, *third_factors(before, 0)[:2]))

    def _silent_factors(self, open_gate: bool = False) -> Factors:
        """Those of a step without a target."""
        factors = {}
        for population, _, teacher in self._stages:
            if teacher is not None:
                zeros = np.zeros(population.neurons.shape, np.int64)
                if teacher.filtered:
                    last = self._signals.get(population.neurons.name, zeros) * open_gate
                    factors[population.neurons.name] = np.stack(
                        (zeros, *third_factors(last, 0)[:2])
                    )
                    continue
                gate = teacher.gate if open_gate else 0
                factors[population.neurons.name] = third_factors(zeros, gate)
        return factors
