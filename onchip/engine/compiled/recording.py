"""What a recorder is told of a sample that kernels have computed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping

import numpy as np

from onchip.engine.compiled.columns import SIZE, UNIT
from onchip.engine.compiled.wiring import Parts, Wiring, neurons_of, size_of
from onchip.program.program import Program

Array = np.ndarray


class Recording:
    """The spikes of a sample, to be told step by step as the engine tells them."""

    def __init__(self, program: Program, parts: Parts, wiring: Wiring, dtype: np.dtype) -> None:
        self._program, self._dtype, end = program, dtype, neurons_of(wiring)
        self._units = {
            population.name: slice(row[UNIT], row[UNIT] + row[SIZE])
            for population, row in zip(parts.populations, wiring.populations, strict=True)
        }
        *others, last = parts.populations
        answering = [last, *(p for p in reversed(others) if not p.spiking)]
        ends = [0, *itertools.accumulate(size_of(p) for p in answering)]
        pairs = itertools.starmap(slice, itertools.pairwise(ends))
        self._outputs = dict(zip((p.name for p in answering), pairs, strict=True))
        self._widths = (ends[1], ends[-1])
        self._nothing: Array = np.zeros((0, end), np.uint8)
        self._spikes: Array = np.zeros((program.graph.time_steps, end), np.uint8)

    def width(self, wanted: bool) -> int:
        """How many outputs of a step a kernel writes: those of all readouts where they are wanted.

        The first are the network's.
        """
        return self._widths[wanted]

    def room(self, wanted: bool) -> Array:
        """Where a kernel writes spikes [T, neurons]: without rows where they are not wanted."""
        return self._spikes if wanted else self._nothing

    def rooms(self, steps: int) -> Array:
        """Where a kernel writes the spikes [steps, neurons] of several samples."""
        return np.zeros((steps, self._nothing.shape[1]), np.uint8)

    def tell_all(
        self, recorder: Callable[[str, Array], None], outputs: Array, spikes: Array
    ) -> None:
        """As `tell` for a batch that was only run: `outputs` [samples, T, `width`].

        `spikes` [samples, T, neurons], as kernels have written them.
        """
        for n in range(outputs.shape[1]):
            for population in self._program.populations:
                values = spikes[:, n, self._units[population.name]]
                if population.name in self._outputs:
                    values = outputs[:, n, self._outputs[population.name]]
                shape = (len(values), *population.shape)
                recorder(population.name, values.reshape(shape).astype(self._dtype))

    def tell(
        self, recorder: Callable[[str, Array], None], outputs: Array, below: Mapping[str, Array]
    ) -> None:
        """Call `recorder(name, output [1, ...])` of all steps, as kernels have written them.

        `outputs` [T, `width`] are the readouts'; `below` [T, size] the spikes of those below.
        """
        for n in range(len(outputs)):
            for population in self._program.populations:
                name = population.name
                if name in self._outputs:
                    values = outputs[n, self._outputs[name]]
                elif name in below:
                    values = below[name][n]
                else:
                    values = self._spikes[n, self._units[name]]
                recorder(name, values.reshape(1, *population.shape).astype(self._dtype))
