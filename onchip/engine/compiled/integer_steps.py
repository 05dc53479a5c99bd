"""One algorithmic step in integers: populations forward, the error, the factors back."""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    COUNT,
    DELAY,
    DENSE,
    ERROR,
    EXPONENT,
    FEED,
    FEED_END,
    FEED_MAP,
    HARD,
    INTO,
    INTO_END,
    KIND,
    LIVE,
    LIVE_TARGET,
    MAP,
    MATRIX,
    NO_MATRIX,
    POPULATION,
    PRE,
    ROWS,
    SENDER,
    SHARED_BIAS,
    SIZE,
    SOURCE,
    UNIT,
    WEIGHTS,
)
from onchip.engine.compiled.events import copy, place_of
from onchip.engine.compiled.integer_layout import Constants, Neural, Synaptic, Work
from onchip.engine.compiled.integer_maps import send_back_maps
from onchip.engine.compiled.integer_neurons import (
    add_row,
    add_rows,
    add_shifted,
    advance,
    find_error,
    find_factor,
    send_through_matrix,
    send_through_weights,
)
from onchip.engine.compiled.jit import merged
from onchip.engine.compiled.map_rows import add_outputs, clear, send_bias, send_events, spread
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@merged
def begin(wiring: Wiring, synaptic: Synaptic, neural: Neural, work: Work) -> None:
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


@merged
def forward(
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
            begin, end = place_of(connection[SOURCE], m, wiring.populations, starts, neural.firing)
            spikes = inputs[begin:end] if connection[SOURCE] < 0 else neural.fired[m & 1, begin:end]
            sums[:] = 0
            own = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
            if connection[MAP] == SHARED_BIAS:
                send_bias(sums, own)
            elif connection[MAP] != DENSE:
                row = wiring.maps[connection[MAP]]
                clear(work.padded, row)
                send_events(work.padded, own, spikes, work.ones, row, wiring.places)
                add_outputs(sums, work.padded, row)
            else:
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


@merged
def backward(
    label: int,
    wiring: Wiring,
    constants: Constants,
    weights: Array,
    neural: Neural,
    work: Work,
) -> None:
    """The errors e of the readouts, and the factors g of all populations that have one.

    A `label` below 0 says that `Work.error` is the error already.
    """
    for index in range(wiring.stages.shape[0]):
        stage = wiring.stages[index]
        population = wiring.populations[stage[POPULATION]]
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        signal = neural.signal[units]
        if stage[FEED] == stage[FEED_END]:  # a readout
            output = neural.u[units] if population[KIND] > HARD else neural.spikes[units]
            if label >= 0:
                find_error(output, label, constants.error, constants.exponentials, work.error)
            copy(signal, work.error)
        else:
            signal[:] = 0
        for f in range(stage[FEED], stage[FEED_END]):
            feed = wiring.feeds[f]
            above = wiring.populations[feed[LIVE_TARGET]]
            sent = neural.factor[above[UNIT] : above[UNIT] + above[SIZE]]
            if feed[SENDER] == ERROR and above[KIND] <= HARD:  # else the factor is the error
                sent = work.error
            own, fixed = weights[wiring.connections[feed[LIVE], WEIGHTS] :], False
            mapped = wiring.connections[feed[LIVE], MAP]
            if feed[MATRIX] != NO_MATRIX:
                own, fixed, mapped = constants.feedback[feed[MATRIX] :], True, feed[FEED_MAP]
            if mapped != DENSE:
                row = wiring.maps[mapped]
                spread(work.spread, sent, row)
                send_back_maps(signal, own, work.spread, row, wiring.places)
            elif fixed:
                send_through_matrix(sent, signal, own)
            else:
                send_through_weights(sent, signal, own)
        table = constants.derivatives[stage[POPULATION]]
        find_factor(population, signal, neural.u[units], table, neural.factor[units])
