"""Synapses that keep an eligibility: what waits until an input's weights are read, and the end.

A step of an input's synapses needs its trace and what their outputs tell, which is held for
`WINDOW` steps. So an input catches up, step by step, when it spikes next: the row of its weights
and its eligibilities stays in the cache meanwhile. Where errors are sent back through the present
weights, and at the end of a window, all inputs do.

An input belongs to the members from its first spike in a sample on until nothing is left. Its
`last` is the next step to catch up with, `trace` and `other` are its traces in that step, and `old`
is the spike that comes a step later (with updates that act one step late, of which step n may see
those up to n - 2).
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    COUNT,
    DELAY,
    POST,
    PRE,
    ROWS,
    SOURCE,
    TARGET,
    WEIGHTS,
)
from onchip.engine.compiled.events import place_of
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.kept_layout import (
    CELLS,
    CONNECTION,
    CROSS,
    FIRST,
    FIRST_TRACE,
    INPUTS,
    KEPT,
    KIND,
    LEAK,
    LIVE,
    OUTER,
    SECOND,
    SECOND_TRACE,
    SLOTS,
    STEEP,
    SUMS,
    WINDOW,
    Kept,
)
from onchip.engine.compiled.kept_rows import largest, move_filter, move_through_reset, move_two
from onchip.engine.compiled.kept_rules import FILTER, THROUGH_RESET
from onchip.engine.compiled.real_layout import (
    ABSENT,
    LATE,
    NOTHING,
    ONLINE,
    RealConstants,
    RealMemory,
)
from onchip.engine.compiled.real_rows import add_scaled
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@inner
def begin_kept(wiring: Wiring, kept: Kept) -> None:
    """Zero what a sample begins with, and the sums of a sample that was not finished."""
    kept.counts[:] = 0
    kept.carry[:] = 0
    for k in range(kept.table.shape[0]):
        row = kept.table[k]
        connection = wiring.connections[row[CONNECTION]]
        for i in range(connection[PRE] + connection[ALWAYS_ON]):
            if kept.touched[row[INPUTS] + i] == 1:
                kept.touched[row[INPUTS] + i] = 0
                begin = row[SUMS] + i * connection[POST]
                kept.sums[begin : begin + connection[POST]] = 0


@inner
def receive(
    n: int,
    p: int,
    steps: int,
    starts: Array,
    inputs: Array,
    values: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
    kept: Kept,
) -> None:
    """Before step n of population p: inputs that spike catch up, and their traces take the spikes.

    With p = -1 all inputs of all populations catch up with what a step n of `steps` may see.
    """
    late, over = constants.facts[LATE], p < 0
    upto = n if n == steps else n - late
    for k in range(kept.table.shape[0]):
        row = kept.table[k]
        connection = wiring.connections[row[CONNECTION]]
        if connection[TARGET] != p and not over:
            continue
        post, count, m = connection[POST], kept.counts[k], -1 if over else n - connection[DELAY]
        changed = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
        if constants.facts[ONLINE] == 0:
            changed = kept.sums[row[SUMS] : row[SUMS] + connection[COUNT]]
        own = slice(connection[ROWS], connection[ROWS] + connection[PRE] + connection[ALWAYS_ON])
        trace, last, old = memory.trace[own], memory.last[own], memory.old[own]
        members, other = memory.members[own], kept.other[row[INPUTS] :]
        begin, end = place_of(connection[SOURCE], m, wiring.populations, starts, memory.firing)
        memory.unit[0] = connection[PRE]
        for turn in range(3):
            spikes, sent = members[:0], memory.ones
            if turn == 0 and (over or row[LIVE] == 1 or n % WINDOW == 0):
                spikes = members[:count]
            elif turn == 1 and connection[SOURCE] < 0:
                spikes, sent = inputs[begin:end], values[begin:end]
            elif turn == 1:
                spikes = memory.fired[m & 1, begin:end]
            elif turn == 2 and connection[ALWAYS_ON] == 1 and not over:
                spikes = memory.unit
            for q in range(spikes.size):
                i = spikes[q]
                if last[i] == ABSENT:
                    last[i] = n
                    members[count] = i
                    count += 1
                    _begin_input(i, post, row, trace, old, other, kept)
                elif last[i] < upto:
                    _catch_up(i, upto, steps, k, post, trace, last, old, other, changed, kept)
                if turn > 0 and last[i] == n:
                    trace[i] += sent[q]
                    other[i] += sent[q]
                elif turn > 0:
                    old[i] = sent[q]
        if n % WINDOW == 0 and not over:
            nothing = constants.numbers[NOTHING]
            count = _forget(k, post, nothing, trace, last, old, other, members, count, kept)
        kept.counts[k] = count


@inner
def _begin_input(
    i: int, post: int, row: Array, trace: Array, old: Array, other: Array, kept: Kept
) -> None:
    """Zero the variables of an input's synapses, which are those of another sample."""
    kept.touched[row[INPUTS] + i] = 1
    trace[i] = 0
    other[i] = 0
    old[i] = 0
    if row[KEPT] > 0:
        begin = row[FIRST] + i * post
        kept.first[begin : begin + post] = 0
    if row[KEPT] > 1:
        begin = row[SECOND] + i * post
        kept.second[begin : begin + post] = 0


