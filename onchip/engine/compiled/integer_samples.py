"""A sample in integers in one call: all steps, and the epochs in which the synapses learn."""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.accumulator import TAG_LIMITS
from onchip.arithmetic.loihi import WEIGHT_LIMITS
from onchip.engine.compiled.columns import (
    ACCUMULATED,
    ALWAYS_ON,
    CORRECTION,
    COUNT,
    DELAY,
    DENSE,
    FIRST,
    LATE,
    MAIN,
    MAP,
    ONLINE,
    PLASTIC,
    POST,
    PRE,
    ROWS,
    SHARED_BIAS,
    SOURCE,
    WEIGHTS,
)
from onchip.engine.compiled.events import copy, place_of, read_out, record
from onchip.engine.compiled.integer_epochs import (
    advance_traces,
    apply_tags,
    carry_of,
    closing_gate,
    lift_least,
    make_powers,
    move_members,
    multiply_factors,
)
from onchip.engine.compiled.integer_late import move_late, move_late_shared
from onchip.engine.compiled.integer_layout import Constants, Draws, Neural, Synaptic, Work
from onchip.engine.compiled.integer_maps import (
    add_products,
    sum_products,
    sum_products_of_bias,
)
from onchip.engine.compiled.integer_steps import backward, begin, forward
from onchip.engine.compiled.jit import jitted, merged
from onchip.engine.compiled.map_rows import spread
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def learn_sample(
    starts: Array,
    inputs: Array,
    labels: Array,
    outputs: Array,
    recorded: Array,
    wiring: Wiring,
    constants: Constants,
    draws: Draws,
    synaptic: Synaptic,
    neural: Neural,
    work: Work,
) -> None:
    """Learn from one sample, as `events.collect` lists it; fills `outputs` [T, classes].

    `labels` [T] is the class at each step; `recorded` as for `events.record`. On the pipelined
    schedule an epoch learns from the factors of the step before it, one more from those of the
    last.
    """
    pipelined, mode = constants.facts[1] == 1, constants.facts[2]
    steps = outputs.shape[0]
    begin(wiring, synaptic, neural, work)
    for n in range(steps + pipelined):
        if pipelined:
            copy(neural.held, neural.factor)
        if n < steps:
            forward(n, starts, inputs, wiring, constants, synaptic.weights, neural, work)
            record(n, recorded, neural.spikes)
            read_out(outputs[n], wiring.populations, neural.u, neural.spikes)
            backward(labels[n], wiring, constants, synaptic.weights, neural, work)
        if not pipelined:
            copy(neural.held, neural.factor)
        learn_epoch(n, n < steps, starts, inputs, wiring, constants, draws, synaptic, neural, work)
    if mode != ONLINE:
        close(steps + pipelined, wiring, constants, draws, synaptic, work)
    forget(wiring, synaptic, work)


