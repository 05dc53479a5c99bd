"""A step of the synapses that keep an eligibility, and the end of a sample.

An input's synapses are looked at from its first spike in a sample on (a member), those that keep
nothing as long as it has a trace. `touched` marks the inputs whose sums may not be zero.
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
from onchip.engine.compiled.events import copy, place_of
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.kept_cells import carry_on, tell
from onchip.engine.compiled.kept_layout import (
    BEFORE,
    CELLS,
    CONNECTION,
    CROSS,
    FIRST,
    FIRST_TRACE,
    GAIN,
    INPUTS,
    KEPT,
    KIND,
    LEAK,
    NOTHING_YET,
    NOW,
    OUTER,
    SECOND,
    SECOND_TRACE,
    SUMS,
    Kept,
)
from onchip.engine.compiled.kept_rows import add_product, largest, move_one, move_two
from onchip.engine.compiled.kept_rules import THROUGH_RESET
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

LOOK_AFTER = 32
"""Steps after which inputs are looked for of whose eligibilities nothing is left."""


@inner
def begin_kept(wiring: Wiring, kept: Kept) -> None:
    """Zero what a sample begins with, and the sums of a sample that was not finished."""
    for k in range(kept.table.shape[0]):
        row = kept.table[k]
        connection = wiring.connections[row[CONNECTION]]
        post = connection[POST]
        kept.counts[k] = 0
        cells = kept.cells[:, row[CELLS] : row[CELLS] + post]
        cells[BEFORE] = 0
        if row[KIND] == THROUGH_RESET:
            cells[LEAK] = 0
        for i in range(connection[PRE] + connection[ALWAYS_ON]):
            if kept.touched[row[INPUTS] + i] == 1:
                kept.touched[row[INPUTS] + i] = 0
                begin = row[SUMS] + i * post
                kept.sums[begin : begin + post] = 0


@inner
def learn_kept(
    n: int,
    starts: Array,
    inputs: Array,
    values: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
    kept: Kept,
) -> None:
    """Advance all eligibilities by step n, whose factors are known, and learn by them.

    Online the weights learn, else the sums; late what the step before has taught.
    """
    late = constants.facts[LATE] == 1
    for k in range(kept.table.shape[0]):
        row, numbers = kept.table[k], kept.numbers[k]
        c = row[CONNECTION]
        connection = wiring.connections[c]
        p, post, count = connection[TARGET], connection[POST], kept.counts[k]
        population, neuron = wiring.populations[p], constants.neurons[p]
        cells = kept.cells[:, row[CELLS] : row[CELLS] + post]
        tell(row[KIND], numbers, population, neuron, memory, cells)
        changed = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
        if constants.facts[ONLINE] == 0:
            changed = kept.sums[row[SUMS] : row[SUMS] + connection[COUNT]]
        own = slice(connection[ROWS], connection[ROWS] + connection[PRE] + connection[ALWAYS_ON])
        trace, last, members = memory.trace[own], memory.last[own], memory.members[own]
        other = kept.other[row[INPUTS] :]
        if late and row[KEPT] == 0:
            _learn_by_traces(numbers, cells[BEFORE], trace, other, members, count, changed)
        for q in range(count):
            trace[members[q]] *= numbers[FIRST_TRACE + 1]
            other[members[q]] *= numbers[SECOND_TRACE + 1]
        m, source = n - connection[DELAY], connection[SOURCE]
        begin, end = place_of(source, m, wiring.populations, starts, memory.firing)
        spikes, sent = memory.fired[m & 1, begin:end], memory.ones
        if source < 0:
            spikes, sent = inputs[begin:end], values[begin:end]
        for always_on in range(1 + connection[ALWAYS_ON]):
            if always_on == 1:
                memory.unit[0] = connection[PRE]
                spikes, sent = memory.unit, memory.ones
            for q in range(spikes.size):
                i = spikes[q]
                if last[i] == ABSENT:
                    last[i] = 0
                    members[count] = i
                    count += 1
                    _begin_input(i, post, row, kept)
                trace[i] += sent[q]
                other[i] += sent[q]
        if row[KEPT] > 0:
            _move(late, numbers, row, trace, other, members, count, cells, changed, kept)
        elif not late:
            _learn_by_traces(numbers, cells[NOW], trace, other, members, count, changed)
        if row[KEPT] == 0 or n % LOOK_AFTER == LOOK_AFTER - 1:
            nothing = constants.numbers[NOTHING]
            count = _forget(row, post, nothing, trace, other, last, members, count, kept)
        kept.counts[k] = count
        if late:
            copy(cells[BEFORE], cells[NOW])
        if row[KIND] == THROUGH_RESET:
            carry_on(population, neuron, memory, cells)


@inner
def _begin_input(i: int, post: int, row: Array, kept: Kept) -> None:
    """Zero the variables of an input's synapses, which are those of another sample."""
    kept.touched[row[INPUTS] + i] = 1
    kept.other[row[INPUTS] + i] = 0
    if row[KEPT] > 0:
        begin = row[FIRST] + i * post
        kept.first[begin : begin + post] = 0
    if row[KEPT] > 1:
        begin = row[SECOND] + i * post
        kept.second[begin : begin + post] = 0


