"""What the outputs of a connection tell its synapses at a step, as in `onchip.rules`.

`row` is a row of `Kept.table`, `cells` [CELL_ROWS, post] the connection's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    DERIVATIVE,
    HARD,
    INTEGRATOR,
    KIND,
    MODEL,
    RAISES_THRESHOLD,
    SIZE,
    SOFT,
    UNIT,
)
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.kept_layout import CROSS, GAIN, HIGH, LEAK, LOW, NOW, RATE
from onchip.engine.compiled.kept_rules import ADAPTIVE, BOX, PRODUCT, THROUGH_RESET
from onchip.engine.compiled.real_layout import (
    NEURON_DECAY,
    NEURON_PARAMETER,
    NEURON_THRESHOLD,
    SECOND_DECAY,
    STRENGTH,
    RealMemory,
)
from onchip.engine.compiled.real_neurons import multiply_by_derivative

Array = np.ndarray


@inner
def tell(
    kind: int, numbers: Array, population: Array, neuron: Array, memory: RealMemory, cells: Array
) -> None:
    """Gain, cross and now of a step, and what leaks where that depends on the step.

    `kind` and `numbers` are of the eligibility, `population` and `neuron` the rows of the outputs.
    """
    units = slice(population[UNIT], population[UNIT] + population[SIZE])
    gain, now = cells[GAIN], cells[NOW]
    gain[:] = 1
    spiking = population[KIND] <= HARD
    if spiking and kind == BOX:
        current, threshold = memory.current[units], neuron[NEURON_THRESHOLD]
        for j in range(gain.size):
            above, below = numbers[LOW] * threshold, numbers[HIGH] * threshold
            gain[j] = above < current[j] and current[j] < below
    elif spiking:
        lowered = population[MODEL] == RAISES_THRESHOLD
        multiply_by_derivative(
            gain,
            memory.lowered[units] if lowered else memory.u[units],
            population[DERIVATIVE],
            neuron[NEURON_PARAMETER],
            neuron[NEURON_THRESHOLD],
        )
    signal = memory.signal[units]
    for j in range(now.size):
        now[j] = numbers[RATE] * signal[j]
    if kind == ADAPTIVE:
        for j in range(now.size):
            raised: Any = neuron[STRENGTH] * gain[j]
            cells[CROSS, j] = -raised
            cells[LEAK, j] = neuron[SECOND_DECAY] - raised
    elif kind == PRODUCT or kind == BOX or kind == THROUGH_RESET:
        for j in range(now.size):
            now[j] *= gain[j]
    if kind == THROUGH_RESET:
        for j in range(now.size):
            cells[CROSS, j] = gain[j]
            gain[j] = 1


@inner
def carry_on(population: Array, neuron: Array, memory: RealMemory, cells: Array) -> None:
    """What leaks through a reset in the next step, c[n + 1]: from psi[n], which `tell` left."""
    units = slice(population[UNIT], population[UNIT] + population[SIZE])
    u, spikes, decay = memory.u[units], memory.spikes[units], neuron[NEURON_DECAY]
    for j in range(u.size):
        slope: Any = decay * 0
        if population[KIND] == SOFT:
            slope = 1 - neuron[NEURON_THRESHOLD] * cells[CROSS, j]
        elif population[KIND] == HARD:
            slope = 1 - spikes[j] - u[j] * cells[CROSS, j]
        elif population[KIND] == INTEGRATOR:
            slope = decay * 0 + 1
        cells[LEAK, j] = decay * slope
