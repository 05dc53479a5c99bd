"""What the outputs of a connection tell its synapses at a step, as in `onchip.rules`."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    DERIVATIVE,
    HARD,
    INTEGRATOR,
    KIND,
    MODEL,
    POST,
    RAISES_THRESHOLD,
    SIZE,
    SOFT,
    TARGET,
    UNIT,
)
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.kept_layout import (
    CELLS,
    CONNECTION,
    HIGH,
    LOW,
    RATE,
    SLOTS,
    Kept,
)
from onchip.engine.compiled.kept_layout import KIND as RULE
from onchip.engine.compiled.kept_rules import BOX, PRODUCT, THROUGH_RESET
from onchip.engine.compiled.real_layout import (
    NEURON_DECAY,
    NEURON_PARAMETER,
    NEURON_THRESHOLD,
    RealConstants,
    RealMemory,
)
from onchip.engine.compiled.real_neurons import multiply_by_derivative
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@inner
def tell(n: int, wiring: Wiring, constants: RealConstants, memory: RealMemory, kept: Kept) -> None:
    """The gain and the `now` of step n, whose errors are known, of all connections."""
    for k in range(kept.table.shape[0]):
        kind, connection = kept.table[k, RULE], wiring.connections[kept.table[k, CONNECTION]]
        population, neuron = (
            wiring.populations[connection[TARGET]],
            constants.neurons[connection[TARGET]],
        )
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        cells = slice(kept.table[k, CELLS], kept.table[k, CELLS] + connection[POST])
        gain, now = kept.gains[n % SLOTS, cells], kept.nows[n % SLOTS, cells]
        gain[:] = 1
        if population[KIND] <= HARD and kind == BOX:
            current, threshold = memory.current[units], neuron[NEURON_THRESHOLD]
            low, high = kept.numbers[k, LOW] * threshold, kept.numbers[k, HIGH] * threshold
            for j in range(gain.size):
                gain[j] = low < current[j] and current[j] < high
        elif population[KIND] <= HARD:
            raised = population[MODEL] == RAISES_THRESHOLD
            multiply_by_derivative(
                gain,
                memory.lowered[units] if raised else memory.u[units],
                population[DERIVATIVE],
                neuron[NEURON_PARAMETER],
                neuron[NEURON_THRESHOLD],
            )
        signal, rate = memory.signal[units], kept.numbers[k, RATE]
        multiplied = kind == PRODUCT or kind == BOX or kind == THROUGH_RESET
        for j in range(now.size):
            now[j] = rate * signal[j] * (gain[j] if multiplied else 1)
        if kind == THROUGH_RESET:
            carry_on(
                population, neuron, memory.u[units], memory.spikes[units], gain, kept.carry[cells]
            )


@inner
def carry_on(
    population: Array, neuron: Array, u: Array, spikes: Array, gain: Array, carry: Array
) -> None:
    """The `gain`, which was psi[n], becomes c[n]; `carry` becomes c[n + 1]."""
    decay, threshold, kind = neuron[NEURON_DECAY], neuron[NEURON_THRESHOLD], population[KIND]
    for j in range(u.size):
        slope: Any = decay * 0
        if kind == SOFT:
            slope = 1 - threshold * gain[j]
        elif kind == HARD:
            slope = 1 - spikes[j] - u[j] * gain[j]
        elif kind == INTEGRATOR:
            slope = decay * 0 + 1
        gain[j] = carry[j]
        carry[j] = decay * slope
