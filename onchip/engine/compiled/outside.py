"""What comes to the compiled populations from outside: frames, and spikes of those below them."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from onchip.engine.compiled.wiring import Parts
from onchip.network.parts import INPUT

Array = np.ndarray


class Outside:
    """Lists the events of a sample; the populations below are stepped as the engine does."""

    def __init__(self, parts: Parts, populations: Any, dtype: np.dtype, inputs: int) -> None:
        self._names, self._dtype, self._size = parts.outside, dtype, inputs
        self._below = [populations[p.name] for p in parts.below]
        self._sizes = {p.name: int(np.prod(p.shape)) for p in parts.below}
        self._starts: Array = np.zeros((0, 0), np.int64)
        self._inputs: Array = np.zeros(0, np.int64)
        self._values: Array = np.zeros(0, dtype)
        self._ones = True
        self.arrays: list[Array] = []
        self.below: dict[str, Array] = {}
        incoming = [i for p in self._below for i in p.incoming]
        sources = (i.source for i in incoming if i.synapses.synapses.source == INPUT)
        self._source: Any = next(sources, None)

    def events(self, frames: Array) -> tuple[Array, Array]:
        """(starts [X, T + 1], inputs) of a sample [T, ...] for `events.place_of`."""
        self.arrays = self._outside(frames)
        room = sum(array.size for array in self.arrays) + 1
        if len(self._inputs) < room:
            self._inputs = np.zeros(room, np.int64)
        if self._starts.shape[1] != len(frames) + 1:
            self._starts = np.zeros((len(self.arrays), len(frames) + 1), np.int64)
        count = 0
        for starts, array in zip(self._starts, self.arrays, strict=True):
            count = self._collect(array, starts, self._inputs, count)
        return self._starts, self._inputs

    @functools.cached_property
    def _collect(self) -> Any:
        from onchip.engine.compiled.events import collect

        return collect

    def values(self, dtype: np.dtype) -> tuple[Array, float]:
        """What the listed events are worth, and the largest magnitude of them (1 for spikes)."""
        from onchip.engine.compiled.events import take_values

        if len(self._values) < len(self._inputs):
            self._values, self._ones = np.ones(len(self._inputs), dtype), True
        if all(array.dtype == np.uint8 and array.max(initial=0) <= 1 for array in self.arrays):
            if not self._ones:
                self._values[:], self._ones = 1, True
            return self._values, 1.0
        self._ones, largest = False, 0.0
        for starts, array in zip(self._starts, self.arrays, strict=True):
            take_values(array, starts, self._inputs, self._values)
            largest = max(largest, float(np.abs(array).max(initial=0)))
        return self._values, largest

    def _outside(self, frames: Array) -> list[Array]:
        """What spikes at each step [T, size], in the order of the kernels' sources."""
        flat = in_plain_type(frames.reshape(len(frames), self._size))
        if not self._below:
            return [flat]
        self.below = self._step_below(frames)
        found = {INPUT: flat, **self.below}
        return [found[name] for name in self._names]

    def _step_below(self, frames: Array) -> dict[str, Array]:
        """The spikes of the populations below [T, size]."""
        for population in self._below:
            population.reset(1)
        steps: dict[str, list[Array]] = {p.neurons.name: [] for p in self._below}
        for frame in frames[:, np.newaxis].astype(self._dtype, copy=False):
            if self._source is not None:
                self._source.spikes = frame
            for population in self._below:
                population.before = population.spikes
            for population in self._below:
                population.fire(population.current())
                steps[population.neurons.name].append(population.spikes.reshape(-1))
        return {
            name: np.array(spikes, np.uint8).reshape(len(frames), self._sizes[name])
            for name, spikes in steps.items()
        }


def in_plain_type(frames: Array) -> Array:
    """Return frames as uint8, float64 or int64: kernels are compiled for each of them."""
    kind = frames.dtype.kind
    if kind in "bu" and frames.dtype.itemsize == 1:
        return np.ascontiguousarray(frames).view(np.uint8)
    return np.ascontiguousarray(frames, np.float64 if kind == "f" else np.int64)