@inner
def _learn_by_traces(
    numbers: Array, cells: Array, trace: Array, other: Array, members: Array, count: int,
    changed: Array,
) -> None:  # fmt: skip
    """Learn of synapses that keep nothing; `cells` [post] is what multiplies the traces."""
    post = cells.size
    for q in range(count):
        i = members[q]
        amount = numbers[FIRST_TRACE] * trace[i] + numbers[SECOND_TRACE] * other[i]
        add_scaled(changed[i * post : (i + 1) * post], cells, amount)


@inner
def _move(
    late: bool, numbers: Array, row: Array, trace: Array, other: Array, members: Array, count: int,
    cells: Array, changed: Array, kept: Kept,
) -> None:  # fmt: skip
    """Advance what synapses keep by a step, and learn."""
    post = cells.shape[1]
    before, now = cells[NOTHING_YET], cells[NOW]
    if late:
        before, now = cells[BEFORE], cells[NOTHING_YET]
    leak, gain, cross = cells[LEAK], cells[GAIN], cells[CROSS]
    for q in range(count):
        i = members[q]
        amount = numbers[FIRST_TRACE] * trace[i] + numbers[SECOND_TRACE] * other[i]
        weights = changed[i * post : (i + 1) * post]
        begin = row[FIRST] + i * post
        first = kept.first[begin : begin + post]
        if row[KEPT] == 1:
            move_one(weights, first, leak, gain, before, now, amount)
        else:
            begin = row[SECOND] + i * post
            second = kept.second[begin : begin + post]
            outer = numbers[OUTER]
            move_two(weights, first, second, leak, gain, cross, before, now, outer, amount)


@inner
def _forget(
    row: Array, post: int, nothing: Any, trace: Array, other: Array, last: Array, members: Array,
    count: int, kept: Kept,
) -> int:  # fmt: skip
    """Forget the inputs of which nothing is left; returns how many there are still."""
    left = 0
    for q in range(count):
        i = members[q]
        most = max(abs(trace[i]), abs(other[i]))
        if row[KEPT] > 0 and most <= nothing:
            begin = row[FIRST] + i * post
            most = max(most, largest(kept.first[begin : begin + post]))
        if row[KEPT] > 1 and most <= nothing:
            begin = row[SECOND] + i * post
            most = max(most, largest(kept.second[begin : begin + post]))
        if most <= nothing:
            last[i] = ABSENT
            trace[i] = 0
            other[i] = 0
        else:
            members[left] = i
            left += 1
    return left


@inner
def learn_last(wiring: Wiring, weights: Array, memory: RealMemory, kept: Kept) -> None:
    """What the last step has taught, where updates act one step late."""
    for k in range(kept.table.shape[0]):
        row, numbers = kept.table[k], kept.numbers[k]
        c = row[CONNECTION]
        connection = wiring.connections[c]
        post, count = connection[POST], kept.counts[k]
        before = kept.cells[BEFORE, row[CELLS] : row[CELLS] + post]
        changed = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
        trace, members = memory.trace[connection[ROWS] :], memory.members[connection[ROWS] :]
        if row[KEPT] == 0:
            other = kept.other[row[INPUTS] :]
            _learn_by_traces(numbers, before, trace, other, members, count, changed)
        for q in range(count if row[KEPT] > 0 else 0):
            begin = row[FIRST] + members[q] * post
            own = changed[members[q] * post : (members[q] + 1) * post]
            add_product(own, before, kept.first[begin : begin + post])


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
