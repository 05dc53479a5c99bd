"""The end of a learning epoch in integers, in loops: traces, and the products of a rule.

The integers are those of `onchip.engine.loihi_synapses` and `outer_updates`, where the formulas are
derived. The step of a weight depends on its output and on the trace of its input alone, and a trace
has few values: each value's steps are computed once and added to every such input's weights.

`connection` is a row of the table; arrays by input and by output are those of the connection.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.accumulator import ACCUMULATOR_LIMITS, TAG_LIMITS, VARIABLE_SHIFT
from onchip.arithmetic.loihi import TRACE_MAX, WEIGHT_LIMITS
from onchip.engine.compiled.columns import (
    CLOSING_GATE,
    CORRECTION,
    GATE,
    IMPULSE,
    MAIN,
    OF_TAGS,
    OF_WEIGHTS,
    PHASE,
)
from onchip.engine.compiled.jit import inner

Array = np.ndarray

LOWEST, HIGHEST = ACCUMULATOR_LIMITS
TRACES = TRACE_MAX + 1


@inner
def advance_traces(
    connection: Array, spikes: Array, always_on: int, powers: Array, x1: Array, members: Array,
    count: int, spiking: Array,
) -> int:  # fmt: skip
    """The traces x1 at an epoch's end, in place; inputs that spiked become members, marked.

    `always_on` is the unit that spiked besides, or -1. Returns the number of members.
    """
    steps, phase, impulse = powers.shape[0] - 1, connection[PHASE], connection[IMPULSE]
    for q in range(spikes.size):
        spiking[spikes[q]] = 1
    if always_on >= 0:
        spiking[always_on] = 1
    for q in range(count):
        i = members[q]
        if spiking[i] == 0:
            x1[i] = powers[steps, x1[i]]
    for q in range(spikes.size + (always_on >= 0)):
        i = spikes[q] if q < spikes.size else always_on
        if x1[i] == 0:  # members have a trace
            members[count] = i
            count += 1
        arrived = min(powers[phase, x1[i]] + impulse, TRACE_MAX)
        x1[i] = powers[steps - phase, arrived]
    return count


@inner
def make_powers(random: float, whole: Array, rest: Array, powers: Array) -> None:
    """Every trace after 0, 1, ... K decays that are rounded with one number: [K + 1, 128]."""
    for value in range(TRACES):
        powers[0, value] = value
        powers[1, value] = whole[value] + (random < rest[value])
    for k in range(2, powers.shape[0]):
        for value in range(TRACES):
            powers[k, value] = powers[1, powers[k - 1, value]]


@inner
def multiply_factors(
    connection: Array, factor: Array, random: float, decays: bool, steps: int, whole: Array,
    rest: Array, down: Array, taken: Array,
) -> bool:  # fmt: skip
    """What of the outputs the products multiply, -g y3 by their mantissas: `down` and `taken`.

    `decays` says whether y3 is a factor that decays, too. Returns whether anything is not 0.
    """
    kept = random < rest[TRACE_MAX]  # even 127 rounds up to itself
    gate = connection[GATE]
    if not kept and decays:
        gate = decayed(gate, random, steps, whole, rest)
    main, correction = gate * connection[MAIN], gate * connection[CORRECTION]
    some: Any = 0
    for j in range(factor.size):
        value = -np.int64(factor[j])
        if not kept:
            size = decayed(abs(value), random, steps, whole, rest)
            value = size if value > 0 else -size
        some |= value
        down[j] = value * main
        taken[j] = value * correction
    return some != 0


@inner
def decayed(value: int, random: float, steps: int, whole: Array, rest: Array) -> int:
    """A factor y at the epoch's end, which loses one at most in each step, and that seldom."""
    for _ in range(steps):
        value = whole[value] + (1 if random < rest[value] else 0)
    return value


@inner
def move_members(
    connection: Array, carry: int, lowest: int, highest: int, moving: bool, down: Array,
    taken: Array, x1: Array, members: Array, count: int, spiking: Array, variable: Array,
    steps: Array, made: Array, number: int,
) -> int:  # fmt: skip
    """Add the products to the weights or tags `variable` (flat [inputs, post]) of all members.

    `number` is that of this update. Returns how many members are left, those with a trace.
    """
    post, left = down.size, 0
    low, high = (LOWEST + carry) >> VARIABLE_SHIFT, (HIGHEST + carry) >> VARIABLE_SHIFT
    least, largest = max(low, lowest), min(high, highest)
    for q in range(count):
        i = members[q]
        trace, now = np.int64(x1[i]), spiking[i]
        spiking[i] = 0
        if moving and now == 1 and connection[CORRECTION] != 0:
            row = variable[i * post : (i + 1) * post]
            _add_in_turn(connection, trace, carry, lowest, highest, down, taken, row)
        elif moving and trace > 0:
            if made[trace] != number:
                made[trace] = number
                made[TRACES + trace] = _make_step(
                    connection, trace, carry, low, high, down, steps[trace, :post]
                )
            if made[TRACES + trace] != 0:
                _move(variable[i * post : (i + 1) * post], steps[trace, :post], least, largest)
        if trace > 0:
            members[left] = i
            left += 1
    return left


