"""The constants of the kernels of integers, read from a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.integer_softmax import _TABLE as EXPONENTIALS
from onchip.arithmetic.integer_surrogates import _sigmoid_table, _width
from onchip.arithmetic.loihi import _decayed_traces, drop_lowest_bit
from onchip.arithmetic.membrane import decay_integer
from onchip.engine.compiled.columns import (
    CLOSING_GATE,
    CORRECTION,
    DECAY,
    DERIVATIVE,
    EXPONENT,
    FACTOR_SHIFT,
    GATE,
    IMPULSE,
    MAIN,
    OF_TAGS,
    OF_WEIGHTS,
    PHASE,
    RECTANGLE,
    SIGMOID,
    THRESHOLD,
    TRIANGLE,
    WIDTH,
)
from onchip.engine.compiled.integer_layout import TRACES, Constants
from onchip.engine.compiled.wiring import Parts, Wiring, wire
from onchip.program.program import Neurons, Program, Synapses
from onchip.program.synapses import FACTOR_TAU, IntegerPlasticity
from onchip.program.teaching import IntegerTeacher
from onchip.program.timetable import arrival_phase

Array = np.ndarray

DERIVATIVES = {"rectangle": RECTANGLE, "triangle": TRIANGLE, "sigmoid": SIGMOID}

MOST_SENDERS = 2**31 // (256 * 127)
"""So many weights times factors never add up to more than 32 bits hold."""


def integer_wiring(program: Program, parts: Parts) -> Wiring:
    """Return the tables of a program in integers."""
    wiring = wire(parts)
    accumulates = _accumulates(program)
    for row, population in zip(wiring.populations, parts.populations, strict=True):
        neuron: Any = _computes(population).neuron
        row[DECAY] = decay_integer(neuron.decay)
        row[THRESHOLD] = getattr(neuron, "v_threshold", 1)
        row[FACTOR_SHIFT] = _computes(population).factor_shift or 0
        row[DERIVATIVE], row[WIDTH], _ = _derivative(population)
    for row, synapses in zip(wiring.connections, parts.synapses, strict=True):
        row[EXPONENT] = synapses.exponent
        if synapses.plasticity is not None:
            _set_rule(row, program, synapses, accumulates)
    return wiring


def integer_constants(program: Program, parts: Parts) -> Constants:
    """Return everything else that kernels need to know of a program in integers."""
    biases = [np.broadcast_to(_computes(p).bias, p.shape).ravel() for p in parts.populations]
    matrices = [drop_lowest_bit(f.matrix.T).ravel() for f in parts.feeds if f.matrix is not None]
    decays = [_decays(s) for s in parts.synapses] + [_decayed_traces(float(FACTOR_TAU))]
    period = program.schedule.period
    return Constants(
        np.array([_derivative(p)[2] for p in parts.populations], np.int64),
        np.concatenate(biases).astype(np.int64),
        np.concatenate([*matrices, np.zeros(1)]).astype(np.int16),
        np.array([whole for whole, _ in decays], np.int64),
        np.array([rest for _, rest in decays], np.float64),
        _error(program),
        EXPONENTIALS,
        np.array([period, period == 1, _accumulates(program)], np.int64),
    )


def reason_against_integers(program: Program, parts: Parts) -> str | None:
    """Return why the kernels of integers cannot compute a program; None if they can."""
    if program.timetable is None:
        return "its integers have no schedule"
    if program.timetable.period == 1 and parts.feeds:
        return "errors are sent back on the pipelined schedule"
    accumulates = _accumulates(program)
    for synapses in parts.synapses:
        rule = synapses.plasticity
        if rule is not None and not _is_known(cast(IntegerPlasticity, rule), accumulates):
            return f"synapses {synapses.name!r}: their products have no kernel"
    for population in parts.populations:
        if why := _against_factor(population):
            return f"population {population.name!r}: {why}"
        feeds = [f for f in parts.feeds if f.target == population.name]
        sending = sum(int(np.prod(program.population(f.source).shape)) for f in feeds)
        if sending > MOST_SENDERS:
            return f"population {population.name!r}: errors of {sending} neurons exceed 32 bits"
    return None


def _against_factor(population: Neurons) -> str | None:
    """Return what of how a population makes its factor has no kernel."""
    computes = _computes(population)
    surrogate = getattr(computes.neuron, "surrogate", None)
    if surrogate is not None and surrogate.name not in DERIVATIVES:
        return f"surrogate {surrogate.name!r} has no kernel"
    if computes.factor_multiple != 1 or computes.signal_shift is not None:
        return "factors of coarser steps, and signals apart, have no kernel"
    return None


def _accumulates(program: Program) -> bool:
    assert program.graph.learning is not None
    return program.graph.learning.mode == "accumulate"


def _computes(population: Neurons) -> Any:
    return population.computes


def _derivative(population: Neurons) -> tuple[int, int, Array]:
    """The kind of a population's derivative, its width or shift, and its table."""
    neuron, table = _computes(population).neuron, np.zeros(257, np.int64)
    surrogate = getattr(neuron, "surrogate", None)
    if surrogate is None or _computes(population).factor_shift is None:
        return 0, 0, table
    kind, threshold = DERIVATIVES[surrogate.name], int(neuron.v_threshold)
    parameter = float(surrogate.parameter)
    if kind != SIGMOID:
        return kind, _width(threshold, parameter), table
    values = _sigmoid_table(threshold, parameter)
    table[:-1] = values.values
    return kind, values.shift, table


