"""Updates of weights or tags by products of traces alone: a rank-one step in integers, in place.

Where one product acts on a row, the accumulator needs not be made: with c the rounding's carry,

    ((w << 7) + v + c) >> 7  =  w + ((v + c) >> 7),    v = (f1 f2 ... mantissa >> r) << l

and for l <= 7 the two shifts of v are one, (f1 f2 ... mantissa + (c >> l << r)) >> (r + 7 - l). All
of them floor, so the integers are the same. A trace has few values, so a step is computed once for
each of them and looked up for every input.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.accumulator import (
    ACCUMULATOR_LIMITS,
    VARIABLE_SHIFT,
    Product,
    round_accumulator,
    rounding_carry,
)

Array = np.ndarray

GATHER_BELOW = 1 / 4
"""Share of inputs that move a weight up to which only their weights are read and written.

It concerns integers that are changed in place; `onchip.engine.kernels.GATHER_BELOW` is of products
of floats, which BLAS makes."""

MANY_INPUTS = 512
"""From so many inputs on, what depends on a trace's value alone is computed once for each value."""


class _Outer(NamedTuple):
    """A product as mantissa times factors [post], and factors [pre]: int32."""

    down: Array
    across: Array
    right_shift: int
    left_shift: int


def update_rows(
    variable: Array,
    products: Sequence[Product],
    row_factors: Mapping[str, Array],
    column_factors: Mapping[str, Array],
    random: float,
    limits: tuple[int, int],
) -> Array:
    """`update_variable` for products of traces alone: int32 [post, pre].

    An int32 `variable` is written to and returned. `row_factors` y1, y2, y3 [post] and
    `column_factors` x1, x0 [pre] in 0..127. It stays within 32 bits: 7 127^3 is shifted right by 10
    before it is shifted left by up to 15.
    """
    variable = variable.astype(np.int32, copy=False)
    outers = [_outer(p, row_factors, column_factors, variable.shape) for p in products]
    joined = _join(products, outers)
    if joined is None:
        _add_in_turn(variable, outers, random, limits)
    else:
        _add_outer(variable, joined, rounding_carry(random), limits)
    return saturate_accumulator(variable, random, limits)


def saturate_accumulator(variable: Array, random: float, limits: tuple[int, int]) -> Array:
    """What a rule makes of variables to which it adds nothing: int32, in place.

    They pass through the accumulator all the same, which holds -257 2^7 only as -2^15 - 1; a carry
    lifts that to -256. It concerns tags; weights do not get so low.
    """
    least = (ACCUMULATOR_LIMITS[0] + rounding_carry(random)) >> VARIABLE_SHIFT
    if limits[0] < least and variable.min() < least:
        np.maximum(variable, least, out=variable)
    return variable


def _outer(
    product: Product,
    row_factors: Mapping[str, Array],
    column_factors: Mapping[str, Array],
    shape: tuple[int, ...],
) -> _Outer:
    down = _multiplied([row_factors[name] for name in product.of_outputs], shape[0])
    across = _multiplied([column_factors[name] for name in product.of_inputs], shape[1])
    return _Outer(product.mantissa * down, across, product.right_shift, product.left_shift)


def _multiplied(factors: Sequence[Array], size: int) -> Array:
    """The factors' product, 1 [size] without any; a single one is not copied."""
    if not factors:
        return np.ones(size, np.int32)
    whole = (factor.astype(np.int32, copy=False) for factor in factors)
    return functools.reduce(np.multiply, whole)


def _join(products: Sequence[Product], outers: Sequence[_Outer]) -> _Outer | None:
    """One product for all, where none acts on a row of another (y1 and y2 exclude each other)."""
    first, *others = outers
    if not others:
        return first
    if (
        len(others) > 1
        or first[2:] != others[0][2:]
        or products[0].of_inputs != products[1].of_inputs
    ):
        return None
    if (first.down * others[0].down).any():
        return None
    return first._replace(down=first.down + others[0].down)


