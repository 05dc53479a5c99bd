"""The eligibilities of one input's synapses, which lie side by side, and what they teach.

One variable and two, for an input of which the synapses know a[n], with `before` 0 where updates
act at once and `now` 0 where they act one step late:

    x[n] = leak[n] x[n-1] + gain[n] a[n]
    x[n] = outer x[n-1] + gain[n] a[n] + cross[n] y[n-1],    y[n] = leak[n] y[n-1] + gain[n] a[n]
    w += before[n] x[n-1] + now[n] x[n]

                     leak               gain   cross           now
    Filtered         kappa              psi                    -eta L
    ThroughReset     c                  1                      -eta L psi
    DoubleFiltered   k1                 psi    k1              -eta L      outer = k2
    Adaptive         rho - strength psi psi    -strength psi   -eta L      outer = kappa

`cells` [CELL_ROWS, post] holds them by output.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.jit import summing

Array = np.ndarray


@summing
def move_one(
    weights: Array, first: Array, leak: Array, gain: Array, before: Array, now: Array, amount: Any
) -> None:
    """Synapses that keep one variable; all [post], `amount` is a[n]."""
    for j in range(weights.size):
        old = first[j]
        new = leak[j] * old + gain[j] * amount
        first[j] = new
        weights[j] += before[j] * old + now[j] * new


@summing
def move_two(
    weights: Array, first: Array, second: Array, leak: Array, gain: Array, cross: Array,
    before: Array, now: Array, outer: Any, amount: Any,
) -> None:  # fmt: skip
    """Synapses that keep two; all [post]."""
    for j in range(weights.size):
        old, inside, arrived = first[j], second[j], gain[j] * amount
        new = outer * old + arrived + cross[j] * inside
        second[j] = leak[j] * inside + arrived
        first[j] = new
        weights[j] += before[j] * old + now[j] * new


@summing
def add_product(weights: Array, before: Array, first: Array) -> None:
    """w += before[n] x[n-1]; all [post]."""
    for j in range(weights.size):
        weights[j] += before[j] * first[j]


@summing
def largest(row: Array) -> Any:
    """The largest magnitude of a row [post]."""
    found = abs(row[0])
    for j in range(1, row.size):
        found = max(found, abs(row[j]))
    return found
