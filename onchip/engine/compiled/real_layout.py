"""The arrays that the kernels of floating point work on; "real" is float64 or float32."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.columns import ALWAYS_ON, PRE, ROWS, SIZE, WINDOW
from onchip.engine.compiled.maps import sizes
from onchip.engine.compiled.rooms import zeros
from onchip.engine.compiled.wiring import Wiring, neurons_of

Array = np.ndarray

ABSENT = -1
"""The step of the last spike of an input of which nothing is left."""

NEURON_DECAY, NEURON_THRESHOLD, NEURON_PARAMETER, SECOND_DECAY, STRENGTH = range(5)
"""Columns of `RealConstants.neurons`; the last two are those of a `columns.MODEL`."""

MSE_WEIGHT, TIME_STEPS, NOTHING, FIRST_FILTER, SECOND_FILTER = range(5)
"""Places in `RealConstants.numbers`; NOTHING is a trace of which nothing is left, the last two are
decays of the filters of spike trains."""

ONLINE, LATE, OBJECTIVE = range(3)
"""Places in `RealConstants.facts`."""


class RealConstants(NamedTuple):
    """What stays the same, beside the tables of `Wiring`; real unless it is said.

    `neurons` [P, 5]; `powers` and `inverses` [P, window + 3], lambda^k and lambda^-k; `bias` by
    neuron, a frozen one; `rates` [C]; `feedback` holds the matrices; `numbers` [5]. `facts` int64
    [3]: 1 for online updates, by how many steps they are late, the kind of the objective.
    """

    neurons: Array
    powers: Array
    inverses: Array
    bias: Array
    rates: Array
    feedback: Array
    numbers: Array
    facts: Array


class RealMemory(NamedTuple):
    """State and work space; real unless it is said.

    By neuron: `u`, `spikes`, `factor`, `signal` (what is fed back), `current` (what arrives), and
    of some models `second`, their other variable, and `lowered`, the membrane below a raised
    threshold; `filtered` [2, neurons] of an error that is filtered; int64 `fired` [2, neurons] and
    `firing` [2, P] as for integers. `prefix` [window + 3, neurons], sums of lambda^q g[q] from the
    step `base` [P] int64 on; `dots` [window + 3]. By input: `trace`, its value in step `last`
    (int64, or ABSENT), `old` (what the last catching up multiplied by), `members` int64 (inputs
    with a trace, the first `counts` [C] of each connection). `error` [classes], `targets` [T,
    classes] where they are no classes; `ones` for the longest list; `unit` int64 [1], a list of the
    always-on unit. Of the largest convolution: `padded` and `spread`, padded maps, and int64
    `listed`, `amounts`, int64 `where` and `scaled`, lists of inputs; of all of them, `pending`,
    what waits to be added to their weights.
    """

    u: Array
    spikes: Array
    factor: Array
    signal: Array
    current: Array
    second: Array
    lowered: Array
    filtered: Array
    fired: Array
    firing: Array
    prefix: Array
    base: Array
    dots: Array
    trace: Array
    last: Array
    old: Array
    members: Array
    counts: Array
    error: Array
    targets: Array
    ones: Array
    unit: Array
    padded: Array
    spread: Array
    listed: Array
    amounts: Array
    where: Array
    scaled: Array
    pending: Array


class History(NamedTuple):
    """What happened at each of T steps: real `factors` [T, neurons], and int64 `fired` [T, neurons]
    and `firing` [T, P].
    """

    factors: Array
    fired: Array
    firing: Array


def make_memory(wiring: Wiring, dtype: Any, time_steps: int, classes: int) -> RealMemory:
    """Return zeros of the network's sizes."""
    populations, connections = len(wiring.populations), len(wiring.connections)
    neurons, widest = neurons_of(wiring), int(wiring.populations[:, SIZE].max())
    last = wiring.connections[-1]
    inputs = int(last[ROWS] + last[PRE] + last[ALWAYS_ON])
    steps = int(wiring.populations[:, WINDOW].max()) + 3

    mapped = sizes(wiring.maps, wiring.connections)

    def whole(*shape: int) -> Array:
        return np.zeros(shape, np.int64)

    def real(*shape: int) -> Array:
        return zeros(shape, dtype)

    arrays: Any = [real(neurons) for _ in range(7)]
    arrays += [
        real(2, neurons),
        whole(2, neurons),
        whole(2, populations),
        real(steps, neurons),
        whole(populations),
        real(steps),
        real(inputs),
        whole(inputs),
        real(inputs),
        whole(inputs),
        whole(connections),
        real(classes),
        real(time_steps, classes),
        np.ones(widest, dtype),
        whole(1),
        real(mapped.padded),
        real(mapped.padded),
        whole(mapped.inputs),
        real(mapped.inputs),
        whole(mapped.area),
        real(mapped.area),
        real(mapped.weights),
    ]
    return RealMemory(*arrays)


def make_history(wiring: Wiring, dtype: Any, steps: int) -> History:
    """Return room for a sample of so many steps."""
    neurons = neurons_of(wiring)
    return History(
        np.zeros((steps, neurons), dtype),
        np.zeros((steps, neurons), np.int64),
        np.zeros((steps, len(wiring.populations)), np.int64),
    )
