"""A step of the eligibilities of one input's synapses, which lie side by side, and of its weights.

    FILTER               x[n] = leak x[n-1] + psi[n] a[n]                     w += now[n] x[n]
    THROUGH_RESET        x[n] = c[n] x[n-1] + a[n]                            w += now[n] x[n]
    two variables        x[n] = outer x[n-1] + psi[n] a[n] + k[n] y[n-1]      w += now[n] x[n]
                         y[n] = l[n] y[n-1] + psi[n] a[n]
                         k[n] = cross - steep psi[n],  l[n] = leak - steep psi[n]

`now` is the fed-back error -eta L, with c times psi. Two filters: outer = k2, leak = cross = k1;
with an adaptive threshold: outer = kappa, leak = rho, steep = strength. Those that keep nothing
learn by w += now[n] a[n], where `now` has psi or the box in it.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.engine.compiled.jit import summing

Array = np.ndarray


@summing
def move_filter(
    weights: Array, first: Array, leak: Any, gain: Array, now: Array, amount: Any
) -> None:
    """One filter; all [post], `gain` is psi[n], `amount` a[n]."""
    for j in range(weights.size):
        new = leak * first[j] + gain[j] * amount
        first[j] = new
        weights[j] += now[j] * new


@summing
def move_through_reset(weights: Array, first: Array, carry: Array, now: Array, amount: Any) -> None:
    """Through the reset; all [post], `carry` is c[n]."""
    for j in range(weights.size):
        new = carry[j] * first[j] + amount
        first[j] = new
        weights[j] += now[j] * new


@summing
def move_two(
    weights: Array, first: Array, second: Array, outer: Any, leak: Any, cross: Any, steep: Any,
    gain: Array, now: Array, amount: Any,
) -> None:  # fmt: skip
    """Two variables; all [post]."""
    for j in range(weights.size):
        inside, arrived, raised = second[j], gain[j] * amount, steep * gain[j]
        new = outer * first[j] + arrived + (cross - raised) * inside
        second[j] = arrived + (leak - raised) * inside
        first[j] = new
        weights[j] += now[j] * new


@summing
def largest(row: Array) -> Any:
    """The largest magnitude of a row [post]."""
    found = abs(row[0])
    for j in range(1, row.size):
        found = max(found, abs(row[j]))
    return found
