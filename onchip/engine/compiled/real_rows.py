"""Loops over the weights of one input, which lie side by side. Slices come in: they vectorize."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.jit import inner, summing

Array = np.ndarray


@summing
def add_scaled(sums: Array, row: Array, scale: Any) -> None:
    """sums += scale row; both [post]."""
    for j in range(sums.size):
        sums[j] += scale * row[j]


@summing
def dot(row: Array, factor: Array) -> Any:
    """The sum of row factor; both [post]."""
    total = row[0] * factor[0]
    for j in range(1, row.size):
        total += row[j] * factor[j]
    return total


@summing
def catch_up(row: Array, scale: Any, upper: Array, lower: Array) -> None:
    """row += scale (upper - lower): an input's pending updates; all [post]."""
    for j in range(row.size):
        row[j] += scale * (upper[j] - lower[j])


@summing
def catch_up_and_send(
    row: Array, scale: Any, upper: Array, lower: Array, current: Array, value: Any
) -> None:
    """`catch_up`, and current += value row; all [post]."""
    for j in range(row.size):
        weight = row[j] + scale * (upper[j] - lower[j])
        row[j] = weight
        current[j] += value * weight


@summing
def catch_up_and_send_two(
    row: Array,
    other: Array,
    scale: Any,
    other_scale: Any,
    upper: Array,
    lower: Array,
    other_lower: Array,
    current: Array,
    value: Any,
    other_value: Any,
) -> None:
    """`catch_up_and_send` of two rows: what they share is read and written once."""
    for j in range(row.size):
        weight = row[j] + scale * (upper[j] - lower[j])
        second = other[j] + other_scale * (upper[j] - other_lower[j])
        row[j] = weight
        other[j] = second
        current[j] += value * weight + other_value * second


@summing
def send_and_catch_up(
    row: Array,
    scale: Any,
    upper: Array,
    middle: Array,
    lower: Array,
    current: Array,
    value: Any,
) -> None:
    """Catch up to `middle`, send, then catch up to `upper`: updates that act one step late."""
    for j in range(row.size):
        weight = row[j] + scale * (middle[j] - lower[j])
        current[j] += value * weight
        row[j] = weight + scale * (upper[j] - middle[j])


@summing
def extend(following: Array, sums: Array, scale: Any, factor: Array) -> None:
    """following = sums + scale factor: one more step of the sums of factors; all [post]."""
    for j in range(following.size):
        following[j] = sums[j] + scale * factor[j]


@inner
def send(current: Array, weights: Array, inputs: Array, values: Array) -> None:
    """current += w x of each input, of flat `weights` [inputs, post]; `values` are the x."""
    post = current.size
    for q in range(inputs.size):
        add_scaled(current, weights[inputs[q] * post : (inputs[q] + 1) * post], values[q])


@summing
def send_back(sent: Array, signal: Array, weights: Array) -> None:
    """signal += W^T sent, of flat `weights` [inputs, post]; four rows at a time."""
    post, fours = sent.size, signal.size // 4
    rows = weights[: 4 * fours * post].reshape(fours, 4, post)
    for q in range(fours):
        first, second, third, fourth = sent[0] * 0, sent[0] * 0, sent[0] * 0, sent[0] * 0
        for j in range(post):
            value = sent[j]
            first += rows[q, 0, j] * value
            second += rows[q, 1, j] * value
            third += rows[q, 2, j] * value
            fourth += rows[q, 3, j] * value
        signal[4 * q] += first
        signal[4 * q + 1] += second
        signal[4 * q + 2] += third
        signal[4 * q + 3] += fourth
    for i in range(4 * fours, signal.size):
        signal[i] += dot(weights[i * post : (i + 1) * post], sent)