def _add_outer(variable: Array, outer: _Outer, carry: int, limits: tuple[int, int]) -> None:
    # The lowest and highest accumulator, and the weights that they round to.
    low, high = ((limit + carry) >> VARIABLE_SHIFT for limit in ACCUMULATOR_LIMITS)
    least, largest = max(low, limits[0]), min(high, limits[1])
    steps = _steps_of_inputs(outer, carry, (low, high))
    count = np.count_nonzero(steps.moving)
    by_input = variable.T  # the weights of one input lie side by side
    if count > GATHER_BELOW * len(by_input):
        moved = steps.of(slice(None))
        moved += by_input
        np.clip(moved, least, largest, out=by_input)
    elif count:
        inputs = np.flatnonzero(steps.moving)
        moved = steps.of(inputs)
        moved += by_input.take(inputs, axis=0)
        by_input[inputs] = np.clip(moved, least, largest, out=moved)


class _Steps(NamedTuple):
    """`moving` [pre], which inputs move a weight; `of(inputs)`, their steps [inputs, post]."""

    moving: Array
    of: Callable[[Any], Array]


def _steps_of_inputs(outer: _Outer, carry: int, limits: tuple[int, int]) -> _Steps:
    """The steps of the variables, each held to `limits`.

    Where inputs are many and their factors are few different numbers, the steps of each number are
    computed once and looked up.
    """
    down, across = outer.down, outer.across
    shifts = _merged_shifts(outer, carry)
    # Unsigned, a factor below 0 is large too.
    most = int(across.view(np.uint32).max()) if len(across) >= MANY_INPUTS else len(across)
    if most >= len(across) // 2:
        return _Steps(
            _moving(across, down, shifts),
            lambda inputs: _steps(across[inputs], down, shifts, limits),
        )
    table = _steps(np.arange(most + 1, dtype=np.int32), down, shifts, limits)
    return _Steps(table.any(axis=1).take(across), lambda inputs: table.take(across[inputs], axis=0))


def _moving(across: Array, down: Array, shifts: tuple[int, int, int]) -> Array:
    """Whether the least or the largest step of each input is not 0: bool [pre]."""
    offset, drop, _ = shifts
    extremes = np.array([[min(down.min(), 0)], [max(down.max(), 0)]], np.int32)
    moving: Array = ((extremes * across + offset) >> drop).any(axis=0)
    return moving


def _steps(
    across: Array, down: Array, shifts: tuple[int, int, int], limits: tuple[int, int]
) -> Array:
    """The step of each variable [inputs, post] by `_merged_shifts`, held to `limits`."""
    offset, drop, lift = shifts
    step = np.multiply.outer(across, down)
    step += offset
    step >>= drop
    if lift:
        step <<= lift
    return np.clip(step, *limits, out=step)


def _merged_shifts(outer: _Outer, carry: int) -> tuple[int, int, int]:
    """(offset, bits to drop, bits to add) that turn a product into a step of the variable."""
    right, left = outer.right_shift, outer.left_shift
    if left > VARIABLE_SHIFT:
        return 0, right, left - VARIABLE_SHIFT  # whole steps: nothing is rounded
    return (carry >> left) << right, right + VARIABLE_SHIFT - left, 0


def _add_in_turn(
    variable: Array, outers: Sequence[_Outer], random: float, limits: tuple[int, int]
) -> None:
    """Several products on the same rows: the accumulator saturates after each."""
    low, high = ACCUMULATOR_LIMITS
    rows = np.flatnonzero(np.any([outer.down for outer in outers], axis=0))
    accumulator = variable[rows] << VARIABLE_SHIFT
    for down, across, right_shift, left_shift in outers:
        value = down[rows, np.newaxis] * across
        value >>= right_shift
        value <<= left_shift
        np.clip(value, low, high, out=value)
        accumulator += value
        np.clip(accumulator, low, high, out=accumulator)
    variable[rows] = round_accumulator(accumulator, random, limits)
