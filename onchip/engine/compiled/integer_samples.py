"""A sample in integers in one call: all steps, and the epochs in which the synapses learn."""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.accumulator import TAG_LIMITS
from onchip.arithmetic.loihi import WEIGHT_LIMITS
from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    DELAY,
    ERROR,
    EXPONENT,
    FEED,
    FEED_END,
    FIRST,
    HARD,
    INTO,
    INTO_END,
    KIND,
    LIVE,
    LIVE_TARGET,
    MATRIX,
    NO_MATRIX,
    PLASTIC,
    POPULATION,
    POST,
    PRE,
    ROWS,
    SENDER,
    SIZE,
    SOURCE,
    UNIT,
    WEIGHTS,
)
from onchip.engine.compiled.events import copy, spikes_of
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
from onchip.engine.compiled.integer_layout import Constants, Draws, Neural, Synaptic, Work
from onchip.engine.compiled.integer_steps import (
    add_row,
    add_rows,
    add_shifted,
    advance,
    find_error,
    find_factor,
    send_through_matrix,
    send_through_weights,
)
from onchip.engine.compiled.jit import inner, jitted
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@jitted
def learn_sample(
    starts: Array,
    inputs: Array,
    labels: Array,
    outputs: Array,
    wiring: Wiring,
    constants: Constants,
    draws: Draws,
    synaptic: Synaptic,
    neural: Neural,
    work: Work,
) -> None:
    """Learn from one sample, as `events.collect` lists it; fills `outputs` [T, classes].

    `labels` [T] is the class at each step. On the pipelined schedule an epoch learns from the
    factors of the step before it, and one more from those of the last.
    """
    pipelined, accumulates = constants.facts[1] == 1, constants.facts[2] == 1
    steps = outputs.shape[0]
    _begin(wiring, synaptic, neural, work)
    for n in range(steps + pipelined):
        if pipelined:
            copy(neural.held, neural.factor)
        if n < steps:
            _forward(n, starts, inputs, wiring, constants, synaptic.weights, neural, work)
            _read_out(outputs[n], wiring, neural)
            _backward(outputs[n], labels[n], wiring, constants, synaptic.weights, neural, work)
        if not pipelined:
            copy(neural.held, neural.factor)
        _epoch(n, n < steps, starts, inputs, wiring, constants, draws, synaptic, neural, work)
    if accumulates:
        _close(steps + pipelined, wiring, constants, draws, synaptic, work)
    _forget(wiring, synaptic, work)


@inner
def _begin(wiring: Wiring, synaptic: Synaptic, neural: Neural, work: Work) -> None:
    """Zero the neurons; list the inputs that have a trace already."""
    neural.u[:] = 0
    neural.spikes[:] = 0
    neural.firing[:] = 0
    neural.held[:] = 0
    neural.factor[:] = 0
    work.flags[1:] = 1
    for c in range(wiring.connections.shape[0]):
        begin, count = wiring.connections[c, ROWS], 0
        for i in range(wiring.connections[c, PRE] + wiring.connections[c, ALWAYS_ON]):
            work.members[begin + count] = i
            count += synaptic.x1[begin + i] > 0
        work.counts[c] = count


@inner
def _forward(
    n: int,
    starts: Array,
    inputs: Array,
    wiring: Wiring,
    constants: Constants,
    weights: Array,
    neural: Neural,
    work: Work,
) -> None:
    """Step n of all populations: what synapses send, membranes, which neurons fire."""
    for p in range(wiring.populations.shape[0]):
        population = wiring.populations[p]
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        total, sums = work.total[: population[SIZE]], work.sums[: population[SIZE]]
        total[:] = 0
        for c in range(population[INTO], population[INTO_END]):
            connection, m = wiring.connections[c], n - wiring.connections[c, DELAY]
            spikes = spikes_of(
                connection[SOURCE],
                m,
                wiring.populations,
                starts,
                inputs,
                neural.fired,
                neural.firing,
            )
            sums[:] = 0
            own = weights[connection[WEIGHTS] :]
            add_rows(sums, own, spikes)
            if connection[ALWAYS_ON]:
                add_row(sums, own[connection[PRE] * sums.size : (connection[PRE] + 1) * sums.size])
            add_shifted(total, sums, connection[EXPONENT])
        neural.firing[n & 1, p] = advance(
            population,
            total,
            constants.bias[units],
            neural.u[units],
            neural.spikes[units],
            neural.fired[n & 1, units],
        )


@inner
def _read_out(output: Array, wiring: Wiring, neural: Neural) -> None:
    """The network's output [classes]: the last population's membrane, or its spikes."""
    first = wiring.populations[-1, UNIT]
    spiking = wiring.populations[-1, KIND] <= HARD
    for j in range(output.size):
        output[j] = neural.spikes[first + j] if spiking else neural.u[first + j]


