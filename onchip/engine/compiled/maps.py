"""Convolutions as tables for the kernels: where an input's kernel rows meet the output map.

Output maps are padded with a margin that takes what falls outside of them, and lie with the
channels of a position side by side. An input at (y, x) meets the output at (oy, ox) by the tap

    ky = y + padding - stride oy,    kx = x + padding - stride ox

so its taps are those of one phase, ky and kx modulo the stride. Weights lie as [in, ky, kx, out]
with the kx of a phase together and in falling order: then the taps of one kernel row that an input
meets, and the outputs that they lead to, are two runs of numbers, and all is done run by run.

Of each convolution `places` holds the first position [AREA] and the phase [AREA] of a channel's
inputs, then for each phase the tap that leads there, the number of kernel rows and the taps of
each. From a row of outputs to the next the position grows by PITCH and the tap falls by JUMP.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from onchip.engine.compiled.columns import (
    AREA,
    CHANNELS,
    CORNER,
    COUNT,
    DENSE,
    JUMP,
    MAP,
    MAP_COLUMNS,
    MAP_HEIGHT,
    MAP_WIDTH,
    PADDED,
    PHASES,
    PITCH,
    PLACES,
    PRE,
    TAPS,
)
from onchip.network.convolution import Convolution
from onchip.network.transform import Transform
from onchip.program.program import FeedbackPath

Array = np.ndarray


class Side(NamedTuple):
    """One of the two directions: `before` and `after` are the margins of the output map.

    By input: `first` the lowest output that it meets, counted from the margin's begin, and its
    `phase`. By phase: how many `taps` it has.
    """

    before: int
    after: int
    first: Array
    phase: Array
    taps: Array


def side(inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> Side:
    """Return how inputs meet outputs in one direction."""
    highest, phase = np.divmod(np.arange(inputs) + padding, stride)
    taps = np.array([len(range(p, kernel, stride)) for p in range(stride)])
    lowest = highest - taps[phase] + 1
    before, after = max(0, -int(lowest.min())), max(0, int(highest.max()) - outputs + 1)
    return Side(before, after, before + lowest, phase, taps)


def tables(convolutions: Iterable[Convolution]) -> tuple[Array, Array]:
    """Return the table "maps" [M, MAP_COLUMNS] and `places`, int64."""
    rows, places, begin = [], [np.zeros(0, np.int64)], 0
    for convolution in convolutions:
        row, own = _tables_of(convolution)
        row[PLACES] = begin
        begin += len(own)
        rows.append(row)
        places.append(own)
    return np.array(rows, np.int64).reshape(-1, MAP_COLUMNS), np.concatenate(places)


def _tables_of(convolution: Convolution) -> tuple[Array, Array]:
    """A row of "maps" and its part of `places`."""
    channels, height, width = convolution.output_shape
    kernel, stride = convolution.weight.shape[2:], convolution.stride
    down, across = (
        side(convolution.input_shape[1 + axis], (height, width)[axis], kernel[axis], stride[axis],
             convolution.padding[axis])
        for axis in (0, 1)
    )  # fmt: skip
    pitch = across.before + width + across.after
    row = np.zeros(MAP_COLUMNS, np.int64)
    row[AREA] = len(down.first) * len(across.first)
    row[[CHANNELS, MAP_HEIGHT, MAP_WIDTH, PITCH]] = channels, height, width, pitch
    row[CORNER] = down.before * pitch + across.before
    row[PADDED] = (down.before + height + down.after) * pitch
    row[[TAPS, JUMP, PHASES]] = kernel[0] * kernel[1], stride[0] * kernel[1], stride[0] * stride[1]
    first = down.first[:, np.newaxis] * pitch + across.first
    phase = down.phase[:, np.newaxis] * stride[1] + across.phase
    begins = np.concatenate(([0], np.cumsum(across.taps)[:-1]))
    of_phases = []
    for p in range(stride[0]):
        for q in range(stride[1]):
            tap = (p + (down.taps[p] - 1) * stride[0]) * kernel[1] + begins[q]
            rows = down.taps[p] if across.taps[q] else 0
            of_phases.append((tap, rows, across.taps[q]))
    return row, np.concatenate((first.ravel(), phase.ravel(), np.ravel(of_phases)))


class Sizes(NamedTuple):
    """How much room the kernels need: for the largest padded map, the inputs of a convolution and
    of a channel, and the weights of all of them.
    """

    padded: int
    inputs: int
    area: int
    weights: int


def sizes(maps: Array, connections: Array) -> Sizes:
    """Return the room for a table "maps"; zeros where there is no convolution."""
    shared = connections[connections[:, MAP] != DENSE]
    return Sizes(
        int((maps[:, PADDED] * maps[:, CHANNELS]).max(initial=0)),
        int(shared[:, PRE].max(initial=0)),
        int(maps[:, AREA].max(initial=0)),
        int(shared[:, COUNT].sum()),
    )


def laid_out(transform: Transform, weight: Array) -> Array:
    """Return a convolution's [out, in, kernel_h, kernel_w] as the kernels read them, flat.

    Dense weights [post, inputs] lie as [inputs, post], those of other transforms as they are.
    """
    if type(transform) is not Convolution:
        return weight.T.ravel()
    rows = weight.transpose(1, 2, 3, 0)[:, :, _order(weight.shape[3], transform.stride)]
    return rows.ravel()


def put_back(own: Array, transform: Transform, weight: Array) -> None:
    """Write what is laid out as by `laid_out` to `weight`."""
    if type(transform) is not Convolution:
        weight[...] = own.reshape(weight.shape[::-1]).T
        return
    outputs, channels, height, width = weight.shape
    shaped = own.reshape(channels, height, width, outputs).transpose(3, 0, 1, 2)
    weight[:, :, :, _order(width, transform.stride)] = shaped


def sending(feed: FeedbackPath) -> Array:
    """Return the fixed weights of a feed as the kernels read them, flat; none of live ones."""
    if feed.transform is not None:
        return laid_out(feed.transform, feed.transform.weight)
    return np.zeros(0) if feed.matrix is None else feed.matrix.T.ravel()


def _order(width: int, stride: Sequence[int]) -> list[int]:
    """The taps kx of a kernel row in the order in which they lie."""
    return [kx for p in range(stride[1]) for kx in reversed(range(p, width, stride[1]))]
