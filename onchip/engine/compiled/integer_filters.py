"""What kernels of integers have of filtered eligibilities, and of objectives besides classes.

A filtered eligibility is the tag itself: `onchip.program.plasticity` has its products.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np

from onchip.arithmetic.loihi import DECAY_BITS, DECAY_UNITY, TRACE_MAX
from onchip.engine.compiled.columns import (
    DERIVATIVE,
    DISTANCE,
    FACTOR_SHIFT,
    MULTIPLE,
    ONE_FILTER,
    POST,
    REWARD,
    TARGET,
    WIDTH,
)
from onchip.engine.compiled.integer_derivatives import derivative_of
from onchip.engine.compiled.integer_layout import input_rows
from onchip.engine.compiled.rooms import places
from onchip.engine.compiled.wiring import Parts, Wiring
from onchip.objectives.integer_base import SHIFT
from onchip.objectives.integer_regression import IntegerRegression
from onchip.objectives.integer_reward import IntegerReward
from onchip.objectives.integer_spike_trains import IntegerSpikeTrains
from onchip.program.program import Program, Synapses
from onchip.program.synapses import IntegerPlasticity

Array = np.ndarray

CONNECTION, SIGNAL_SHIFT, CELLS = range(3)
"""Columns of `Filters.table`: the connection, the shift of what is fed back (-1: it is the error),
where its outputs begin."""

OBJECTIVE, GAIN, MULTIPLIER, KEPT = range(4)
"""Places in `Filters.objective`: its kind, what outputs and differences are multiplied by, and what
a step leaves of a difference that is filtered, in 1/4096."""


class Filters(NamedTuple):
    """Constants and variables; int64 unless it is said.

    `table` [E, 3]; `rows` [E, POPULATION_COLUMNS], those of the outputs, of which a factor is the
    derivative; `derivatives` [E, 257], its tables. `derivative` and `before` int32 [cells], psi and
    the errors of the step before; `alive` uint8 by input, 1 where a tag is not 0. `objective` [4];
    `targets` [T, classes] and `filtered` [classes].
    """

    table: Array
    rows: Array
    derivatives: Array
    derivative: Array
    before: Array
    alive: Array
    objective: Array
    targets: Array
    filtered: Array


def is_filtered(synapses: Synapses) -> bool:
    """Return whether the tags of synapses in integers are their eligibilities."""
    return synapses.plasticity is not None and synapses.plasticity.keeps_tag


def make_filters(program: Program, parts: Parts, wiring: Wiring) -> Filters:
    """Return the tables of a program, and zeros."""
    chosen = [c for c, synapses in enumerate(parts.synapses) if is_filtered(synapses)]
    found = wiring.connections[chosen]
    *cells, wide = places(found[:, POST])
    rows = wiring.populations[found[:, TARGET]].copy()
    populations: list[Any] = [parts.populations[p] for p in found[:, TARGET]]
    tables = np.zeros((len(chosen), 257), np.int64)
    shifts = [p.computes.signal_shift for p in populations]
    for row, table, population in zip(rows, tables, populations, strict=True):
        row[DERIVATIVE], row[WIDTH], table[:] = derivative_of(population)
        row[FACTOR_SHIFT] = row[MULTIPLE] = 0
    columns = (chosen, [-1 if shift is None else shift for shift in shifts], cells)
    return Filters(
        np.array(columns, np.int64).T.copy(),
        rows,
        tables,
        np.zeros(wide, np.int32),
        np.zeros(wide, np.int32),
        np.zeros(input_rows(wiring), np.uint8),
        _objective(program),
        np.zeros((program.graph.time_steps, program.classes), np.int64),
        np.zeros(program.classes, np.int64),
    )


def _objective(program: Program) -> Array:
    """`Filters.objective`; zeros for classification."""
    learning: Any = program.graph.learning
    objective = learning.objective
    numbers = (0, 1, 0, 0)
    if isinstance(objective, IntegerReward):
        numbers = (REWARD, 1, 0, 0)
    elif isinstance(objective, IntegerRegression):
        per_target = objective.output_unit / objective.gain / objective.reach
        multiplier = round(TRACE_MAX * per_target * 2**SHIFT)
        numbers = (DISTANCE, objective.gain, multiplier, 0)
    elif isinstance(objective, IntegerSpikeTrains):
        multiplier = round(TRACE_MAX * 2 ** (SHIFT - DECAY_BITS) / objective.reach)
        numbers = (ONE_FILTER, 1, multiplier, round(objective.decay * DECAY_UNITY))
    return np.array(numbers, np.int64)


def is_known_filter(synapses: Synapses) -> bool:
    """Return whether the products of a filtered eligibility are those that kernels have."""
    rule = cast(IntegerPlasticity, synapses.plasticity)
    factors = [product.factors for product in (*rule.dw, *rule.dt)]
    if factors != [("t", "y2"), ("t", "y3"), ("x1", "y1"), ("t",)] or rule.second is not None:
        return False
    applied, taken = rule.dw
    same = (applied.mantissa, applied.exponent) == (-taken.mantissa, taken.exponent)
    return same and all(p.dependency == "u0" for p in (*rule.dw, *rule.dt))