@inner
def _make_step(
    connection: Array, trace: int, carry: int, low: int, high: int, down: Array, step: Array
) -> int:
    """The steps [post] that a trace makes, held to `low`..`high`; 0 if all of them are."""
    right, left = connection[MAIN + 1], connection[MAIN + 2]
    whole = left > VARIABLE_SHIFT  # nothing is rounded
    offset = np.int32(0 if whole else (carry >> left) << right)
    drop = np.int32(right if whole else right + VARIABLE_SHIFT - left)
    lift = np.int32(left - VARIABLE_SHIFT if whole else 0)
    least, largest, factor, some = np.int32(low), np.int32(high), np.int32(trace), np.int16(0)
    for j in range(step.size):
        value = np.int32(np.int32(np.int32(down[j] * factor) + offset) >> drop)
        value = np.int32(value << lift)
        step[j] = np.int16(min(max(value, least), largest))
        some = np.int16(some | step[j])
    return int(some)


@inner
def _move(row: Array, step: Array, least: int, largest: int) -> None:
    low, high = np.int16(least), np.int16(largest)
    for j in range(row.size):
        row[j] = min(max(np.int16(row[j] + step[j]), low), high)


@inner
def _add_in_turn(
    connection: Array,
    trace: int,
    carry: int,
    lowest: int,
    highest: int,
    down: Array,
    taken: Array,
    row: Array,
) -> None:
    """Both products on the same row: the accumulator saturates after each."""
    for j in range(row.size):
        if down[j] == 0 and taken[j] == 0:
            continue
        first = (np.int64(down[j]) * trace) >> connection[MAIN + 1]
        second = np.int64(taken[j]) >> connection[CORRECTION + 1]
        total = np.int64(row[j]) << VARIABLE_SHIFT
        total = _held(total + _held(first << connection[MAIN + 2]))
        total = _held(total + _held(second << connection[CORRECTION + 2]))
        row[j] = min(max((total + carry) >> VARIABLE_SHIFT, lowest), highest)


@inner
def _held(value: int) -> int:
    return min(max(value, LOWEST), HIGHEST)


@inner
def lift_least(carry: int, flag: int, tags: Array) -> int:
    """Tags of -257 become -256 where a carry is added: every epoch passes the accumulator.

    Only epochs without a carry leave such tags: `flag` is 1 after one. Returns the new one.
    """
    if carry == 0:
        return 1
    if flag == 1:
        least = np.int16(TAG_LIMITS[0] + 1)
        for k in range(tags.size):
            tags[k] = max(tags[k], least)
    return 0


@inner
def apply_tags(connection: Array, gate: int, carry: int, weights: Array, tags: Array) -> None:
    """The epoch whose gate y3 applies what has accumulated: w += m t y3, then t is cleared."""
    for k in range(tags.size):
        tag = np.int64(tags[k])
        weight = _closed(connection, OF_WEIGHTS, np.int64(weights[k]), tag * gate, carry)
        weights[k] = min(max(weight, WEIGHT_LIMITS[0]), WEIGHT_LIMITS[1])
        tag = _closed(connection, OF_TAGS, tag, tag * gate, carry)
        tags[k] = min(max(tag, TAG_LIMITS[0]), TAG_LIMITS[1])


@inner
def _closed(connection: Array, rule: int, variable: int, factors: int, carry: int) -> int:
    """A weight or a tag to which one product was added, rounded."""
    value = (connection[rule] * factors) >> connection[rule + 1]
    total = _held((variable << VARIABLE_SHIFT) + _held(value << connection[rule + 2]))
    return (total + carry) >> VARIABLE_SHIFT


@inner
def carry_of(random: float) -> int:
    """As `onchip.arithmetic.accumulator.rounding_carry`."""
    return 2**VARIABLE_SHIFT - 1 - int(random * 2**VARIABLE_SHIFT)


@inner
def closing_gate(connection: Array, random: float, steps: int, whole: Array, rest: Array) -> int:
    """y3 of the gate that applies tags, at its epoch's end."""
    return decayed(connection[CLOSING_GATE], random, steps, whole, rest)
