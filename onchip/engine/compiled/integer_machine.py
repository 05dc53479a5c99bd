"""An engine of integers on the compiled kernels."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from onchip.arithmetic.draws import LearningDraws
from onchip.engine.compiled.columns import ALWAYS_ON, COUNT, ONLINE, PRE, ROWS, SIZE, UNIT, WEIGHTS
from onchip.engine.compiled.integer_constants import integer_constants, integer_wiring
from onchip.engine.compiled.integer_layout import (
    Draws,
    Synaptic,
    input_rows,
    make_neural,
    make_work,
)
from onchip.engine.compiled.maps import laid_out, put_back
from onchip.engine.compiled.outside import Outside
from onchip.engine.compiled.recording import Recording
from onchip.engine.compiled.rooms import zeros
from onchip.engine.compiled.runs import Runs
from onchip.engine.compiled.wiring import parts_of, parts_that_run, weights_of
from onchip.neurons.base import NeuronState
from onchip.program.program import Program

Array = np.ndarray


class IntegerMachine:
    """The arrays of one engine, laid out for the kernels.

    Weights, tags and traces are copied from the engine when it has changed them, and back when
    somebody looks (`give_back`); between samples they stay here.
    """

    def __init__(self, program: Program, populations: Any, learns: bool = True) -> None:
        """Lay out a program; `populations` are the engine's, by name.

        Unless it `learns` it only runs, also what kernels cannot learn.
        """
        parts = parts_of(program) if learns else parts_that_run(program)
        self._program, self._wiring = program, integer_wiring(program, parts)
        self._constants = integer_constants(program, parts)
        self._outside = Outside(parts, populations, np.dtype(np.int64), program.inputs)
        self._recording = Recording(program, parts, self._wiring, np.dtype(np.int64))
        self._runs = Runs(program, self._recording, np.dtype(np.int64))
        self._populations = [populations[p.name] for p in parts.populations]
        self._synapses = [i.synapses for p in self._populations for i in p.incoming]
        period, self._pipelined, mode = self._constants.facts.tolist()
        self._neural = make_neural(self._wiring)
        self._work = make_work(self._wiring, period, program.classes)
        self._epochs = program.graph.time_steps + self._pipelined + 2 * (mode != ONLINE)
        shape = (len(self._synapses), self._epochs)
        self._draws = Draws(np.zeros(shape), np.zeros(shape), np.zeros(shape))
        self._synaptic = self._room(mode != ONLINE)
        self._taken = self._ahead = False

    def _room(self, tagged: bool) -> Synaptic:
        rows, weights = input_rows(self._wiring), weights_of(self._wiring)
        tags = zeros(weights if tagged else 1, np.int16)
        return Synaptic(zeros(weights, np.int16), tags, np.zeros(rows, np.uint8))

    def takes(self, samples: int, recorded: bool) -> bool:
        """Whether it learns from so many samples in a call: one after the other."""
        return True

    def learn(self, frames: Array, given: Array, recorder: Any = None) -> Array:
        """Learn from samples [samples, T, ...]: outputs, int64; `given` as for `RealMachine`."""
        self._take()
        width = self._recording.width(recorder is not None)
        outputs = np.zeros((*frames.shape[:2], width), np.int64)
        network, room = self._network(), self._recording.room(recorder is not None)
        for sample, wanted, output in zip(frames, given, outputs, strict=True):
            events, labels = self._outside.events(sample), self._labels(wanted)
            self._draw()
            self._kernel(*events, labels, output, room, *network)
            if recorder is not None:
                self._recording.tell(recorder, output, self._outside.below)
        self._ahead = True
        return outputs if recorder is None else outputs[..., : self._program.classes]

    def run(self, frames: Array, recorder: Any = None) -> Array:
        """Run samples [samples, T, ...], learning off: outputs, int64."""
        self._take()
        return self._runs.run(self._running, self._forward(), frames, recorder)

    def compile_runs(self) -> None:
        """Compile the kernel that runs samples."""
        self._runs.compile(self._running, self._forward())

    def compile(self) -> None:
        """Compile the kernel: let it learn from a sample without steps, and without weights."""
        self.forget()
        self._synaptic.weights[:] = 0
        self._synaptic.tags[:] = 0
        self._draws.y[:] = 0
        none = np.zeros((1, 0, *self._program.graph.input_shape), np.uint8)
        output = np.zeros((0, self._program.classes), np.int64)
        room, labels = self._recording.room(False), np.zeros(0, np.int64)
        self._kernel(*self._outside.events(none[0]), labels, output, room, *self._network())

    @functools.cached_property
    def _kernel(self) -> Any:
        from onchip.engine.compiled.integer_samples import learn_sample

        return learn_sample

    @functools.cached_property
    def _running(self) -> Any:
        from onchip.engine.compiled.integer_runs import run_samples

        return run_samples

    def _forward(self) -> tuple[Any, ...]:
        return self._wiring, self._constants, self._synaptic, self._neural, self._work

    def _network(self) -> tuple[Any, ...]:
        changing = (self._synaptic, self._neural, self._work)
        return self._wiring, self._constants, self._draws, *changing

    def _labels(self, given: Array) -> Array:
        """The classes of a sample's steps."""
        return given

    def forget(self) -> None:
        """The engine's own arrays have changed, or may: take them at the next sample."""
        self.give_back()
        self._taken = False

    def give_back(self) -> None:
        """Write what was learned, and the last state, to the engine's arrays."""
        if not self._ahead:
            return
        self._ahead = False
        for index, synapses in enumerate(self._synapses):
            if synapses.plastic:
                weights, tags, x1 = self._views(index)
                transform, learning = synapses.synapses.transform, synapses.learning
                put_back(weights, transform, learning.weights)
                learning.x1[...] = x1
                if tags is not None:
                    put_back(tags, transform, learning.tag)
                synapses.changed()
        for index, population in enumerate(self._populations):
            row = self._wiring.populations[index]
            units = slice(row[UNIT], row[UNIT] + row[SIZE])
            arrays = (self._neural.u[units], self._neural.spikes[units])
            shape = (1, *population.neurons.shape)
            population.neuron = NeuronState(*(array.reshape(shape).copy() for array in arrays))
            population.spikes = population.before = population.neuron.spikes

    def _take(self) -> None:
        if self._taken:
            return
        self._taken = True
        for index, synapses in enumerate(self._synapses):
            weights, tags, x1 = self._views(index)
            transform = synapses.synapses.transform
            weights[:] = laid_out(transform, synapses.weights)
            if synapses.plastic:
                x1[...] = synapses.learning.x1
                if tags is not None:
                    tags[:] = laid_out(transform, synapses.learning.tag)

    def _views(self, index: int) -> tuple[Array, Array | None, Array]:
        """Weights, tags and traces [inputs] of a connection, in the flat arrays."""
        row, synaptic = self._wiring.connections[index], self._synaptic
        inputs = row[PRE] + row[ALWAYS_ON]
        own = slice(row[WEIGHTS], row[WEIGHTS] + row[COUNT])
        tags = synaptic.tags[own] if synaptic.tags.size > 1 else None
        return synaptic.weights[own], tags, synaptic.x1[row[ROWS] : row[ROWS] + inputs]

    def _draw(self) -> None:
        """The random numbers of a sample's epochs."""
        for index, synapses in enumerate(self._synapses):
            if synapses.plastic:
                draws: LearningDraws = synapses.draws
                if self._pipelined:
                    draws.skip(self._program.schedule.depth - 1)
                for row, numbers in zip(self._draws, draws.take(self._epochs), strict=True):
                    row[index] = numbers