def _set_rule(row: Array, program: Program, synapses: Synapses, accumulates: bool) -> None:
    """How a connection learns, in its row of the table."""
    rule = cast(IntegerPlasticity, synapses.plasticity)
    population = program.population(synapses.target)
    teacher = cast(IntegerTeacher, population.teacher)
    gradient = rule.dt[:-1] if accumulates else rule.dw
    row[MAIN : MAIN + 3] = _numbers(gradient[:1])
    row[CORRECTION : CORRECTION + 3] = _numbers(gradient[2:3])
    if accumulates:
        row[OF_WEIGHTS : OF_WEIGHTS + 3] = _numbers(rule.dw)
        row[OF_TAGS : OF_TAGS + 3] = _numbers(rule.dt[-1:])
    row[GATE] = 1 if accumulates else teacher.gate
    row[CLOSING_GATE] = teacher.gate
    row[IMPULSE] = rule.impulse
    row[PHASE] = arrival_phase(program.schedule, population.offset)


def _numbers(products: Sequence[Product]) -> tuple[int, int, int]:
    """Mantissa and shifts of the first product; zeros for none."""
    if not products:
        return 0, 0, 0
    return products[0].mantissa, products[0].right_shift, products[0].left_shift


def _decays(synapses: Synapses) -> tuple[Array, Array]:
    """What a step leaves of each trace: the whole part, and the rest."""
    if synapses.plasticity is None:
        return np.zeros(TRACES), np.zeros(TRACES)
    return _decayed_traces(float(synapses.plasticity.tau))


def _error(program: Program) -> Array:
    learning: Any = program.graph.learning
    tables = learning.objective.tables
    constants = (
        tables.exponent_multiplier,
        tables.exponent_shift,
        tables.probability_multiplier,
        tables.squared_multiplier,
        tables.one,
    )
    return np.array(constants, np.int64)


def _is_known(rule: IntegerPlasticity, accumulates: bool) -> bool:
    """Whether a rule is one of `onchip.program.plasticity`."""
    gate: tuple[str, ...] = () if accumulates else ("y3",)
    gradient = rule.dt[:-1] if accumulates else rule.dw
    if rule.second is not None or len(gradient) not in (2, 4):
        return False
    for first in range(0, len(gradient), 2):
        plus, minus = gradient[first : first + 2]
        pre, dependency = (("x1",), "u0") if first == 0 else ((), "x0")
        wanted = [
            Product(plus.mantissa, plus.exponent, (*pre, "y1", *gate), dependency),
            Product(-plus.mantissa, plus.exponent, (*pre, "y2", *gate), dependency),
        ]
        if [plus, minus] != wanted:
            return False
    if not accumulates:
        return not rule.dt
    return len(rule.dw) == 1 and rule.dw[0].factors == rule.dt[-1].factors == ("t", "y3")
