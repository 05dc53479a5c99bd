"""Convolutions in integers that learn or send errors back, and a map's bias that learns.

`onchip.engine.shared_updates` has the equations: the products of every position are floored by
themselves and summed up, those of errors above and below 0 apart, as they are two products; the
accumulator saturates after each. Of the two only one acts at a position, so one pass sums up both:
the products above 0 are one's and those below 0 the other's.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.accumulator import ACCUMULATOR_LIMITS, VARIABLE_SHIFT
from onchip.engine.compiled.columns import (
    AREA,
    CHANNELS,
    CORRECTION,
    JUMP,
    MAIN,
    PHASES,
    PITCH,
    PLACES,
    TAPS,
)
from onchip.engine.compiled.jit import inner
from onchip.engine.compiled.map_rows import run_of
from onchip.engine.shared_updates import FARTHEST

Array = np.ndarray

LOWEST, HIGHEST = ACCUMULATOR_LIMITS


@inner
def send_back_maps(signal: Array, weights: Array, spread: Array, row: Array, places: Array) -> None:
    """signal int32 [inputs] += the transpose of a convolution, of a factor laid out."""
    channels = signal.size // row[AREA]
    for index in range(row[AREA]):
        position, tap, rows, taps = run_of(row, places, index)
        size, place = taps * row[CHANNELS], position * row[CHANNELS]
        for k in range(rows):
            begin = (tap - k * row[JUMP]) * row[CHANNELS]
            run = spread[place : place + size]
            for channel in range(channels):
                i = channel * row[AREA] + index
                signal[i] = np.int32(signal[i] + _dot(weights[begin : begin + size], run))
                begin += row[TAPS] * row[CHANNELS]
            place += row[PITCH] * row[CHANNELS]


@inner
def _dot(weights: Array, run: Array) -> Any:
    total = np.int32(0)
    for j in range(run.size):
        total = np.int32(total + np.int32(np.int32(weights[j]) * run[j]))
    return total


@inner
def sum_products(
    connection: Array, product: int, x: Array, spread: Array, row: Array, places: Array,
    where: Array, amounts: Array, above: Array, below: Array,
) -> None:  # fmt: skip
    """`above` and `below`, by weight, += the products of `x` [inputs] above and below 0.

    `product` is MAIN or CORRECTION, `spread` its third factors as a padded map, with mantissa.
    """
    right, left = np.int32(connection[product + 1]), np.int32(connection[product + 2])
    for channel in range(x.size // row[AREA]):
        first = channel * row[AREA]
        for phase in range(row[PHASES]):
            count = 0
            for index in range(row[AREA]):
                where[count] = places[row[PLACES] + index] * row[CHANNELS]
                amounts[count] = x[first + index]
                same = places[row[PLACES] + row[AREA] + index] == phase
                count += same and x[first + index] > 0
            about = row[PLACES] + 2 * row[AREA] + 3 * phase
            size, down = places[about + 2] * row[CHANNELS], 0
            begin = (channel * row[TAPS] + places[about]) * row[CHANNELS]
            for _ in range(places[about + 1] if count > 0 else 0):
                for q in range(count):
                    a = where[q] + down
                    _add_products(
                        above[begin : begin + size], below[begin : begin + size],
                        spread[a : a + size], np.int32(amounts[q]), right, left,
                    )  # fmt: skip
                begin -= row[JUMP] * row[CHANNELS]
                down += row[PITCH] * row[CHANNELS]


@inner
def _add_products(
    above: Array, below: Array, factors: Array, x: int, right: int, left: int
) -> None:
    low, high, zero = np.int32(LOWEST), np.int32(HIGHEST), np.int32(0)
    for j in range(above.size):
        value = np.int32(np.int32(np.int32(factors[j] * x) >> right) << left)
        value = min(max(value, low), high)
        above[j] = np.int32(above[j] + max(value, zero))
        below[j] = np.int32(below[j] + min(value, zero))


@inner
def sum_products_of_bias(
    connection: Array, product: int, x: int, factors: Array, above: Array, below: Array
) -> None:
    """As `sum_products`, of a map's bias: `x` is the trace of its unit, `factors` [neurons]."""
    right, left = connection[product + 1], connection[product + 2]
    area = factors.size // above.size
    for k in range(above.size):
        for j in range(area):
            value = ((np.int64(factors[k * area + j]) * x) >> right) << left
            value = min(max(value, LOWEST), HIGHEST)
            above[k] += max(value, 0)
            below[k] += min(value, 0)


@inner
def add_products(
    connection: Array, carry: int, lowest: int, highest: int, sums: Array, variable: Array
) -> None:
    """Add the `sums` [4, weights] of both products to weights or tags, and round."""
    for k in range(variable.size):
        total = np.int64(variable[k]) << VARIABLE_SHIFT
        total = _both(total, connection[MAIN], sums[0, k], sums[1, k])
        if connection[CORRECTION] != 0:
            total = _both(total, connection[CORRECTION], sums[2, k], sums[3, k])
        variable[k] = min(max((total + carry) >> VARIABLE_SHIFT, lowest), highest)


@inner
def _both(total: int, mantissa: int, above: int, below: int) -> int:
    """The accumulator after the product of errors above 0 and that of errors below 0."""
    first, second = (above, below) if mantissa > 0 else (below, above)
    total = min(max(total + min(max(first, -FARTHEST), FARTHEST), LOWEST), HIGHEST)
    return min(max(total + min(max(second, -FARTHEST), FARTHEST), LOWEST), HIGHEST)
