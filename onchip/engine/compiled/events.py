"""Frames as lists of the inputs that are not zero."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import HARD, KIND, SIZE, UNIT
from onchip.engine.compiled.jit import inner, jitted

Array = np.ndarray


@jitted
def collect(frames: Array, starts: Array, inputs: Array, first: int) -> int:
    """List the inputs of each step that are not 0; returns how many were listed so far.

    `frames` [T, pre]; those of step n come to lie in `inputs` (int64) from `starts`[n] to
    `starts`[n + 1], beginning with the place `first`. Room for T pre of them is needed.
    """
    count = first
    for n in range(frames.shape[0]):
        starts[n] = count
        for i in range(frames.shape[1]):
            inputs[count] = i
            count += frames[n, i] != 0
    starts[frames.shape[0]] = count
    return count


@jitted
def take_values(frames: Array, starts: Array, inputs: Array, values: Array) -> None:
    """Copy what `collect` listed: `values`, of the network's type, has the places of `inputs`."""
    for n in range(frames.shape[0]):
        for q in range(starts[n], starts[n + 1]):
            values[q] = frames[n, inputs[q]]


@inner
def place_of(source: int, n: int, populations: Array, starts: Array, firing: Array) -> Any:
    """Where what a connection's source spiked in step n is listed: begin and end.

    In `inputs` for what comes from outside (`starts` [X, T + 1] as `collect` made them), else in
    the row of `fired` of the step's parity; nothing before the first step.
    """
    if n < 0:
        return 0, 0
    if source < 0:
        return starts[-1 - source, n], starts[-1 - source, n + 1]
    begin = populations[source, UNIT]
    return begin, begin + firing[n & 1, source]


@inner
def copy(into: Array, values: Array) -> None:
    """into = values, of one length."""
    for j in range(into.size):
        into[j] = values[j]


@inner
def read_out(output: Array, populations: Array, u: Array, spikes: Array) -> None:
    """The network's output of a step: the last population's membranes, or its spikes.

    As far as there is room those of other readouts follow, from the last down.
    """
    count, last = 0, populations.shape[0] - 1
    for q in range(last + 1):
        population = populations[last - q]
        first, size = population[UNIT], population[SIZE]
        spiking = population[KIND] <= HARD
        if (spiking and q > 0) or count + size > output.size:
            continue
        for j in range(size):
            output[count + j] = spikes[first + j] if spiking else u[first + j]
        count += size


@inner
def record(n: int, recorded: Array, spikes: Array) -> None:
    """Keep the spikes of step n in `recorded` uint8 [T, neurons], if that has rows."""
    if recorded.shape[0] > 0:
        for j in range(spikes.size):
            recorded[n, j] = np.uint8(spikes[j])
