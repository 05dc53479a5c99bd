"""Connections of real numbers whose weights are shared: a step of them, on the arrays of a network.

What a step learns is added to the weights at once, or with updates that act one step late after the
next step; until then, and where updates accumulate, it waits in `RealMemory.pending`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    COUNT,
    DENSE,
    FIRST,
    MAP,
    PENDING,
    PLASTIC,
    POST,
    PRE,
    ROWS,
    SHARED_BIAS,
    TARGET,
    WEIGHTS,
)
from onchip.engine.compiled.jit import inner, merged
from onchip.engine.compiled.map_rows import add_outputs, clear, send_bias, send_events, spread
from onchip.engine.compiled.real_layout import NEURON_DECAY, NOTHING, RealConstants, RealMemory
from onchip.engine.compiled.real_maps import (
    add_to_bias,
    advance_trace,
    correlate,
    list_traces,
    send_back_maps,
)
from onchip.engine.compiled.real_rows import add_scaled
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@merged
def send_shared(
    connection: Array,
    spikes: Array,
    values: Array,
    current: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
) -> None:
    """What such a connection sends; where it learns online its traces advance."""
    trace = memory.trace[connection[ROWS] : connection[ROWS] + connection[PRE]]
    if connection[PLASTIC] == 1 and constants.facts[0] == 1:
        decay = constants.neurons[connection[TARGET], NEURON_DECAY]
        advance_trace(trace, decay, constants.numbers[NOTHING])
        if connection[MAP] == SHARED_BIAS:
            trace[0] += 1
        else:
            for q in range(spikes.size):
                trace[spikes[q]] += values[q]
    if connection[MAP] == SHARED_BIAS:
        send_bias(current, weights)
        return
    row = wiring.maps[connection[MAP]]
    clear(memory.padded, row)
    send_events(memory.padded, weights, spikes, values, row, wiring.places)
    add_outputs(current, memory.padded, row)


@merged
def send_back_shared(
    index: int, sent: Array, signal: Array, weights: Array, wiring: Wiring, memory: RealMemory
) -> None:
    """signal += what a convolution's transpose makes of what was sent."""
    row = wiring.maps[index]
    spread(memory.spread, sent, row)
    send_back_maps(signal, weights, memory.spread, row, wiring.places)


@merged
def learn_shared(
    late: bool, wiring: Wiring, constants: RealConstants, weights: Array, memory: RealMemory
) -> None:
    """Learn from a step; if updates are `late` that of the step before acts now."""
    if late:
        add_pending(wiring, weights, memory)
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        if connection[PLASTIC] == 0 or connection[MAP] == DENSE:
            continue
        trace = memory.trace[connection[ROWS] : connection[ROWS] + connection[PRE]]
        first = connection[FIRST]
        factor = memory.factor[first : first + connection[POST]]
        own = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
        if late:
            begin = connection[PENDING]
            own = memory.pending[begin : begin + connection[COUNT]]
        count = list_traces(trace, memory.listed, memory.amounts)
        add_shared(
            connection, factor, -constants.rates[c], memory.listed[:count], memory.amounts, own,
            wiring, memory,
        )  # fmt: skip


@inner
def add_shared(
    connection: Array,
    factor: Array,
    scale: Any,
    inputs: Array,
    values: Array,
    weights: Array,
    wiring: Wiring,
    memory: RealMemory,
) -> None:
    """weights += scale values x factor, for the listed inputs."""
    if connection[MAP] == SHARED_BIAS:
        for q in range(inputs.size):
            add_to_bias(weights, factor, scale * values[q])
        return
    row = wiring.maps[connection[MAP]]
    spread(memory.spread, factor, row)
    correlate(
        weights, memory.spread, scale, inputs, values, row, wiring.places, memory.where,
        memory.scaled,
    )  # fmt: skip


@inner
def add_pending(wiring: Wiring, weights: Array, memory: RealMemory) -> None:
    """Add what waits to the weights."""
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        if connection[PLASTIC] == 1 and connection[MAP] != DENSE:
            own = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
            waiting = memory.pending[connection[PENDING] : connection[PENDING] + connection[COUNT]]
            add_scaled(own, waiting, 1.0)
            waiting[:] = 0
