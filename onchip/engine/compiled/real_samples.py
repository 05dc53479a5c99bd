"""A sample of real numbers in one call, learned from online: with an update at every step."""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    DENSE,
    FIRST,
    MAP,
    PLASTIC,
    POPULATION,
    POST,
    PRE,
    ROWS,
    SIZE,
    SUMMED,
    TARGET,
    UNIT,
    WEIGHTS,
    WINDOW,
)
from onchip.engine.compiled.events import copy, read_out, record
from onchip.engine.compiled.jit import jitted, merged
from onchip.engine.compiled.lazy_rows import age_members, apply_members
from onchip.engine.compiled.real_layout import LATE, NOTHING, RealConstants, RealMemory
from onchip.engine.compiled.real_rows import extend
from onchip.engine.compiled.real_shared import add_pending, learn_shared
from onchip.engine.compiled.real_steps import backward, begin, forward
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def learn_online(
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
) -> int:
    """Learn from one sample, as `events.collect` lists it; fills `outputs` [T, classes].

    Returns the steps that were made: fewer than T where an output was not finite.
    """
    steps, delay, populations = outputs.shape[0], constants.facts[LATE], wiring.populations.shape[0]
    made, n = steps, np.int64(0)  # a literal would be a type of its own, and compiled for
    begin(memory)
    while n < made:
        forward(n, 0, populations, starts, inputs, values, wiring, constants, weights, memory)
        read_out(outputs[n], wiring.populations, memory.u, memory.spikes)
        record(n, recorded, memory.spikes)
        if backward(n, labels[n], wiring, constants, weights, memory):
            remember_factors(n, wiring, constants, memory)
            learn_shared(delay == 1, wiring, constants, weights, memory)
            n += 1
        else:
            made = n
        over = n == made
        late = delay == 1 and made == steps  # the last factors have sums of their own
        for last in range(0 if late or not over else 1, 1 + over):
            apply_waiting(n, last == 1, steps, delay, wiring, constants, weights, memory)
        if over and late:
            add_pending(wiring, weights, memory)
    return made


@merged
def remember_factors(n: int, wiring: Wiring, constants: RealConstants, memory: RealMemory) -> None:
    """P[n + 1] = P[n] + lambda^(n - k) g[n]."""
    for index in range(wiring.stages.shape[0]):
        p = wiring.stages[index, POPULATION]
        if wiring.populations[p, SUMMED] == 0:
            continue
        first, last = wiring.populations[p, UNIT], wiring.populations[p, UNIT]
        last += wiring.populations[p, SIZE]
        k = n - memory.base[p]
        extend(
            memory.prefix[k + 1, first:last],
            memory.prefix[k, first:last],
            constants.powers[p, k],
            memory.factor[first:last],
        )


@merged
def apply_waiting(
    n: int,
    over: bool,
    steps: int,
    delay: int,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
) -> None:
    """Before step n move the start of full sums; when it is `over` apply everything."""
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        p = connection[TARGET]
        full = n - delay - memory.base[p] >= wiring.populations[p, WINDOW]
        idle = connection[PLASTIC] == 0 or connection[MAP] != DENSE
        if idle or not (full or over):
            continue
        rows = slice(connection[ROWS], connection[ROWS] + connection[PRE] + connection[ALWAYS_ON])
        trace, last, members = memory.trace[rows], memory.last[rows], memory.members[rows]
        upto = n if over else n - delay
        apply_members(
            upto, memory.base[p], connection[FIRST], connection[POST], constants.rates[c],
            constants.inverses[p], memory.prefix, weights[connection[WEIGHTS] :], trace, last,
            members, memory.counts[c],
        )  # fmt: skip
        now = min(n, steps - 1) if over else n - delay
        nothing = -constants.numbers[NOTHING] if over else constants.numbers[NOTHING]
        memory.counts[c] = age_members(
            now, nothing, constants.powers[p], trace, last, members, memory.counts[c]
        )
    for p in range(wiring.populations.shape[0]):
        full = n - delay - memory.base[p] >= wiring.populations[p, WINDOW]
        if full and not over:
            first, last_unit = wiring.populations[p, UNIT], wiring.populations[p, UNIT]
            last_unit += wiring.populations[p, SIZE]
            memory.base[p] = n - delay
            if wiring.populations[p, SUMMED] == 0:
                continue
            memory.prefix[0, first:last_unit] = 0
            if delay:
                copy(memory.prefix[1, first:last_unit], memory.factor[first:last_unit])