@inner
def _catch_up(
    i: int, upto: int, steps: int, k: int, post: int, trace: Array, last: Array, old: Array,
    other: Array, changed: Array, kept: Kept,
) -> None:  # fmt: skip
    """Make the steps before `upto` of an input's synapses; their traces end with the last one."""
    row, numbers = kept.table[k], kept.numbers[k]
    weights = changed[i * post : (i + 1) * post]
    first, second = kept.first[:0], kept.second[:0]
    if row[KEPT] > 0:
        first = kept.first[row[FIRST] + i * post : row[FIRST] + (i + 1) * post]
    if row[KEPT] > 1:
        second = kept.second[row[SECOND] + i * post : row[SECOND] + (i + 1) * post]
    cells = slice(row[CELLS], row[CELLS] + post)
    for n in range(last[i], upto):
        amount = numbers[FIRST_TRACE] * trace[i] + numbers[SECOND_TRACE] * other[i]
        gain, now = kept.gains[n % SLOTS, cells], kept.nows[n % SLOTS, cells]
        if row[KIND] == FILTER:
            move_filter(weights, first, numbers[LEAK], gain, now, amount)
        elif row[KIND] == THROUGH_RESET:
            move_through_reset(weights, first, gain, now, amount)
        elif row[KEPT] == 2:
            outer, leak, cross = numbers[OUTER], numbers[LEAK], numbers[CROSS]
            move_two(weights, first, second, outer, leak, cross, numbers[STEEP], gain, now, amount)
        elif amount != 0:
            add_scaled(weights, now, amount)
        if n + 1 < steps:
            trace[i] = numbers[FIRST_TRACE + 1] * trace[i] + old[i]
            other[i] = numbers[SECOND_TRACE + 1] * other[i] + old[i]
            old[i] = 0
    last[i] = upto


@inner
def _forget(
    k: int, post: int, nothing: Any, trace: Array, last: Array, old: Array, other: Array,
    members: Array, count: int, kept: Kept,
) -> int:  # fmt: skip
    """Forget the inputs of which nothing is left; returns how many there are still."""
    row, left = kept.table[k], 0
    for q in range(count):
        i = members[q]
        most = max(abs(trace[i]), abs(other[i]), abs(old[i]))
        if row[KEPT] > 0 and most <= nothing:
            begin = row[FIRST] + i * post
            most = max(most, largest(kept.first[begin : begin + post]))
        if row[KEPT] > 1 and most <= nothing:
            begin = row[SECOND] + i * post
            most = max(most, largest(kept.second[begin : begin + post]))
        if most <= nothing:
            last[i] = ABSENT
        else:
            members[left] = i
            left += 1
    return left


@inner
def add_sums(wiring: Wiring, scales: Array, sums: Array, kept: Kept) -> None:
    """Add `scales` [C] times the sums of a sample to `sums`, which are laid out as weights."""
    for k in range(kept.table.shape[0]):
        row = kept.table[k]
        connection = wiring.connections[row[CONNECTION]]
        post, scale = connection[POST], scales[row[CONNECTION]]
        for i in range(connection[PRE] + connection[ALWAYS_ON]):
            if kept.touched[row[INPUTS] + i] == 1:
                begin, place = row[SUMS] + i * post, connection[WEIGHTS] + i * post
                add_scaled(sums[place : place + post], kept.sums[begin : begin + post], scale)
