"""The learning of the fast process models, on plain arrays: traces and a rule's updates.

Weights and tags are [post, pre] and are changed in place (stored as `onchip.lava.fast.input_sums`
says).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
from scipy.linalg.blas import dger

from onchip.arithmetic.accumulator import (
    ACCUMULATOR_LIMITS,
    VARIABLE_SHIFT,
    round_accumulator,
    rounding_carry,
)
from onchip.arithmetic.loihi import TRACE_MAX, advance_trace, decay_powers, decay_trace
from onchip.engine.outer_updates import update_rows
from onchip.lava.fast.terms import UNLIMITED, WIDTHS, Factor, FastRule, Term, Trace

Array = np.ndarray
Values = Mapping[str, Array]
"""Traces and spikes by their names in a rule, and the synaptic variables as w, d and t."""

AT_SPIKES = "y at x0"
"""In `Values`: how much larger a received factor was at each input's last spike than it is now."""


def add_outer_product(matrix: Array, row: Array, column: Array) -> None:
    """matrix += row column^T in place, for `row` [post], `column` [pre], all float64."""
    if matrix.flags.f_contiguous:
        dger(1.0, row, column, a=matrix, overwrite_a=1)
    else:
        dger(1.0, column, row, a=matrix.T, overwrite_a=1)


def advance_float(trace: Trace, values: Array, times: Array, spiking: Array) -> Array:
    """A trace at the epoch's end; `times` 1..K of the last spikes within it, 0 for none.

    `spiking` are the indices of the times that are not 0.
    """
    advanced = values * trace.decays[-1]
    if trace.impulse:
        advanced[spiking] += trace.impulse * trace.decays[-1 - times[spiking]]
    return np.asarray(advanced)


def advance_fixed(
    trace: Trace, values: Array, times: Array, spiking: Array, random: float
) -> Array:
    """`advance_float` in integers, stochastically rounded with one `random` for all."""
    values, steps = values.astype(np.int64, copy=False), len(trace.decays) - 1
    if values.view(np.uint64).max() > TRACE_MAX:  # unsigned, what is below 0 is large too
        return _replayed(trace, values, times, random, steps)
    powers = _decay_powers(trace.tau, random, steps)
    if not trace.impulse:
        return values if powers is _unchanged(steps) else powers[-1].take(values)
    return advance_trace(values, times, spiking, int(trace.impulse), powers)


def float_update(rule: FastRule, values: Values, time_step: int) -> None:
    """Add a rule's products to the synaptic variables among `values`, in place.

    Products with a factor that is 0 everywhere are passed over, so all values must be finite.
    """
    silent = rule.silent(values)
    acting = {name: rule.acting(name, time_step, silent) for name in rule.terms}
    # All products are of the old variables, so those that read one come before any changes.
    additions = {name: _read_synapses(terms, values) for name, terms in acting.items()}
    for name, terms in acting.items():
        matrix, limits = values[name], rule.limits[name]
        for addition in additions[name]:
            matrix += addition
        for row, column in _outer_products(terms, values, matrix.shape):
            add_outer_product(matrix, row, column)
        if limits != UNLIMITED:
            np.clip(matrix, *limits, out=matrix)


def fixed_update(
    rule: FastRule, values: Values, time_step: int, random: float, settled: set[str]
) -> set[str]:
    """`float_update` in integers, with one `random` for all synapses.

    `settled` are the variables known to be as the rule left them; only of these can products that
    are 0 be passed over, since Lava clips all others first. Returns those that are settled now.
    """
    plain: dict[str, list[Term]] = {}
    changed: dict[str, Array] = {}
    silent = rule.silent(values)
    for name, terms in rule.terms.items():
        acting = rule.acting(name, time_step, silent)
        if name in settled and all(term.fixed_product for term in acting):
            plain[name] = acting
        else:
            summed = _accumulated(values[name], terms, acting, values)
            changed[name] = round_accumulator(summed, random, rule.limits[name])
    # In place, and so after all that reads the old variables.
    for name, acting in plain.items():
        if acting:
            _update_in_place(values[name], acting, values, random, rule.limits[name])
    for name, matrix in changed.items():
        values[name][...] = matrix
    # A tag of -257, which this rounding can give, is clipped in the next epoch in any case.
    unsettled = {"t"} if rounding_carry(random) == 0 else set()
    return set(rule.terms) - unsettled