@merged
def learn_epoch(
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
) -> None:
    """Epoch n of all synapses that learn, from the spikes of step n and the factors `held`.

    Without `spiking` nothing spiked, not even the always-on unit.
    """
    steps, mode = constants.facts[0], constants.facts[2]
    accumulates = mode == ACCUMULATED
    variable = synaptic.tags if accumulates else synaptic.weights
    lowest = TAG_LIMITS[0] if accumulates else WEIGHT_LIMITS[0]
    highest = TAG_LIMITS[1] if accumulates else WEIGHT_LIMITS[1]
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        if connection[PLASTIC] == 0:
            continue
        m = n - connection[DELAY] if spiking else -1
        begin, end = place_of(connection[SOURCE], m, wiring.populations, starts, neural.firing)
        biased = connection[ALWAYS_ON] == 1 or connection[MAP] == SHARED_BIAS
        if connection[MAP] == SHARED_BIAS:
            end = begin
        spikes = inputs[begin:end] if connection[SOURCE] < 0 else neural.fired[m & 1, begin:end]
        count = connection[PRE] + connection[ALWAYS_ON]
        rows = slice(connection[ROWS], connection[ROWS] + count)
        own = variable[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
        units = slice(connection[FIRST], connection[FIRST] + connection[POST])
        always_on = count - 1 if biased and spiking else -1
        x1, members, marks = synaptic.x1[rows], work.members[rows], work.spiking[rows]
        down, taken = work.down[: connection[POST]], work.taken[: connection[POST]]
        make_powers(draws.x[c, n], constants.whole[c], constants.rest[c], work.powers)
        count = advance_traces(
            connection, spikes, always_on, work.powers, x1, members, work.counts[c], marks
        )
        whole, rest = constants.whole[-1], constants.rest[-1]
        moving = multiply_factors(
            connection, neural.held[units], draws.y[c, n], mode == ONLINE, steps, whole, rest,
            down, taken,
        )  # fmt: skip
        carry = carry_of(draws.synapse[c, n])
        work.flags[0] += 1
        if connection[MAP] != DENSE and moving:
            _sum_shared(connection, x1, marks, wiring, work)
        if mode == LATE:
            _move_late(connection, draws.y[c, n], carry, moving, x1, constants, synaptic, work)
        elif connection[MAP] != DENSE and moving:
            add_products(connection, carry, lowest, highest, work.products, own)
        # Of what has moved only spikes and ends of traces are left, to be forgotten.
        moving = moving and mode != LATE and connection[MAP] == DENSE
        work.counts[c] = move_members(
            connection, carry, lowest, highest, moving, down, taken, x1, members, count, marks, own,
            work.steps, work.made, work.flags[0],
        )  # fmt: skip
        if accumulates:
            work.flags[1 + c] = lift_least(carry, work.flags[1 + c], own)


@merged
def _sum_shared(connection: Array, x1: Array, spiking: Array, wiring: Wiring, work: Work) -> None:
    """Sum up the products of shared weights, with the factors in `Work.down` and `taken`.

    `spiking` marks the inputs that spike, which the second product takes for traces.
    """
    for second in range(2):
        product, count = MAIN, connection[COUNT]
        above, below = work.products[2 * second][:count], work.products[2 * second + 1][:count]
        factors, x = work.down[: connection[POST]], x1
        if second == 1:
            product, factors, x = CORRECTION, work.taken[: connection[POST]], spiking
        if connection[product] == 0:
            continue
        above[:] = 0
        below[:] = 0
        if connection[MAP] == SHARED_BIAS:
            unit = np.int64(x[0])
            sum_products_of_bias(connection, product, unit, factors, above, below)
        else:
            row = wiring.maps[connection[MAP]]
            spread(work.spread, factors, row)
            sum_products(
                connection, product, x, work.spread, row, wiring.places, work.where, work.amounts,
                above, below,
            )  # fmt: skip


@merged
def _move_late(
    connection: Array, random: float, carry: int, moving: bool, x1: Array, constants: Constants,
    synaptic: Synaptic, work: Work,
) -> None:  # fmt: skip
    """An epoch whose gate is open: the tags apply, and take this step's products if any."""
    whole, rest = constants.whole[-1], constants.rest[-1]
    gate = closing_gate(connection, random, constants.facts[0], whole, rest)
    own = slice(connection[WEIGHTS], connection[WEIGHTS] + connection[COUNT])
    weights, tags = synaptic.weights[own], synaptic.tags[own]
    if connection[MAP] == DENSE:
        down = work.down[: connection[POST]]
        move_late(connection, gate, carry, down, x1, weights, tags)
        return
    if not moving:
        work.products[0][:] = 0
        work.products[1][:] = 0
    move_late_shared(connection, gate, carry, work.products, weights, tags)


@merged
def close(
    epoch: int, wiring: Wiring, constants: Constants, draws: Draws, synaptic: Synaptic, work: Work
) -> None:
    """The two epochs of the gates of an accumulated update; in the second one nothing acts."""
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        if connection[PLASTIC] == 1:
            own = slice(connection[WEIGHTS], connection[WEIGHTS] + connection[COUNT])
            whole, rest = constants.whole[-1], constants.rest[-1]
            gate = closing_gate(connection, draws.y[c, epoch], constants.facts[0], whole, rest)
            carry = carry_of(draws.synapse[c, epoch])
            apply_tags(connection, gate, carry, synaptic.weights[own], synaptic.tags[own])
            flag = lift_least(carry, work.flags[1 + c], synaptic.tags[own])
            lift_least(carry_of(draws.synapse[c, epoch + 1]), flag, synaptic.tags[own])


@merged
def forget(wiring: Wiring, synaptic: Synaptic, work: Work) -> None:
    """Zero the traces."""
    for c in range(wiring.connections.shape[0]):
        begin = wiring.connections[c, ROWS]
        for q in range(work.counts[c]):
            synaptic.x1[begin + work.members[begin + q]] = 0
        work.counts[c] = 0
