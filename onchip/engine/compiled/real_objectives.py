"""The errors of objectives that are no classification, in loops, as in `onchip.objectives`."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import ONE_FILTER, REWARD, TWO_FILTERS
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.real_layout import FIRST_FILTER, SECOND_FILTER, TIME_STEPS

Array = np.ndarray


@inner
def find_other_error(
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
