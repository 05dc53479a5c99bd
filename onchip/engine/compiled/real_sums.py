"""A sample of real numbers in one call, whose gradients are summed up: nothing changes before.

A spike at step n adds E[n] = sum_{q >= n} lambda^(q - n) g[q] to the gradient of its input's
weights, which over all spikes is the sum over all steps of trace times factor.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    COUNT,
    DELAY,
    DENSE,
    FIRST,
    MAP,
    PLASTIC,
    POPULATION,
    POST,
    PRE,
    ROWS,
    SHARED_BIAS,
    SIZE,
    SOURCE,
    TARGET,
    UNIT,
    WEIGHTS,
)
from onchip.engine.compiled.events import copy, read_out, record
from onchip.engine.compiled.jit import jitted, merged
from onchip.engine.compiled.real_layout import NEURON_DECAY, History, RealConstants, RealMemory
from onchip.engine.compiled.real_rows import add_scaled
from onchip.engine.compiled.real_shared import add_shared
from onchip.engine.compiled.real_steps import backward, begin, forward
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def add_sample(
    starts: Array,
    inputs: Array,
    values: Array,
    labels: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
    history: History,
    sums: Array,
    scales: Array,
) -> int:
    """Add `scales` [C] times the sample's gradients to `sums`, which are laid out as `weights`.

    `sums` may be the weights: they are written to after the last step. Other arguments and the
    result are as those of `learn_online`; where an output was not finite nothing is added.
    """
    steps, populations = outputs.shape[0], wiring.populations.shape[0]
    begin(memory)
    for n in range(steps):
        forward(n, 0, populations, starts, inputs, values, wiring, constants, weights, memory)
        read_out(outputs[n], wiring.populations, memory.u, memory.spikes)
        record(n, recorded, memory.spikes)
        if not backward(n, labels[n], wiring, constants, weights, memory):
            return n
        copy(history.factors[n], memory.factor)
        copy(history.fired[n], memory.fired[n & 1])
        copy(history.firing[n], memory.firing[n & 1])
    add_history(starts, inputs, values, steps, wiring, constants, memory, history, sums, scales)
    return steps


@merged
def add_history(
    starts: Array,
    inputs: Array,
    values: Array,
    steps: int,
    wiring: Wiring,
    constants: RealConstants,
    memory: RealMemory,
    history: History,
    sums: Array,
    scales: Array,
) -> None:
    """Add the gradients of a sample whose steps are in `history`, where it had any."""
    if steps == 0:
        return
    for index in range(wiring.stages.shape[0]):
        _filter(wiring.stages[index, POPULATION], wiring, constants, history)
    for c in range(wiring.connections.shape[0]):
        if wiring.connections[c, PLASTIC] == 1:
            first = wiring.connections[c, WEIGHTS]
            own = sums[first : first + wiring.connections[c, COUNT]]
            _add_connection(
                wiring.connections[c], starts, inputs, values, wiring, constants, memory, history,
                own, scales[c],
            )  # fmt: skip


@merged
def _filter(p: int, wiring: Wiring, constants: RealConstants, history: History) -> None:
    """E[n] in place of g[n]."""
    first, last = wiring.populations[p, UNIT], wiring.populations[p, UNIT]
    last += wiring.populations[p, SIZE]
    for n in range(history.factors.shape[0] - 2, -1, -1):
        following = history.factors[n + 1, first:last]
        add_scaled(history.factors[n, first:last], following, constants.neurons[p, NEURON_DECAY])


@merged
def _add_connection(
    connection: Array,
    starts: Array,
    inputs: Array,
    values: Array,
    wiring: Wiring,
    constants: RealConstants,
    memory: RealMemory,
    history: History,
    sums: Array,
    scale: Any,
) -> None:
    """What the spikes of all steps add to a connection, and to its traces."""
    post, first, source = connection[POST], connection[FIRST], connection[SOURCE]
    decay, steps = constants.neurons[connection[TARGET], NEURON_DECAY], history.factors.shape[0]
    trace, shared = memory.trace[connection[ROWS] :], connection[MAP] != DENSE
    for n in range(steps):
        filtered, m = history.factors[n, first : first + post], n - connection[DELAY]
        left = decay ** (steps - 1 - n)
        spikes, sent = inputs[:0], memory.ones
        if m >= 0 and source < 0:
            spikes = inputs[starts[-1 - source, m] : starts[-1 - source, m + 1]]
            sent = values[starts[-1 - source, m] :]
        elif m >= 0:
            unit = wiring.populations[source, UNIT]
            spikes = history.fired[m, unit : unit + history.firing[m, source]]
        if connection[MAP] == SHARED_BIAS:
            spikes = memory.unit
            memory.unit[0] = 0
        if shared:
            add_shared(connection, filtered, scale, spikes, sent, sums, wiring, memory)
        for q in range(spikes.size):
            i = spikes[q]
            if not shared:
                add_scaled(sums[i * post : (i + 1) * post], filtered, scale * sent[q])
            trace[i] += left * sent[q]
        if connection[ALWAYS_ON]:
            i = connection[PRE]
            add_scaled(sums[i * post : (i + 1) * post], filtered, scale)
            trace[i] += left