def _replayed(trace: Trace, values: Array, times: Array, random: float, steps: int) -> Array:
    """The trace step by step, for values that are no trace's (a signed factor y)."""
    for step in range(1, steps + 1):
        values = decay_trace(values, trace.tau, random) if trace.tau else np.zeros_like(values)
        arrived = np.clip(values + int(trace.impulse), 0, TRACE_MAX)
        values = np.where(times == step, arrived, values)
    return values


@functools.lru_cache(maxsize=8)
def _decay_powers(tau: float, random: float, steps: int) -> Array:
    """`decay_powers`, kept for the traces of one time constant; 0 stands for no memory at all."""
    if tau == 0:
        return _unchanged(steps) * (np.arange(steps + 1) == 0)[:, np.newaxis]
    if random < TRACE_MAX * math.exp(-1 / tau) - (TRACE_MAX - 1):
        return _unchanged(steps)  # even 127 rounds up to itself
    return decay_powers(tau, random, steps)


@functools.cache
def _unchanged(steps: int) -> Array:
    return np.tile(np.arange(TRACE_MAX + 1, dtype=np.int32), (steps + 1, 1))


def _product(factors: Iterable[Factor], values: Values, start: Array) -> Array:
    for factor in factors:
        start = start * factor.of(values)
    return start


def _read_synapses(terms: list[Term], values: Values) -> list[Array]:
    """The products [post, pre] that read a synaptic variable."""
    found = []
    for term in terms:
        if term.matrices:
            row = _product(term.rows, values, np.array([term.mantissa * 2.0**term.exponent]))
            value = _product(term.matrices, values, row[:, np.newaxis])
            found.append(_product(term.columns, values, value))
    return found


def _outer_products(
    terms: list[Term], values: Values, shape: tuple[int, ...]
) -> Iterator[tuple[Array, Array]]:
    """The other products as pairs [post], [pre], one for all that share their row."""
    columns: dict[tuple[Factor, ...], Array] = {}
    for term in terms:
        if not term.matrices:
            scale = np.full(shape[1:], term.mantissa * 2.0**term.exponent)
            column = _product(term.columns, values, scale)
            if AT_SPIKES in values and term.dependency == "x0":
                column = column * values[AT_SPIKES] ** len(term.factors)
            columns[term.rows] = columns[term.rows] + column if term.rows in columns else column
    for rows, column in columns.items():
        yield _product(rows, values, np.ones(shape[0])), column


def _accumulated(
    variable: Array, terms: Iterable[Term], acting: list[Term], values: Values
) -> Array:
    """The accumulator [post, pre] after all terms, saturated after each, int32."""
    accumulator = variable << VARIABLE_SHIFT
    for term in terms:
        value = _fixed_value(term, values) if term in acting else 0
        accumulator = np.clip(accumulator + value, *ACCUMULATOR_LIMITS)
    return accumulator


def _fixed_value(term: Term, values: Values) -> Array:
    """One product in accumulator units: [post, pre] or broadcasting to it, int32."""
    value: Array = np.full((1, 1), term.mantissa, np.int32)
    for factors, axis in ((term.rows, 1), (term.columns, 0)):
        for factor in factors:
            value = value * np.expand_dims(_clipped(factor, values), axis)
    for factor in term.matrices:
        value = value * _clipped(factor, values)
    return np.clip((value >> term.right_shift) << (term.exponent + 7), *ACCUMULATOR_LIMITS)


def _clipped(factor: Factor, values: Values) -> Array:
    limit, value = 2 ** WIDTHS[factor.name], factor.of(values)
    # Traces are within 0..127 but for odd ones that were set; a look is cheaper than clipping.
    if value.dtype.kind != "i" or value.view(f"u{value.itemsize}").max() >= limit:
        value = np.clip(value, -limit, limit - 1)
    return np.asarray(value.astype(np.int32, copy=False))


def _update_in_place(
    variable: Array, terms: list[Term], values: Values, random: float, limits: tuple[int, int]
) -> None:
    products = [term.fixed_product for term in terms if term.fixed_product is not None]
    rows, columns = (
        {factor.name: _clipped(factor, values) for factor in factors}
        for factors in ({f for t in terms for f in t.rows}, {f for t in terms for f in t.columns})
    )
    update_rows(variable, products, rows, columns, random, limits)
