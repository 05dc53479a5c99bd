"""The errors of objectives that are no classification, in loops, as in `onchip.objectives`."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    FEED,
    FEED_END,
    HARD,
    KIND,
    ONE_FILTER,
    POPULATION,
    REWARD,
    SIZE,
    TWO_FILTERS,
    UNIT,
)
from onchip.engine.compiled.events import copy
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.real_layout import (
    FIRST_FILTER,
    OBJECTIVE,
    SECOND_FILTER,
    TIME_STEPS,
    RealConstants,
    RealMemory,
)
from onchip.engine.compiled.wiring import Wiring

Array = np.ndarray


@inner
def find_errors(n: int, wiring: Wiring, constants: RealConstants, memory: RealMemory) -> bool:
    """The errors of all readouts at step n, into `RealMemory.signal`.

    That of a single one is `RealMemory.error`, too. Returns whether all outputs are finite.
    """
    finite = True
    for index in range(wiring.stages.shape[0]):
        stage = wiring.stages[index]
        if stage[FEED] != stage[FEED_END]:
            continue
        population = wiring.populations[stage[POPULATION]]
        units = slice(population[UNIT], population[UNIT] + population[SIZE])
        output = memory.u[units] if population[KIND] > HARD else memory.spikes[units]
        first, second = memory.filtered[0, units], memory.filtered[1, units]
        found = _find_error(
            constants.facts[OBJECTIVE], output, memory.targets[n], constants.numbers, first, second,
            memory.error,
        )  # fmt: skip
        finite = found and finite
        copy(memory.signal[units], memory.error)
    return finite


@inner
def _find_error(
    kind: int, output: Array, target: Array, numbers: Array, first: Array, second: Array,
    error: Array,
) -> bool:  # fmt: skip
    """e of an objective's `kind`; returns whether the output is finite; all [outputs].

    `first` and `second` are the filtered differences of the steps before, which it advances.
    """
    finite, share = True, output.size * numbers[TIME_STEPS]
    for j in range(output.size):
        finite = finite and np.isfinite(output[j])
        difference: Any = output[j] - target[j]
        if kind == REWARD:
            error[j] = -target[j]
            continue
        if kind >= ONE_FILTER:
            difference += numbers[FIRST_FILTER] * first[j]
            first[j] = difference
        if kind == TWO_FILTERS:
            difference += numbers[SECOND_FILTER] * second[j]
            second[j] = difference
        error[j] = difference / share
    return finite
