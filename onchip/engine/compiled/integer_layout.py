"""The arrays that the kernels of integers work on: constants, and what changes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.columns import ALWAYS_ON, PRE, ROWS, SIZE
from onchip.engine.compiled.maps import sizes
from onchip.engine.compiled.rooms import places, zeros
from onchip.engine.compiled.wiring import Wiring, neurons_of

Array = np.ndarray

TRACES = 128
"""Values of a trace."""


class Constants(NamedTuple):
    """What stays the same, beside the tables of `Wiring`; int64 unless it is said.

    `derivatives` [P, 257] are tables; `bias` by neuron; `feedback` int16 holds the matrices.
    `whole` int64 and `rest` float64 [C + 1, 128] are what a step leaves of each value of a
    connection's trace, and in the last row of a factor y. `error` [5] are those of `FixedError` in
    its order, `exponentials` [256] its table. `facts` [3]: epoch K, 1 if pipelined, when
    updates act (`columns.LATE` and the others).
    """

    derivatives: Array
    bias: Array
    feedback: Array
    whole: Array
    rest: Array
    error: Array
    exponentials: Array
    facts: Array


class Synaptic(NamedTuple):
    """What learning changes: `weights` and `tags` int16 and `x1` uint8, by their places."""

    weights: Array
    tags: Array
    x1: Array


class Neural(NamedTuple):
    """State of the neurons, by unit.

    `u` and `spikes` int64, `signal` (what is fed back), `factor` and `held` (of the step before)
    int32. `fired` [2, neurons] and
    `firing` [2, P]: which neurons of a population fired in a step, by its parity, and how many.
    """

    u: Array
    spikes: Array
    signal: Array
    factor: Array
    held: Array
    fired: Array
    firing: Array


class Work(NamedTuple):
    """Work space.

    `members` int64 (the inputs with a trace, `counts` [C] of each connection) and `spiking` uint8
    by input. Of the widest population: `sums` int32, `total` int64, `down` and `taken` int32.
    `steps` int16 [128, widest] of each trace's value, `made` [128] the number of the update that it
    was made for, and [128] more whether it moves anything. `powers` uint8 [K + 1, 128]. `flags` [1
    + C]: how many updates were made; 1 if a tag of the connection may hold the least number.
    `error` int32 [classes]. Of the largest convolution: `padded` and `spread` int32, padded maps;
    `where` int64 and `amounts` int32, lists of a channel's inputs; `products` int32 [4, weights],
    sums of the products of x1 above and below 0 and of x0; `ones` int32, for the longest list of
    spikes.
    """

    members: Array
    counts: Array
    spiking: Array
    sums: Array
    total: Array
    down: Array
    taken: Array
    steps: Array
    made: Array
    powers: Array
    flags: Array
    error: Array
    padded: Array
    spread: Array
    where: Array
    amounts: Array
    products: Array
    ones: Array


class Draws(NamedTuple):
    """The random numbers of a sample's epochs [C, epochs], for traces, factors and synapses."""

    x: Array
    y: Array
    synapse: Array


def make_neural(wiring: Wiring) -> Neural:
    """Return zeros of the network's size."""
    neurons, populations = neurons_of(wiring), len(wiring.populations)
    wide: Any = [np.zeros(neurons, dtype) for dtype in (*(np.int64,) * 2, *(np.int32,) * 3)]
    wide += [np.zeros((2, neurons), np.int64), np.zeros((2, populations), np.int64)]
    return Neural(*wide)


def make_work(wiring: Wiring, epoch: int, classes: int) -> Work:
    """Return zeros of the sizes of a network whose learning epoch has so many steps."""
    connections, widest = len(wiring.connections), int(wiring.populations[:, SIZE].max())
    rows, mapped = input_rows(wiring), sizes(wiring.maps, wiring.connections)
    return Work(
        np.zeros(rows, np.int64),
        np.zeros(connections, np.int64),
        np.zeros(rows, np.uint8),
        np.zeros(widest, np.int32),
        np.zeros(widest, np.int64),
        np.zeros(widest, np.int32),
        np.zeros(widest, np.int32),
        np.zeros((TRACES, widest), np.int16),
        np.zeros(2 * TRACES, np.int64),
        np.zeros((epoch + 1, TRACES), np.uint8),
        np.zeros(1 + connections, np.int64),
        np.zeros(classes, np.int32),
        zeros(mapped.padded, np.int32),
        zeros(mapped.padded, np.int32),
        np.zeros(mapped.area, np.int64),
        np.zeros(mapped.area, np.int32),
        zeros((4, places([mapped.weights])[1]), np.int32),
        np.ones(mapped.inputs, np.int32),
    )


def input_rows(wiring: Wiring) -> int:
    """Return the inputs of all connections, with always-on units."""
    last = wiring.connections[-1]
    return int(last[ROWS] + last[PRE] + last[ALWAYS_ON])