@inner
def _backward(
    output: Array,
    label: int,
    wiring: Wiring,
    constants: Constants,
    weights: Array,
    neural: Neural,
    work: Work,
) -> None:
    """The error e and the factors g of all populations that have one."""
    find_error(output, label, constants.error, constants.exponentials, work.error)
    for index in range(wiring.stages.shape[0]):
        stage = wiring.stages[index]
        population = wiring.populations[stage[POPULATION]]
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        signal = work.sums[: population[SIZE]]
        if stage[FEED] == stage[FEED_END]:
            copy(signal, work.error)
        else:
            signal[:] = 0
        for f in range(stage[FEED], stage[FEED_END]):
            feed = wiring.feeds[f]
            above = wiring.populations[feed[LIVE_TARGET]]
            sent = neural.factor[above[UNIT] : above[UNIT] + above[SIZE]]
            if feed[SENDER] == ERROR:
                sent = work.error
            if feed[MATRIX] == NO_MATRIX:
                own = weights[wiring.connections[feed[LIVE], WEIGHTS] :]
                send_through_weights(sent, signal, own)
            else:
                send_through_matrix(sent, signal, constants.feedback[feed[MATRIX] :])
        table = constants.derivatives[stage[POPULATION]]
        find_factor(population, signal, neural.u[units], table, neural.factor[units])


@inner
def _epoch(
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
    steps, accumulates = constants.facts[0], constants.facts[2] == 1
    variable = synaptic.tags if accumulates else synaptic.weights
    lowest = TAG_LIMITS[0] if accumulates else WEIGHT_LIMITS[0]
    highest = TAG_LIMITS[1] if accumulates else WEIGHT_LIMITS[1]
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        if connection[PLASTIC] == 0:
            continue
        m = n - connection[DELAY] if spiking else -1
        spikes = spikes_of(
            connection[SOURCE], m, wiring.populations, starts, inputs, neural.fired, neural.firing
        )
        count = connection[PRE] + connection[ALWAYS_ON]
        rows = slice(connection[ROWS], connection[ROWS] + count)
        own = variable[connection[WEIGHTS] : connection[WEIGHTS] + count * connection[POST]]
        units = slice(connection[FIRST], connection[FIRST] + connection[POST])
        always_on = connection[PRE] if connection[ALWAYS_ON] == 1 and spiking else -1
        x1, members, marks = synaptic.x1[rows], work.members[rows], work.spiking[rows]
        down, taken = work.down[: connection[POST]], work.taken[: connection[POST]]
        make_powers(draws.x[c, n], constants.whole[c], constants.rest[c], work.powers)
        count = advance_traces(
            connection, spikes, always_on, work.powers, x1, members, work.counts[c], marks
        )
        whole, rest = constants.whole[-1], constants.rest[-1]
        moving = multiply_factors(
            connection, neural.held[units], draws.y[c, n], not accumulates, steps, whole, rest,
            down, taken,
        )  # fmt: skip
        carry = carry_of(draws.synapse[c, n])
        work.flags[0] += 1
        work.counts[c] = move_members(
            connection, carry, lowest, highest, moving, down, taken, x1, members, count, marks, own,
            work.steps, work.made, work.flags[0],
        )  # fmt: skip
        if accumulates:
            work.flags[1 + c] = lift_least(carry, work.flags[1 + c], own)


@inner
def _close(
    epoch: int, wiring: Wiring, constants: Constants, draws: Draws, synaptic: Synaptic, work: Work
) -> None:
    """The two epochs of the gates of an accumulated update; in the second one nothing acts."""
    for c in range(wiring.connections.shape[0]):
        connection = wiring.connections[c]
        if connection[PLASTIC] == 1:
            size = (connection[PRE] + connection[ALWAYS_ON]) * connection[POST]
            own = slice(connection[WEIGHTS], connection[WEIGHTS] + size)
            whole, rest = constants.whole[-1], constants.rest[-1]
            gate = closing_gate(connection, draws.y[c, epoch], constants.facts[0], whole, rest)
            carry = carry_of(draws.synapse[c, epoch])
            apply_tags(connection, gate, carry, synaptic.weights[own], synaptic.tags[own])
            flag = lift_least(carry, 1, synaptic.tags[own])
            lift_least(carry_of(draws.synapse[c, epoch + 1]), flag, synaptic.tags[own])


@inner
def _forget(wiring: Wiring, synaptic: Synaptic, work: Work) -> None:
    """Zero the traces."""
    for c in range(wiring.connections.shape[0]):
        begin = wiring.connections[c, ROWS]
        for q in range(work.counts[c]):
            synaptic.x1[begin + work.members[begin + q]] = 0
        work.counts[c] = 0
