"""Convolutions run by run, in real numbers or in integers: what inputs send to padded maps.

`row` is one of the table "maps", `places` are its tables; padded maps are flat, [positions,
channels]. `onchip.engine.compiled.maps` says what a run is.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import (
    AREA,
    CHANNELS,
    CORNER,
    JUMP,
    MAP_HEIGHT,
    MAP_WIDTH,
    PADDED,
    PITCH,
    PLACES,
    TAPS,
)
from onchip.engine.compiled.jit import inner, summing
from onchip.engine.compiled.real_rows import add_scaled

Array = np.ndarray

BLOCK = 8
"""Numbers that are moved together where channels and positions change places."""


@inner
def clear(padded: Array, row: Array) -> None:
    """Zero a padded map."""
    for j in range(row[PADDED] * row[CHANNELS]):
        padded[j] = 0


@inner
def run_of(row: Array, places: Array, index: int) -> Any:
    """Of the input `index` of a channel: its first position and tap, kernel rows and taps."""
    begin = row[PLACES]
    phase = begin + 2 * row[AREA] + 3 * places[begin + row[AREA] + index]
    return places[begin + index], places[phase], places[phase + 1], places[phase + 2]


@inner
def send_events(
    padded: Array, weights: Array, inputs: Array, values: Array, row: Array, places: Array
) -> None:
    """padded += what kernels make of the listed `inputs`, which are worth `values`."""
    size = row[CHANNELS]
    for q in range(inputs.size):
        channel = inputs[q] // row[AREA]
        position, tap, rows, taps = run_of(row, places, inputs[q] - channel * row[AREA])
        begin, place = (channel * row[TAPS] + tap) * size, position * size
        for _ in range(rows):
            run = padded[place : place + taps * size]
            add_scaled(run, weights[begin : begin + taps * size], values[q])
            begin -= row[JUMP] * size
            place += row[PITCH] * size


@inner
def add_outputs(current: Array, padded: Array, row: Array) -> None:
    """current += a padded map, as the neurons lie: [channels, height, width]."""
    size, area = row[CHANNELS], row[MAP_HEIGHT] * row[MAP_WIDTH]
    for y in range(row[MAP_HEIGHT]):
        for x in range(0, row[MAP_WIDTH], BLOCK):
            place = (row[CORNER] + y * row[PITCH] + x) * size
            unit, left = y * row[MAP_WIDTH] + x, row[MAP_WIDTH] - x
            for _ in range(size):
                if left >= BLOCK:
                    for q in range(BLOCK):
                        current[unit + q] += padded[place + q * size]
                else:
                    for q in range(left):
                        current[unit + q] += padded[place + q * size]
                unit += area
                place += 1


@inner
def spread(padded: Array, factor: Array, row: Array) -> None:
    """Lay a factor [channels, height, width] out as a padded map with a margin of zeros."""
    clear(padded, row)
    size, area = row[CHANNELS], row[MAP_HEIGHT] * row[MAP_WIDTH]
    for first in range(0, size, BLOCK):
        left = size - first
        for y in range(row[MAP_HEIGHT]):
            place = (row[CORNER] + y * row[PITCH]) * size + first
            unit = first * area + y * row[MAP_WIDTH]
            for _ in range(row[MAP_WIDTH]):
                if left >= BLOCK:
                    for k in range(BLOCK):
                        padded[place + k] = factor[unit + k * area]
                else:
                    for k in range(left):
                        padded[place + k] = factor[unit + k * area]
                unit += 1
                place += size


@summing
def send_bias(current: Array, weights: Array) -> None:
    """current += the weight of each channel, at all of its positions."""
    area = current.size // weights.size
    for k in range(weights.size):
        for j in range(area):
            current[k * area + j] += weights[k]
