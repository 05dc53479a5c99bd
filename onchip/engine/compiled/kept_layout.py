"""What kernels have of synapses that keep an eligibility: tables, a row for each connection.

`kept_rows` has the equations. `leak`, `gain`, `cross` and `now` stand there; `before` is what
`now` was in the step before, where updates act one step late.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.columns import ALWAYS_ON, COUNT, POST, PRE
from onchip.engine.compiled.kept_rules import (
    ADAPTIVE,
    BOX,
    DOUBLE_FILTER,
    FILTER,
    VARIABLES,
    keeps,
    kind_of_rule,
)
from onchip.engine.compiled.rooms import places, zeros
from onchip.engine.compiled.wiring import Parts, Wiring
from onchip.program.program import Synapses

Array = np.ndarray

CONNECTION, KIND, KEPT, FIRST, CELLS, SECOND, INPUTS, SUMS = range(8)
"""Columns of `Kept.table`: the connection, the kind of its eligibility and how many variables it
keeps, the places of the first, of its cells, of the second, of its inputs and of its sums."""
KEPT_COLUMNS = 8

RATE, OUTER, LOW, HIGH = range(4)
"""Columns of `Kept.numbers`: what the fed-back error is multiplied by; the decay of the second of
two filters; the box of currents."""
FIRST_TRACE, SECOND_TRACE = 4, 6
"""And amplitude and decay of the two traces of the inputs, (0, 0) where there is one."""
KEPT_NUMBERS = 8

LEAK, GAIN, CROSS, NOW, BEFORE, NOTHING_YET = range(6)
"""Rows of `Kept.cells`; the last one stays zero."""
CELL_ROWS = 6


class Kept(NamedTuple):
    """Constants and variables; real unless it is said.

    `table` int64 [E, KEPT_COLUMNS] and `numbers` [E, KEPT_NUMBERS]. `cells` [CELL_ROWS, ...], what
    a connection's outputs tell it. `first` and `second`, the variables of its synapses, flat
    [inputs, post] at their places, as are `sums`, of accumulated gradients. By input: `other`, its
    second trace, and uint8 `touched`, 1 once it has spiked. `counts` int64 [E], how many of
    `RealMemory.members` there are.
    """

    table: Array
    numbers: Array
    cells: Array
    first: Array
    second: Array
    sums: Array
    other: Array
    touched: Array
    counts: Array


def make_kept(parts: Parts, wiring: Wiring, online: bool, dtype: Any) -> Kept:
    """Return the tables of a program, and zeros."""
    chosen = [c for c, synapses in enumerate(parts.synapses) if keeps(synapses)]
    rows, synapses = wiring.connections[chosen], [parts.synapses[c] for c in chosen]
    counts = rows[:, COUNT]
    inputs = rows[:, PRE] + rows[:, ALWAYS_ON]
    kinds = [kind_of_rule(s) for s in synapses]
    variables = np.array([VARIABLES[kind] for kind in kinds])
    *cells, wide = places(rows[:, POST])
    *firsts, first_end = places(counts * (variables > 0))
    *seconds, second_end = places(counts * (variables > 1))
    *begins, input_end = places(inputs)
    *sums, sums_end = places(counts * (not online))
    columns = (chosen, kinds, variables, firsts, cells, seconds, begins, sums)
    kept = Kept(
        np.array(columns, np.int64).T.copy(),
        np.array(
            [_numbers(s, kind, online) for s, kind in zip(synapses, kinds, strict=True)], dtype
        ),
        zeros((CELL_ROWS, wide), dtype),
        zeros(first_end, dtype),
        zeros(second_end, dtype),
        zeros(sums_end, dtype),
        zeros(input_end, dtype),
        np.zeros(input_end, np.uint8),
        np.zeros(len(chosen), np.int64),
    )
    for row, own in zip(kept.table, synapses, strict=True):
        _fill(kept, row, own)
    return kept


def _numbers(synapses: Synapses, kind: int, online: bool) -> tuple[float, ...]:
    rule: Any = synapses.rule
    traces = (*synapses.traces, (0.0, 0.0))[:2]
    outer = {DOUBLE_FILTER: "second_decay", ADAPTIVE: "decay"}.get(kind)
    return (
        -rule.learning_rate if online else 1.0,
        0.0 if outer is None else getattr(rule.kind, outer),
        rule.kind.low if kind == BOX else 0.0,
        rule.kind.high if kind == BOX else 0.0,
        *traces[0],
        *traces[1],
    )


def _fill(kept: Kept, row: Array, synapses: Synapses) -> None:
    """The cells that stay the same."""
    rule: Any = synapses.rule
    cells = slice(row[CELLS], row[CELLS] + synapses.transform.output_shape[0])
    if row[KIND] in (FILTER, DOUBLE_FILTER):
        kept.cells[LEAK, cells] = kept.cells[CROSS, cells] = rule.kind.decay
