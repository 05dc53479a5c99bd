"""Convolutions of real numbers that learn or send errors back; a map's bias that learns.

A kernel weight acts at every output position, so all of it is read in every step and no update can
wait: traces are kept up to date, and in every step those that are not 0 are listed, channel by
channel, and multiplied with the runs of factors that they meet.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.columns import AREA, CHANNELS, JUMP, PHASES, PITCH, PLACES, TAPS
from onchip.engine.compiled.jit import inner, summing
from onchip.engine.compiled.map_rows import run_of
from onchip.engine.compiled.real_rows import add_scaled, dot

Array = np.ndarray


@summing
def advance_trace(trace: Array, decay: Any, nothing: Any) -> None:
    """trace *= decay; what is `nothing` or less becomes 0."""
    for i in range(trace.size):
        left = decay * trace[i]
        trace[i] = left if abs(left) > nothing else left * 0


@inner
def list_traces(trace: Array, listed: Array, amounts: Array) -> int:
    """List the inputs whose trace is not 0, with their traces; returns how many."""
    count = 0
    for i in range(trace.size):
        listed[count] = i
        amounts[count] = trace[i]
        count += trace[i] != 0
    return count


@inner
def correlate(
    weights: Array, spread: Array, scale: Any, inputs: Array, values: Array, row: Array,
    places: Array, where: Array, amounts: Array,
) -> None:  # fmt: skip
    """weights += scale value x factor of each input, over all positions where its taps meet.

    `inputs` are listed channel by channel; `where` and `amounts` have room for a channel of them.
    """
    begin = 0
    while begin < inputs.size:
        channel = inputs[begin] // row[AREA]
        first, end = channel * row[AREA], begin
        while end < inputs.size and inputs[end] < first + row[AREA]:
            end += 1
        own = weights[channel * row[TAPS] * row[CHANNELS] :]
        for phase in range(row[PHASES]):
            count = 0
            for q in range(begin, end):
                index = inputs[q] - first
                where[count] = places[row[PLACES] + index] * row[CHANNELS]
                amounts[count] = scale * values[q]
                count += places[row[PLACES] + row[AREA] + index] == phase
            about = row[PLACES] + 2 * row[AREA] + 3 * phase
            size, down = places[about + 2] * row[CHANNELS], 0
            place, fours = places[about] * row[CHANNELS], count // 4 * 4
            for _ in range(places[about + 1]):
                run = own[place : place + size]
                for q in range(0, fours, 4):
                    a, b = where[q] + down, where[q + 1] + down
                    c, d = where[q + 2] + down, where[q + 3] + down
                    add_four_runs(
                        run, spread[a : a + size], spread[b : b + size], spread[c : c + size],
                        spread[d : d + size], amounts[q], amounts[q + 1], amounts[q + 2],
                        amounts[q + 3],
                    )  # fmt: skip
                for q in range(fours, count):
                    a = where[q] + down
                    add_scaled(run, spread[a : a + size], amounts[q])
                place -= row[JUMP] * row[CHANNELS]
                down += row[PITCH] * row[CHANNELS]
        begin = end


@summing
def add_four_runs(
    sums: Array, first: Array, second: Array, third: Array, fourth: Array, a: Any, b: Any, c: Any,
    d: Any,
) -> None:  # fmt: skip
    """`add_scaled` of four runs: what they are added to is read and written once."""
    for j in range(sums.size):
        sums[j] += a * first[j] + b * second[j] + c * third[j] + d * fourth[j]


@inner
def send_back_maps(signal: Array, weights: Array, spread: Array, row: Array, places: Array) -> None:
    """signal [inputs] += the transpose of a convolution, of a factor that `spread` laid out."""
    channels = signal.size // row[AREA]
    for index in range(row[AREA]):
        position, tap, rows, taps = run_of(row, places, index)
        size, place = taps * row[CHANNELS], position * row[CHANNELS]
        for k in range(rows):
            begin = (tap - k * row[JUMP]) * row[CHANNELS]
            run, next_channel = spread[place : place + size], row[TAPS] * row[CHANNELS]
            fours = channels // 4 * 4
            for channel in range(0, fours, 4):
                a, b = begin, begin + next_channel
                c, d = begin + 2 * next_channel, begin + 3 * next_channel
                dots = dot_four(
                    weights[a : a + size], weights[b : b + size], weights[c : c + size],
                    weights[d : d + size], run,
                )  # fmt: skip
                i = channel * row[AREA] + index
                signal[i] += dots[0]
                signal[i + row[AREA]] += dots[1]
                signal[i + 2 * row[AREA]] += dots[2]
                signal[i + 3 * row[AREA]] += dots[3]
                begin += 4 * next_channel
            for channel in range(fours, channels):
                i = channel * row[AREA] + index
                signal[i] += dot(weights[begin : begin + size], run)
                begin += next_channel
            place += row[PITCH] * row[CHANNELS]


@summing
def dot_four(first: Array, second: Array, third: Array, fourth: Array, run: Array) -> Any:
    """The sums of four runs of weights times one of factors."""
    zero = run[0] * 0
    a, b, c, d = zero, zero, zero, zero
    for j in range(run.size):
        a += first[j] * run[j]
        b += second[j] * run[j]
        c += third[j] * run[j]
        d += fourth[j] * run[j]
    return a, b, c, d


@summing
def add_to_bias(weights: Array, factor: Array, scale: Any) -> None:
    """weights += scale times the sum of each channel's factors."""
    area = factor.size // weights.size
    for k in range(weights.size):
        total = factor[0] * 0
        for j in range(area):
            total += factor[k * area + j]
        weights[k] += scale * total
