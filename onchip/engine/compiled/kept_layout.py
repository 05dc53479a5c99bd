"""What kernels have of synapses that keep an eligibility: tables, a row for each connection.

`kept_rows` has the equations, `kept_steps` says what waits in the cells.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.columns import ALWAYS_ON, COUNT, POST, PRE, TARGET
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
from onchip.program.program import Neurons, Synapses

Array = np.ndarray

WINDOW = 16
"""Steps after which everything that waits is done: what outputs tell should stay in the cache."""

SLOTS = WINDOW + 1
"""Steps whose cells are held: with updates that act one step late one more waits."""

CONNECTION, KIND, KEPT, CELLS, FIRST, SECOND, INPUTS, SUMS, LIVE = range(9)
"""Columns of `Kept.table`: the connection, the kind of its eligibility and how many variables it
keeps; the places of its cells, of its variables, of its inputs and of its sums; 1 where errors are
sent back through its present weights."""

RATE, LOW, HIGH = range(3)
"""Columns of `Kept.numbers`: what the fed-back error is multiplied by; the box of currents."""
OUTER, LEAK, CROSS, STEEP = range(3, 7)
"""The constants of `kept_rows`."""
FIRST_TRACE, SECOND_TRACE = 7, 9
"""And amplitude and decay of the two traces of the inputs, (0, 0) where there is one."""
KEPT_NUMBERS = 11


class Kept(NamedTuple):
    """Constants and variables; real unless it is said.

    `table` int64 [E, 9] and `numbers` [E, 11]. What a connection's outputs tell it, by slot of a
    step and cell: `gains`, `nows` [SLOTS, cells]; `carry` [cells] is the next step's. `first` and
    `second`, the variables of its synapses, flat [inputs, post] at their places, as are `sums`, of
    accumulated gradients. By input: `other`, its second trace, and uint8 `touched`, 1 once it has
    spiked. `counts` int64 [E], how many of `RealMemory.members` there are.
    """

    table: Array
    numbers: Array
    gains: Array
    nows: Array
    carry: Array
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
    targets = [parts.populations[p] for p in rows[:, TARGET]]
    inputs, counts = rows[:, PRE] + rows[:, ALWAYS_ON], rows[:, COUNT]
    kinds = [kind_of_rule(s) for s in synapses]
    variables = np.array([VARIABLES[kind] for kind in kinds])
    *cells, wide = places(rows[:, POST])
    *firsts, first_end = places(counts * (variables > 0))
    *seconds, second_end = places(counts * (variables > 1))
    *begins, input_end = places(inputs)
    *sums, sums_end = places(counts * (not online))
    live = [any(feed.live == s.name for feed in parts.feeds) for s in synapses]
    columns = (chosen, kinds, variables, cells, firsts, seconds, begins, sums, live)
    trios = zip(synapses, targets, kinds, strict=True)
    return Kept(
        np.array(columns, np.int64).T.copy(),
        np.array([_numbers(*trio, online) for trio in trios], dtype).reshape(-1, KEPT_NUMBERS),
        zeros((SLOTS, wide), dtype),
        zeros((SLOTS, wide), dtype),
        zeros(wide, dtype),
        zeros(first_end, dtype),
        zeros(second_end, dtype),
        zeros(sums_end, dtype),
        zeros(input_end, dtype),
        np.zeros(input_end, np.uint8),
        np.zeros(len(chosen), np.int64),
    )


def _numbers(synapses: Synapses, target: Neurons, kind: int, online: bool) -> tuple[float, ...]:
    """A row of `Kept.numbers`."""
    rule: Any = synapses.rule
    computes: Any = target.computes
    box = (rule.kind.low, rule.kind.high) if kind == BOX else (0.0, 0.0)
    first, second = (*synapses.traces, (0.0, 0.0))[:2]
    outer, leak, cross, steep = 0.0, 0.0, 0.0, 0.0
    if kind == FILTER:
        leak = rule.kind.decay
    elif kind == DOUBLE_FILTER:
        outer, leak, cross = rule.kind.second_decay, rule.kind.decay, rule.kind.decay
    elif kind == ADAPTIVE:
        steep, leak = computes.neuron.threshold_adaptation
        outer = rule.kind.decay
    rate = -rule.learning_rate if online else 1.0
    return rate, *box, outer, leak, cross, steep, *first, *second
