"""What the neurons of some models have besides a membrane and a reset, as in `onchip.neurons`.

CuBa   i[n] = beta i[n-1] + I[n], which the membrane integrates
ALIF   b[n] = rho b[n-1] + s[n-1], and fires where u[n] - strength b[n] >= Vth
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import FILTERS_CURRENT, RAISES_THRESHOLD
from onchip.engine.compiled.events import copy
from onchip.engine.compiled.jit import inner

Array = np.ndarray


@inner
def advance_second(model: int, second: Array, spikes: Array, current: Array, decay: Any) -> None:
    """Advance i or b, in place; i takes the place of the `current`. Before the membranes do."""
    if model == RAISES_THRESHOLD:
        for j in range(second.size):
            second[j] = decay * second[j] + spikes[j]
    elif model == FILTERS_CURRENT:
        for j in range(second.size):
            second[j] = decay * second[j] + current[j]
        copy(current, second)


@inner
def fire_below(
    u: Array, second: Array, strength: Any, threshold: Any, lowered: Array, spikes: Array,
    fired: Array,
) -> int:  # fmt: skip
    """Spikes of neurons whose threshold is raised, and `lowered`, u - strength b, in place.

    Returns how many fired, listed in `fired`.
    """
    count = 0
    for j in range(u.size):
        lowered[j] = u[j] - strength * second[j]
        fires = lowered[j] >= threshold
        spikes[j] = fires
        fired[count] = j
        count += fires
    return count
