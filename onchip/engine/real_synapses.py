"""The synapses of the engine in floating point: weights that learning writes to, and their traces.

In-place writes happen only here and in `onchip.engine.kernels`, on copies of the network's arrays.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from onchip.engine.state import State
from onchip.program.program import Synapses
from onchip.rules.eligibility import Arrays
from onchip.rules.filtered import Instantaneous
from onchip.rules.traces import trace_step

Array = np.ndarray


class Gradient(NamedTuple):
    """One step's gradient of some synapses.

    Unfiltered it is kept as its factors, of which a whole matrix is never made: `factor` g [batch,
    post], `trace` a [batch, pre], `bias_trace` c. A filtered one is `whole` [*weight shape], with
    `bias` [post].
    """

    factor: Array
    trace: Array
    bias_trace: float = 0.0
    whole: Array | None = None
    bias: Array | None = None


class RealSynapses(ABC):
    """Synapses of one connection: weights, and traces where they learn."""

    def __init__(self, synapses: Synapses, dtype: np.dtype) -> None:
        self.synapses, self.plastic = synapses, synapses.plastic
        self._dtype = dtype
        rule = synapses.rule
        self.kind = Instantaneous() if rule is None else rule.kind
        self.listens = rule is not None and not rule.plain
        self.filtered = bool(self.kind.variables)
        self.rate = 0.0 if rule is None else rule.learning_rate
        self._traces = synapses.traces if self.plastic else ()
        self._plain = len(self._traces) == 1 and self._traces[0][0] == 1

    def reset(self, batch: int) -> None:
        """Zero the traces for a batch of samples."""
        size = self.synapses.transform.inputs
        self.traces = [np.zeros((batch, size), self._dtype) for _ in self._traces]
        self.bias_traces = [0.0 for _ in self._traces]
        shape = self.synapses.transform.weight.shape
        has_bias = self.filtered and self.synapses.always_on
        self.kept = self._empty((batch, *shape)) if self.filtered else ()
        self.bias_kept = self._empty((batch, shape[0])) if has_bias else ()

    def _empty(self, shape: tuple[int, ...]) -> Arrays:
        return tuple(np.zeros(shape, self._dtype) for _ in self.kind.variables)

    @abstractmethod
    def current(self, x: Array) -> Array:
        """What spikes x [batch, ...] give: [batch, *target shape]; advances the traces."""

    @abstractmethod
    def send_back(self, factor: Array) -> Array:
        """The signal [batch, inputs] of factors, through the present weights."""

    @abstractmethod
    def arrays(self) -> State:
        """What learns by its name, laid out as in the network (views)."""

    @abstractmethod
    def add(self, gradient: Gradient, scale: float) -> None:
        """Add `scale` times a gradient to the weights, in place."""

    @abstractmethod
    def learned(self) -> Array:
        """The weights as the program lays them out, the bias as a last column."""

    def zeros(self) -> State:
        """As many zeros as `arrays`: a sum to begin with."""
        return {name: np.zeros_like(array) for name, array in self.arrays().items()}

    @abstractmethod
    def accumulate(self, sums: State, gradient: Gradient) -> None:
        """Add a gradient to `sums` that `zeros` made."""

    def subtract(self, sums: State) -> None:
        """Subtract the rate times `sums`, which are overwritten."""
        own = self.arrays()
        for name, array in sums.items():
            array *= self.rate
            own[name] -= array

    def gradient(self, factor: Array, signal: Array) -> Gradient:
        """The gradient of this step, for a factor g and a signal L [batch, *target shape]."""
        if self.filtered:
            return self._filtered_gradient(signal)
        if self.listens:
            factor = signal * self._told[0].reshape(signal.shape)
        if self._plain:
            return Gradient(factor, self.traces[0], self.bias_traces[0])
        return Gradient(factor, self.trace, self.bias_trace)

    @property
    def trace(self) -> Array:
        """a[n] [batch, inputs]: the sum of the exponentials by their amplitudes."""
        return self.traces[0] if self._plain else _weighted(self._traces, self.traces)

    @property
    def bias_trace(self) -> float:
        """c[n]."""
        if self._plain:
            return self.bias_traces[0]
        return float(_weighted(self._traces, self.bias_traces))

    def hear(self, told: Arrays) -> None:
        """Advance the eligibility by what the neurons tell of a step, [batch, *target shape]."""
        self._told = told
        if not self.filtered:
            return
        transform, step = self.synapses.transform, self.kind.step
        spread = tuple(transform.of_outputs(values) for values in told)
        self._now, self.kept = step(self.kept, transform.of_inputs(self.trace), spread)
        if self.synapses.always_on:
            rows = tuple(values.reshape(len(values), -1) for values in told)
            self._bias_now, self.bias_kept = step(self.bias_kept, self.bias_trace, rows)

    def _filtered_gradient(self, signal: Array) -> Gradient:
        spread = self.synapses.transform.of_outputs(signal)
        whole = (spread * self._now).mean(axis=0)
        bias = None
        if self.synapses.always_on:
            bias = (signal.reshape(len(signal), -1) * self._bias_now).mean(axis=0)
        return Gradient(signal, self.trace, whole=whole, bias=bias)

    def _advance(self, x: Array) -> None:
        # New arrays at every step: a delayed gradient still refers to the old ones.
        if self._plain:
            decay = self._traces[0][1]
            self.traces[0] = trace_step(self.traces[0], x, decay)
            self.bias_traces[0] = trace_step(self.bias_traces[0], 1.0, decay)
            return
        for index, (_, decay) in enumerate(self._traces):
            self.traces[index] = trace_step(self.traces[index], x, decay)
            self.bias_traces[index] = trace_step(self.bias_traces[index], 1.0, decay)

    def state(self) -> State:
        """What changes: weights, traces and eligibilities (not copied)."""
        found = self.arrays()
        for index, trace in enumerate(self.traces):
            found["trace" + _ordinal(index)] = trace
            if self.synapses.always_on:
                found["bias_trace" + _ordinal(index)] = np.array(self.bias_traces[index])
        return found | self._eligibilities()

    def _eligibilities(self) -> State:
        names = self.kind.variables
        found = dict(zip(names, self.kept, strict=True)) if self.kept else {}
        if self.bias_kept:
            found |= {f"bias_{n}": a for n, a in zip(names, self.bias_kept, strict=True)}
        return found

    def batched(self) -> set[str]:
        """The names of a state's arrays whose first axis is the batch."""
        found = {"trace" + _ordinal(index) for index in range(len(self.traces))}
        return found | set(self._eligibilities())

    def restore(self, state: State) -> None:
        """Take over arrays of the same names and shapes."""
        for name, array in self.arrays().items():
            array[...] = state[name]
        for index in range(len(self.traces)):
            self.traces[index] = state["trace" + _ordinal(index)]
            if self.synapses.always_on:
                self.bias_traces[index] = float(state["bias_trace" + _ordinal(index)])
        if self.kept:
            self.kept = tuple(state[name] for name in self.kind.variables)
        if self.bias_kept:
            self.bias_kept = tuple(state[f"bias_{name}"] for name in self.kind.variables)


def _weighted(traces: Sequence[tuple[float, float]], values: Sequence) -> Array:
    """The sum of traces by their amplitudes."""
    return sum(amplitude * value for (amplitude, _), value in zip(traces, values, strict=True))


def _ordinal(index: int) -> str:
    return "" if index == 0 else f"_{index + 1}"
