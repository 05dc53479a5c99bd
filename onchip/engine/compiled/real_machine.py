"""An engine of real numbers on the compiled kernels."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from onchip.checks import check_output
from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    PLASTIC,
    PRE,
    ROWS,
    SIZE,
    UNIT,
)
from onchip.engine.compiled.outside import Outside
from onchip.engine.compiled.real_constants import NOTHING_LEFT, real_constants, real_wiring
from onchip.engine.compiled.real_layout import (
    NOTHING,
    ONLINE,
    make_history,
    make_memory,
)
from onchip.engine.compiled.real_weights import RealWeights
from onchip.engine.compiled.recording import Recording
from onchip.engine.compiled.runs import Runs
from onchip.engine.compiled.wiring import parts_of, parts_that_run
from onchip.program.program import Program

Array = np.ndarray


class RealMachine:
    """The arrays of one engine, laid out for the kernels.

    The engine's weights and biases become views of one flat array, so that they are the same for
    both. Its neurons and traces get the last sample's when somebody looks (`give_back`), and so do
    weights that are shared, which lie otherwise here.
    """

    _named: tuple[str, ...] = ("u", "spikes", "second", "trace")
    """What of `_present` a batch's samples leave."""

    def __init__(
        self, program: Program, populations: Any, dtype: np.dtype, learns: bool = True
    ) -> None:
        """Lay out a program; `populations` are the engine's, by name.

        Unless it `learns` it only runs, also what kernels cannot learn.
        """
        parts = parts_of(program) if learns else parts_that_run(program)
        self._program, self._dtype = program, dtype
        self._wiring = real_wiring(program, parts, dtype)
        self._constants = real_constants(program, parts, self._wiring, dtype)
        self._outside = Outside(parts, populations, dtype, program.inputs)
        self._recording = Recording(program, parts, self._wiring, dtype)
        self._runs = Runs(program, self._recording, dtype)
        self._populations = [populations[p.name] for p in parts.populations]
        self._synapses = [i.synapses for p in self._populations for i in p.incoming]
        self._memory = make_memory(self._wiring, dtype, program.graph.time_steps, program.classes)
        self._scales = -self._constants.rates
        self._online = bool(self._constants.facts[ONLINE])
        self._last: list[dict[str, Array]] = []
        self._recent = False
        self._weights = RealWeights(self._wiring, self._synapses, dtype)

    def takes(self, samples: int, recorded: bool) -> bool:
        """Whether it learns from a batch of so many samples."""
        return samples == 1 or not (self._online or recorded)

    def learn(self, frames: Array, given: Array, recorder: Any = None) -> Array:
        """Learn from samples [samples, T, ...]: outputs.

        `given` are classes [samples, T], or where the objective is no classification its targets
        [samples, T, outputs].
        """
        self._weights.take()
        samples = len(frames)
        width = self._recording.width(recorder is not None)
        outputs = np.zeros((*frames.shape[:2], width), self._dtype)
        sums, scales = self._sums(samples)
        self._weights.learn()
        room = self._recording.room(recorder is not None)
        self._last = []
        for sample, wanted, output in zip(frames, given, outputs, strict=True):
            events, labels = self._events(sample), self._labels(wanted)
            made = self._kernel(*events, labels, output, room, *self._network(sums, scales))
            if samples > 1:
                self._last.append(self._state())
            if made < len(output):
                self._recent = samples == 1
                check_output(output[: made + 1])
                check_output(self._memory.u)  # it was a local readout
        if recorder is not None:
            self._recording.tell(recorder, outputs[0], self._outside.below)
        if sums is not self._weights.flat:
            self._weights.flat += sums
        self._recent = samples == 1
        return outputs if recorder is None else outputs[..., : self._program.classes]

    def run(self, frames: Array, recorder: Any = None) -> Array:
        """Run samples [samples, T, ...], learning off: outputs."""
        self._weights.take()
        self._last, self._recent = [], False
        return self._runs.run(self._running, self._forward(), frames, recorder)

    def compile_runs(self) -> None:
        """Compile the kernel that runs samples."""
        self._runs.compile(self._running, self._forward())

    def forget(self) -> None:
        """The engine's own arrays have changed, or may."""
        self.give_back()
        self._weights.forget()

    def give_back(self) -> None:
        """Write the last samples' neurons and traces to the engine's arrays."""
        self._weights.give_back()
        states = [self._present()] if self._recent else self._last
        self._last, self._recent = [], False
        if not states:
            return
        stacked = {name: np.stack([s[name] for s in states]) for name in self._named}
        for row, population in zip(self._wiring.populations, self._populations, strict=True):
            units, shape = slice(row[UNIT], row[UNIT] + row[SIZE]), population.neurons.shape
            kind = type(population.neuron)
            names = ("u", "spikes", "second")[: len(kind._fields)]
            arrays = (stacked[name][:, units].reshape(-1, *shape).copy() for name in names)
            population.neuron = kind(*arrays)
            population.spikes = population.before = population.neuron.spikes
        for c, row in enumerate(self._wiring.connections):
            self._give_synapses(c, row, stacked)

    def _give_synapses(self, c: int, row: Array, stacked: dict[str, Array]) -> None:
        """Write the traces of connection `c`."""
        synapses = self._synapses[c]
        if row[PLASTIC]:
            self._give_traces(row, synapses, 0, stacked["trace"][:, row[ROWS] :])

    @staticmethod
    def _give_traces(row: Array, synapses: Any, index: int, trace: Array) -> None:
        """Write a trace of synapses, the `index`-th, which begins with its first input."""
        end = row[PRE]
        synapses.traces[index] = trace[:, :end].copy()
        if row[ALWAYS_ON]:
            synapses.bias_traces[index] = float(trace[0, end])

    def compile(self) -> None:
        """Compile the kernel: let it learn from a sample without steps."""
        none = np.zeros((0, *self._program.graph.input_shape), np.uint8)
        output = np.zeros((0, self._program.classes), self._dtype)
        network = self._network(*self._sums(1))
        self.give_back()
        room, labels = self._recording.room(False), np.zeros(0, np.int64)
        self._kernel(*self._events(none), labels, output, room, *network)

    @functools.cached_property
    def _kernel(self) -> Any:
        if self._online:
            from onchip.engine.compiled.real_samples import learn_online

            return learn_online
        from onchip.engine.compiled.real_sums import add_sample

        return add_sample

    @functools.cached_property
    def _running(self) -> Any:
        from onchip.engine.compiled.real_runs import run_samples

        return run_samples

    def _forward(self) -> tuple[Any, ...]:
        nothing_online = self._constants._replace(facts=np.zeros_like(self._constants.facts))
        return self._wiring, nothing_online, self._weights.flat, self._memory

    @functools.cached_property
    def _history(self) -> Any:
        return make_history(self._wiring, self._dtype, self._program.graph.time_steps)

    def _network(self, sums: Array, scales: Array) -> tuple[Any, ...]:
        network = (self._wiring, self._constants, self._weights.flat, self._memory)
        return network if self._online else (*network, self._history, sums, scales)

    def _events(self, sample: Array) -> tuple[Array, Array, Array]:
        starts, inputs = self._outside.events(sample)
        values, largest = self._outside.values(self._dtype)
        self._constants.numbers[NOTHING] = NOTHING_LEFT * min(largest, 1.0)
        return starts, inputs, values

    def _sums(self, samples: int) -> tuple[Array, Array]:
        """Where the gradients of accumulated samples go, and times what for each connection.

        Those of a single sample go straight to the weights, which it reads no more by then.
        """
        if samples == 1:
            return self._weights.flat, self._scales
        return np.zeros_like(self._weights.flat), self._scales / self._dtype.type(samples)

    def _labels(self, given: Array) -> Array:
        """The classes of a sample's steps."""
        return given

    def _present(self) -> dict[str, Array]:
        """State and traces after a sample."""
        return self._memory._asdict()

    def _state(self) -> dict[str, Array]:
        """As `_present`, copied."""
        present = self._present()
        return {name: present[name].copy() for name in self._named}
