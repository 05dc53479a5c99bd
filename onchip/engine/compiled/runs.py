"""Samples that are only run by kernels, many in one call, and when that is faster than NumPy.

A kernel's work follows the spikes, of one sample after the other; NumPy multiplies whole matrices,
for a batch of samples at a time. CPU time of a sample by NumPy as a multiple of that by a kernel,
one sample and 32 at once, T = 10, one thread (`tests/benchmarks/bench_runs.py`):

    inputs that      784-256-10               conv 32->64, 16x16
    are not 0     float64   integers         float64   integers
      2 %        5.0   6.9  9.0  6.7        7.1   7.0  6.2  5.8
      5 %        4.8   4.6  8.8  5.8        5.0   4.7  5.0  4.3
     10 %        4.3   3.1  8.4  4.6        3.6   2.9  4.2  2.9
     20 %        4.9   1.9  7.9  3.3        2.1   1.7  3.3  1.8
     40 %        3.7   1.0  8.8  2.3        1.2   1.0  2.4  1.1
    100 %        2.3   0.5  8.9  1.2        0.6   0.5  1.3  0.6

So it is the share of the inputs that decides, and never a measured time: what a call computes is
the same on every machine. What hidden populations spike is not known before.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from onchip.engine.compiled.outside import in_plain_type
from onchip.engine.compiled.recording import Recording
from onchip.program.graphs import INTEGERS
from onchip.program.program import Program

Array = np.ndarray

Network = tuple[Any, ...]
"""What a kernel gets of a machine, after the events and the room for what comes out."""

LARGEST_SHARE = {False: (0.4, 0.25), True: (1.0, 0.35)}
"""Share of the inputs that are not 0 up to which kernels run one sample, and several of them, by
whether they are integers."""

BLOCK = 2**20
"""Inputs, spiking or not, that are listed at a time: bounds the memory."""


def is_sparse(frames: Array, integers: bool) -> bool:
    """Return whether kernels run samples [samples, T, ...] faster than NumPy."""
    largest = LARGEST_SHARE[integers][len(frames) > 1]
    return largest >= 1 or np.count_nonzero(frames) <= largest * frames.size


def products(program: Program) -> int:
    """Return how many products of a weight and an input a step of a sample has, if all spike."""
    found = 0
    for synapses in program.synapses:
        positions = int(np.prod(synapses.transform.output_shape[1:]))
        found += synapses.weights.size * positions
    return found


class Runs:
    """Lists samples for a kernel `run_samples` and takes its answers apart."""

    def __init__(self, program: Program, recording: Recording, dtype: np.dtype) -> None:
        self._program, self._recording, self._dtype = program, recording, dtype
        steps = program.graph.time_steps
        self._at_once = max(1, BLOCK // (steps * program.inputs))
        self._own: Array = np.zeros((1, steps + 1), np.int64)
        self._inputs: Array = np.zeros(0, np.int64)
        self._ones: Array = np.zeros(0, dtype)

    def run(self, kernel: Any, network: Network, frames: Array, recorder: Any) -> Array:
        """Run `frames` [samples, T, ...]; returns outputs [samples, T, classes]."""
        samples, steps = frames.shape[:2]
        width = self._recording.width(recorder is not None)
        outputs = np.zeros((samples * steps, width), self._dtype)
        recorded = self._recording.rooms(len(outputs) if recorder is not None else 0)
        for block in self._blocks(samples):
            rows = slice(block.start * steps, block.stop * steps)
            events = self._events(frames[block].reshape(rows.stop - rows.start, -1))
            kernel(*events, self._own, outputs[rows], recorded[rows], *network)
        answers = outputs.reshape(samples, steps, -1)
        if recorder is not None:
            self._recording.tell_all(recorder, answers, recorded.reshape(samples, steps, -1))
        return answers[..., : self._program.classes]

    def compile(self, kernel: Any, network: Network) -> None:
        """Compile a kernel: let it run no sample."""
        none = np.zeros((0, self._program.inputs), np.uint8)
        output = np.zeros((0, self._program.classes), self._dtype)
        kernel(*self._events(none), self._own, output, self._recording.rooms(0), *network)

    def _blocks(self, samples: int) -> Iterator[slice]:
        for start in range(0, samples, self._at_once):
            yield slice(start, min(start + self._at_once, samples))

    def _events(self, frames: Array) -> tuple[Array, ...]:
        """(starts, inputs) of frames [steps, inputs] as `events.collect` lists them.

        In floating point their values, too.
        """
        from onchip.engine.compiled.events import collect

        flat = in_plain_type(frames)
        if len(self._inputs) <= flat.size:
            self._inputs = np.zeros(flat.size + 1, np.int64)
        starts = np.zeros(len(flat) + 1, np.int64)
        collect(flat, starts, self._inputs, 0)
        if self._program.numbers == INTEGERS:
            return starts, self._inputs
        return starts, self._inputs, self._worth(flat, starts)

    def _worth(self, flat: Array, starts: Array) -> Array:
        """What the listed inputs are worth."""
        if flat.dtype == np.uint8 and flat.max(initial=0) <= 1:
            if len(self._ones) < len(self._inputs):
                self._ones = np.ones(len(self._inputs), self._dtype)
            return self._ones
        from onchip.engine.compiled.events import take_values

        values = np.zeros(starts[-1] + 1, self._dtype)
        take_values(flat, starts, self._inputs, values)
        return values
