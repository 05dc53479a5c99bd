"""Neurons, sums, the error and factors in integers, in loops.

The equations are those of `onchip.arithmetic.membrane`, `integer_softmax` and `integer_surrogates`
and of `onchip.program.populations`, bit for bit.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.integer_softmax import (
    EXPONENTIAL_BITS,
    FRACTION_BITS,
    PROBABILITY_BITS,
    RESULT_BITS,
)
from onchip.arithmetic.loihi import (
    ALIGNMENT_BITS,
    DECAY_BITS,
    DECAY_UNITY,
    MEMBRANE_MAX,
    TRACE_MAX,
)
from onchip.engine.compiled.columns import (
    DECAY,
    DERIVATIVE,
    FACTOR_SHIFT,
    HARD,
    KIND,
    LINEAR,
    MULTIPLE,
    NO_DERIVATIVE,
    RECTANGLE,
    SIGMOID,
    SOFT,
    THRESHOLD,
    TRIANGLE,
    WIDTH,
)
from onchip.engine.compiled.jit import inner

Array = np.ndarray


@inner
def add_rows(sums: Array, weights: Array, inputs: Array) -> None:
    """sums int32 [post] += the rows of `weights` (flat [inputs, post]) of the `inputs`."""
    post, q = sums.size, 0
    while q + 4 <= inputs.size:
        a, b, c, d = inputs[q], inputs[q + 1], inputs[q + 2], inputs[q + 3]
        _add_four(
            sums,
            weights[a * post : (a + 1) * post],
            weights[b * post : (b + 1) * post],
            weights[c * post : (c + 1) * post],
            weights[d * post : (d + 1) * post],
        )
        q += 4
    while q < inputs.size:
        add_row(sums, weights[inputs[q] * post : (inputs[q] + 1) * post])
        q += 1


@inner
def _add_four(sums: Array, a: Array, b: Array, c: Array, d: Array) -> None:
    for j in range(sums.size):
        left = np.int32(np.int32(a[j]) + np.int32(b[j]))
        right = np.int32(np.int32(c[j]) + np.int32(d[j]))
        sums[j] = np.int32(sums[j] + np.int32(left + right))


@inner
def add_row(sums: Array, row: Array) -> None:
    """sums int32 [post] += row [post]."""
    for j in range(sums.size):
        sums[j] = np.int32(sums[j] + np.int32(row[j]))


@inner
def add_shifted(total: Array, sums: Array, exponent: int) -> None:
    """total int64 += sums 2^exponent, floored."""
    up, down = max(exponent, 0), max(-exponent, 0)
    for j in range(total.size):
        total[j] += (np.int64(sums[j]) << up) >> down


@inner
def advance(
    population: Array, total: Array, bias: Array, u: Array, spikes: Array, fired: Array
) -> int:
    """A population's membranes and spikes, in place; returns how many fired, which `fired` lists.

    `population` is its row in the table; all others [neurons].
    """
    kind, threshold = population[KIND], population[THRESHOLD]
    kept = 0 if kind == LINEAR else DECAY_UNITY - population[DECAY]
    if kind == SOFT:
        for j in range(u.size):
            u[j] -= threshold * spikes[j]
    elif kind == HARD:
        for j in range(u.size):
            u[j] *= 1 - spikes[j]
    for j in range(u.size):
        sign = u[j] >> 63
        left = ((((u[j] ^ sign) - sign) * kept) >> DECAY_BITS ^ sign) - sign
        now = left + (total[j] << ALIGNMENT_BITS) + bias[j]
        u[j] = min(max(now, -MEMBRANE_MAX), MEMBRANE_MAX)
    if kind > HARD:
        return 0
    count = 0
    for j in range(u.size):
        spikes[j] = u[j] >= threshold
        fired[count] = j
        count += spikes[j]
    return count


@inner
def find_error(output: Array, label: int, numbers: Array, table: Array, error: Array) -> None:
    """e [classes] int32 in -127..127, as `integer_softmax.fixed_error`; `error` is overwritten."""
    multiplier, shift, one = numbers[0], numbers[1], numbers[4]
    largest, total = output[0], np.int64(0)
    for j in range(output.size):
        largest = max(largest, output[j])
    for j in range(output.size):
        digits = ((largest - output[j]) * multiplier) >> shift
        fraction = digits & (2**FRACTION_BITS - 1)
        whole = min(digits >> FRACTION_BITS, EXPONENTIAL_BITS + 1)
        error[j] = table[fraction] >> whole
        total += error[j]
    for j in range(output.size):
        target = 1 if j == label else 0
        share = ((np.int64(error[j]) << PROBABILITY_BITS) + total // 2) // total
        value = numbers[2] * (share - (target << PROBABILITY_BITS))
        value += numbers[3] * (output[j] - one * target)
        rounded = (value + (1 << (RESULT_BITS - 1))) >> RESULT_BITS
        error[j] = min(max(rounded, -TRACE_MAX), TRACE_MAX)


@inner
def send_through_matrix(sent: Array, signal: Array, matrix: Array) -> None:
    """signal int32 [receiving] += B sent, of a flat matrix [sending, receiving]."""
    size = signal.size
    for k in range(sent.size):
        if sent[k] != 0:
            _add_scaled(signal, matrix[k * size : (k + 1) * size], sent[k])


@inner
def _add_scaled(signal: Array, row: Array, factor: int) -> None:
    scale = np.int32(factor)
    for j in range(signal.size):
        signal[j] = np.int32(signal[j] + np.int32(np.int32(row[j]) * scale))


@inner
def send_through_weights(sent: Array, signal: Array, weights: Array) -> None:
    """signal int32 [inputs] += W^T sent, of flat weights [inputs, post]."""
    post = sent.size
    for i in range(signal.size):
        row, total = weights[i * post : (i + 1) * post], np.int32(0)
        for j in range(post):
            total = np.int32(total + np.int32(np.int32(row[j]) * sent[j]))
        signal[i] = np.int32(signal[i] + total)


@inner
def find_factor(population: Array, signal: Array, u: Array, table: Array, factor: Array) -> None:
    """g of a signal (itself where the membrane is the output); all [neurons]."""
    kind, shift = population[DERIVATIVE], population[FACTOR_SHIFT]
    threshold, width = population[THRESHOLD], population[WIDTH]
    multiple = population[MULTIPLE]
    shift += multiple
    half, limit = (1 << shift) >> 1, TRACE_MAX >> multiple
    if population[KIND] > HARD or kind == NO_DERIVATIVE:
        for j in range(factor.size):
            factor[j] = signal[j] if population[KIND] > HARD else 0
        return
    for j in range(factor.size):
        distance = abs(u[j] - threshold)
        derivative: Any = np.int64(0)
        if kind == SIGMOID:
            derivative = table[min(distance >> width, 256)]
        elif kind == RECTANGLE:
            derivative = TRACE_MAX if 2 * distance < width else 0
        elif kind == TRIANGLE:
            derivative = TRACE_MAX * max(0, width - distance) // width
        held = min(max(np.int64(signal[j]), -MEMBRANE_MAX), MEMBRANE_MAX)
        product = held * derivative
        rounded = min((abs(product) + half) >> shift, limit) << multiple
        factor[j] = rounded if product >= 0 else -rounded
