"""Filtered eligibilities in integers: an epoch of the synapses whose tags they are.

    t' = t + x1 psi - (1 - kappa) t,    w' = w - rate L t        L of the step before, as is t

Both are rounded by one random number. Inputs without a trace whose tags are 0 are passed over.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.accumulator import ACCUMULATOR_LIMITS, TAG_LIMITS, VARIABLE_SHIFT
from onchip.arithmetic.loihi import DECAY_BITS, MEMBRANE_MAX, TRACE_MAX, WEIGHT_LIMITS
from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    COUNT,
    DELAY,
    HARD,
    KIND,
    MAIN,
    OF_TAGS,
    OF_WEIGHTS,
    ONE_FILTER,
    POST,
    PRE,
    REWARD,
    ROWS,
    SIZE,
    SOURCE,
    UNIT,
    WEIGHTS,
)
from onchip.engine.compiled.events import place_of
from onchip.engine.compiled.integer_epochs import advance_traces, carry_of, decayed, make_powers
from onchip.engine.compiled.integer_filters import (
    CELLS,
    CONNECTION,
    GAIN,
    KEPT,
    MULTIPLIER,
    OBJECTIVE,
    SIGNAL_SHIFT,
    Filters,
)
from onchip.engine.compiled.integer_layout import Constants, Draws, Neural, Synaptic, Work
from onchip.engine.compiled.integer_neurons import find_factor
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.wiring import Wiring
from onchip.objectives.integer_base import SHIFT
from onchip.program.populations import READOUT_DERIVATIVE

Array = np.ndarray

LOWEST, HIGHEST = ACCUMULATOR_LIMITS


@inner
def find_other_error(n: int, output: Array, filters: Filters, error: Array) -> None:
    """e [classes] int32 in -127..127 of an objective that is no classification."""
    numbers, target = filters.objective, filters.targets[n]
    for j in range(error.size):
        difference = numbers[GAIN] * output[j] - target[j]
        if numbers[OBJECTIVE] == REWARD:
            error[j] = -target[j]
            continue
        if numbers[OBJECTIVE] == ONE_FILTER:
            past = filters.filtered[j]
            left = (abs(past) * numbers[KEPT]) >> DECAY_BITS
            difference = (difference << DECAY_BITS) + (left if past >= 0 else -left)
            filters.filtered[j] = difference
        scaled = (difference * numbers[MULTIPLIER] + (1 << (SHIFT - 1))) >> SHIFT
        error[j] = min(max(scaled, -TRACE_MAX), TRACE_MAX)


@inner
def begin_filters(wiring: Wiring, synaptic: Synaptic, filters: Filters) -> None:
    """Forget the errors of another sample; mark the inputs whose tags are not 0."""
    filters.before[:] = 0
    filters.filtered[:] = 0
    for k in range(filters.table.shape[0]):
        connection = wiring.connections[filters.table[k, CONNECTION]]
        post, place = connection[POST], connection[WEIGHTS]
        for i in range(connection[PRE] + connection[ALWAYS_ON]):
            some: Any = np.int16(0)
            for j in range(post):
                some = np.int16(some | synaptic.tags[place + i * post + j])
            filters.alive[connection[ROWS] + i] = some != 0


@inner
def filter_epoch(
    n: int,
    spiking: bool,
    starts: Array,
    inputs: Array,
    wiring: Wiring,
    constants: Constants,
    draws: Draws,
    synaptic: Synaptic,
    neural: Neural,
    work: Work,
    filters: Filters,
) -> None:
    """Epoch n; without `spiking` the one after the last step, whose errors are left."""
    whole, rest, epoch = constants.whole[-1], constants.rest[-1], constants.facts[0]
    for k in range(filters.table.shape[0]):
        c = filters.table[k, CONNECTION]
        connection, row = wiring.connections[c], filters.rows[k]
        post, count = connection[POST], connection[PRE] + connection[ALWAYS_ON]
        cells = slice(filters.table[k, CELLS], filters.table[k, CELLS] + post)
        units = slice(row[UNIT], row[UNIT] + row[SIZE])
        derivative, before = filters.derivative[cells], filters.before[cells]
        own = slice(connection[ROWS], connection[ROWS] + count)
        x1, members, marks = synaptic.x1[own], work.members[own], work.spiking[own]
        m, source = n - connection[DELAY] if spiking else -1, connection[SOURCE]
        begin, end = place_of(source, m, wiring.populations, starts, neural.firing)
        spikes = inputs[begin:end] if source < 0 else neural.fired[m & 1, begin:end]
        always_on = count - 1 if connection[ALWAYS_ON] == 1 and spiking else -1
        make_powers(draws.x[c, n], constants.whole[c], constants.rest[c], work.powers)
        listed = advance_traces(
            connection, spikes, always_on, work.powers, x1, members, work.counts[c], marks
        )
        work.counts[c] = _list_traces(x1, members, listed, marks)
        down, taken, ones = work.down[:post], work.taken[:post], work.sums[:post]
        ones[:] = 1 if row[KIND] <= HARD else READOUT_DERIVATIVE
        find_factor(row, ones, neural.u[units], filters.derivatives[k], derivative)
        moving = False
        for j in range(post):
            psi = (
                decayed(np.int64(derivative[j]), draws.y[c, n], epoch, whole, rest)
                if spiking
                else 0
            )
            size = decayed(abs(np.int64(before[j])), draws.y[c, n], epoch, whole, rest)
            down[j] = connection[MAIN] * psi
            taken[j] = connection[OF_WEIGHTS] * (-size if before[j] > 0 else size)
            moving = moving or psi > 0
            before[j] = _held_signal(neural.signal[units][j], filters.table[k, SIGNAL_SHIFT])
        carry, alive = carry_of(draws.synapse[c, n]), filters.alive[own]
        for i in range(count):
            if x1[i] > 0 or alive[i] == 1:
                place = connection[WEIGHTS] + i * post
                weights, tags = (
                    synaptic.weights[place : place + post],
                    synaptic.tags[place : place + post],
                )
                x = np.int32(x1[i])
                alive[i] = _move_row(connection, carry, moving, down, taken, x, weights, tags)


@inner
def _list_traces(x1: Array, members: Array, count: int, marks: Array) -> int:
    """The members that still have a trace; their marks are taken away."""
    left = 0
    for q in range(count):
        i = members[q]
        marks[i] = 0
        if x1[i] > 0:
            members[left] = i
            left += 1
    return left


@inner
def _held_signal(signal: int, shift: int) -> Any:
    """L in -127..127, as `IntegerPopulation.signal`."""
    value = np.int64(signal)
    if shift < 0:
        return value
    size = min(abs(value), np.int64(MEMBRANE_MAX))
    size = min((size + ((1 << shift) >> 1)) >> shift, np.int64(TRACE_MAX))
    return size if value >= 0 else -size


@inner
def _move_row(
    connection: Array, carry: int, moving: bool, down: Array, taken: Array, x: int, weights: Array,
    tags: Array,
) -> int:  # fmt: skip
    """An input's weights and tags [post]; returns 1 where a tag is left that is not 0."""
    right, left = np.int32(connection[MAIN + 1]), np.int32(connection[MAIN + 2])
    of_weights, by_weights = (
        np.int32(connection[OF_WEIGHTS + 1]),
        np.int32(connection[OF_WEIGHTS + 2]),
    )
    kept, of_tags = np.int32(connection[OF_TAGS]), np.int32(connection[OF_TAGS + 1])
    by_tags, some, added = np.int32(connection[OF_TAGS + 2]), np.int32(0), np.int32(carry)
    lowest = np.int32(LOWEST) if moving else np.int32(2 * LOWEST)  # no product, no accumulator
    for j in range(tags.size):
        tag = np.int32(tags[j])
        value = np.int32(np.int32(taken[j] * tag) >> of_weights)
        total = np.int32(np.int32(weights[j]) << np.int32(VARIABLE_SHIFT))
        total = _held(np.int32(total + _held(np.int32(value << by_weights))))
        weight = np.int32(np.int32(total + added) >> np.int32(VARIABLE_SHIFT))
        weights[j] = min(max(weight, np.int32(WEIGHT_LIMITS[0])), np.int32(WEIGHT_LIMITS[1]))
        value = _held(np.int32(np.int32(np.int32(down[j] * x) >> right) << left))
        total = np.int32(np.int32(tag << np.int32(VARIABLE_SHIFT)) + value)
        total = min(max(total, lowest), np.int32(HIGHEST))
        value = _held(np.int32(np.int32(np.int32(kept * tag) >> of_tags) << by_tags))
        total = np.int32(_held(np.int32(total + value)) + added)
        tag = np.int32(total >> np.int32(VARIABLE_SHIFT))
        tag = min(max(tag, np.int32(TAG_LIMITS[0])), np.int32(TAG_LIMITS[1]))
        tags[j] = tag
        some = np.int32(some | tag)
    return 1 if some != 0 else 0


@inner
def _held(value: int) -> Any:
    return min(max(value, np.int32(LOWEST)), np.int32(HIGHEST))


@inner
def forget_tags(wiring: Wiring, synaptic: Synaptic, filters: Filters) -> None:
    """Zero the tags that are eligibilities, as a sample ends."""
    for k in range(filters.table.shape[0]):
        connection = wiring.connections[filters.table[k, CONNECTION]]
        place = connection[WEIGHTS]
        synaptic.tags[place : place + connection[COUNT]] = 0
