"""One algorithmic step of real numbers: populations forward, the error, the factors back.

Functions are long here, and `merged`: each level of calls is compiled anew with all that it calls.
"""

from __future__ import annotations

import numpy as np

from onchip.engine.compiled.columns import (
    ALWAYS_ON,
    COUNT,
    DELAY,
    DENSE,
    DERIVATIVE,
    ERROR,
    FEED,
    FEED_END,
    FEED_MAP,
    FIRST,
    HARD,
    INTO,
    INTO_END,
    KIND,
    LIVE,
    LIVE_TARGET,
    MAP,
    MATRIX,
    MODEL,
    NO_MATRIX,
    PLAIN,
    PLASTIC,
    POPULATION,
    PRE,
    RAISES_THRESHOLD,
    ROWS,
    SENDER,
    SIZE,
    SOURCE,
    TARGET,
    UNIT,
    WEIGHTS,
)
from onchip.engine.compiled.events import copy, place_of
from onchip.engine.compiled.jit import merged
from onchip.engine.compiled.lazy_rows import send_back_live, send_lazily
from onchip.engine.compiled.real_layout import (
    ABSENT,
    MSE_WEIGHT,
    NEURON_DECAY,
    NEURON_PARAMETER,
    NEURON_THRESHOLD,
    SECOND_DECAY,
    STRENGTH,
    TIME_STEPS,
    RealConstants,
    RealMemory,
)
from onchip.engine.compiled.real_models import advance_second, fire_below
from onchip.engine.compiled.real_neurons import advance, find_error, multiply_by_derivative
from onchip.engine.compiled.real_rows import add_scaled, send
from onchip.engine.compiled.real_shared import send_back_shared, send_shared
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@merged
def begin(memory: RealMemory) -> None:
    """Zero state and traces."""
    memory.u[:] = 0
    memory.spikes[:] = 0
    memory.firing[:] = 0
    memory.factor[:] = 0
    memory.second[:] = 0
    memory.filtered[:] = 0
    memory.trace[:] = 0
    memory.old[:] = 0
    memory.last[:] = ABSENT
    memory.counts[:] = 0
    memory.base[:] = 0
    memory.prefix[0] = 0
    memory.pending[:] = 0


@merged
def forward(
    n: int,
    begin_with: int,
    end_before: int,
    starts: Array,
    inputs: Array,
    values: Array,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
) -> None:
    """Step n of some populations, one after the other."""
    for p in range(begin_with, end_before):
        population = wiring.populations[p]
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        current = memory.current[units]
        copy(current, constants.bias[units])
        for c in range(population[INTO], population[INTO_END]):
            connection, m = wiring.connections[c], n - wiring.connections[c, DELAY]
            source, target = connection[SOURCE], connection[TARGET]
            begin, end = place_of(source, m, wiring.populations, starts, memory.firing)
            own = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
            ends = connection[ROWS] + connection[PRE] + connection[ALWAYS_ON]
            rows = slice(connection[ROWS], ends)
            for last in range(1 + connection[ALWAYS_ON]):  # then the unit that is always on
                spikes = inputs[begin:end] if source < 0 else memory.fired[m & 1, begin:end]
                sent = memory.ones
                if source < 0 and m >= 0:
                    sent = values[starts[-1 - source, m] :]
                if last == 1:
                    memory.unit[0] = connection[PRE]
                    spikes, sent = memory.unit, memory.ones
                if connection[MAP] != DENSE:
                    send_shared(connection, spikes, sent, current, wiring, constants, own, memory)
                elif connection[PLASTIC] == 0 or constants.facts[0] == 0:
                    send(current, own, spikes, sent)
                else:  # pending updates come first
                    memory.counts[c] = send_lazily(
                        n, memory.base[target], constants.facts[1], connection[FIRST],
                        constants.rates[c], spikes, sent, constants.powers[target],
                        constants.inverses[target], memory.prefix, current, own,
                        memory.trace[rows], memory.last[rows], memory.old[rows],
                        memory.members[rows], memory.counts[c],
                    )  # fmt: skip
        neurons, model = constants.neurons[p], population[MODEL]
        u, spiked, fired = memory.u[units], memory.spikes[units], memory.fired[n & 1, units]
        if model != PLAIN:
            advance_second(model, memory.second[units], spiked, current, neurons[SECOND_DECAY])
        memory.firing[n & 1, p] = advance(
            population[KIND],
            u,
            spiked,
            current,
            neurons[NEURON_DECAY],
            neurons[NEURON_THRESHOLD],
            fired,
        )
        if model == RAISES_THRESHOLD:
            memory.firing[n & 1, p] = fire_below(
                u, memory.second[units], neurons[STRENGTH], neurons[NEURON_THRESHOLD],
                memory.lowered[units], spiked, fired,
            )  # fmt: skip


@merged
def backward(
    n: int,
    label: int,
    wiring: Wiring,
    constants: RealConstants,
    weights: Array,
    memory: RealMemory,
) -> bool:
    """The factors g[n] of the populations that have one; returns whether the output is finite.

    A `label` below 0 says that the errors of the readouts are in `RealMemory.signal` already.
    """
    numbers, error, finite = constants.numbers, memory.error, True
    for index in range(wiring.stages.shape[0]):
        stage = wiring.stages[index]
        p = stage[POPULATION]
        population = wiring.populations[p]
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        factor = memory.factor[units]
        if stage[FEED] == stage[FEED_END]:  # a readout
            copy(factor, memory.signal[units])
            if label >= 0:
                output = memory.u[units] if population[KIND] > HARD else memory.spikes[units]
                own_mse, steps = numbers[MSE_WEIGHT], numbers[TIME_STEPS]
                finite = find_error(output, label, own_mse, steps, error) and finite
                copy(factor, error)
        else:
            factor[:] = 0
        for f in range(stage[FEED], stage[FEED_END]):
            feed = wiring.feeds[f]
            above, c = wiring.populations[feed[LIVE_TARGET]], feed[LIVE]
            sent = memory.factor[above[UNIT] : above[UNIT] + above[SIZE]]
            if feed[SENDER] == ERROR and above[KIND] <= HARD:  # else the factor is the error
                sent = error
            connection, place = wiring.connections[c], feed[MATRIX]
            own = weights[connection[WEIGHTS] : connection[WEIGHTS] + connection[COUNT]]
            mapped = connection[MAP]
            if place != NO_MATRIX:
                own, mapped = constants.feedback[place:], feed[FEED_MAP]
            if mapped != DENSE:
                send_back_shared(mapped, sent, factor, own, wiring, memory)
            elif place != NO_MATRIX:
                for k in range(sent.size):
                    add_scaled(factor, own[k * factor.size : (k + 1) * factor.size], sent[k])
            else:
                inputs = connection[PRE] + connection[ALWAYS_ON]
                rows = slice(connection[ROWS], connection[ROWS] + inputs)
                target = connection[TARGET]
                send_back_live(
                    n, memory.base[target], constants.facts[1], connection[FIRST],
                    constants.rates[c], sent, factor, constants.inverses[target], memory.prefix,
                    memory.dots, own, memory.trace[rows], memory.last[rows], memory.old[rows],
                    memory.members[rows], memory.counts[c],
                )  # fmt: skip
        copy(memory.signal[units], factor)
        if population[KIND] <= HARD:
            multiply_by_derivative(
                factor,
                memory.lowered[units] if population[MODEL] == RAISES_THRESHOLD else memory.u[units],
                population[DERIVATIVE],
                constants.neurons[p, NEURON_PARAMETER],
                constants.neurons[p, NEURON_THRESHOLD],
            )
    return finite
