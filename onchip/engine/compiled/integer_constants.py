"""The constants of the kernels of integers, read from a program."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from onchip.arithmetic.accumulator import ACCUMULATOR_LIMITS, Product
from onchip.arithmetic.integer_softmax import _TABLE as EXPONENTIALS
from onchip.arithmetic.loihi import _decayed_traces, drop_lowest_bit
from onchip.arithmetic.membrane import decay_integer
from onchip.engine.compiled.columns import (
    ACCUMULATED,
    CLOSING_GATE,
    CORRECTION,
    DECAY,
    DERIVATIVE,
    EXPONENT,
    FACTOR_SHIFT,
    GATE,
    IMPULSE,
    LATE,
    MAIN,
    MULTIPLE,
    OF_TAGS,
    OF_WEIGHTS,
    ONLINE,
    PHASE,
    THRESHOLD,
    WIDTH,
)
from onchip.engine.compiled.integer_derivatives import DERIVATIVES, derivative_of
from onchip.engine.compiled.integer_filters import is_filtered, is_known_filter
from onchip.engine.compiled.integer_layout import TRACES, Constants
from onchip.engine.compiled.maps import sending
from onchip.engine.compiled.rooms import placed
from onchip.engine.compiled.wiring import Parts, Wiring, wire
from onchip.network.convolution import Convolution
from onchip.network.transforms import Dense
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.program import FeedbackPath, Neurons, Program, Synapses
from onchip.program.synapses import FACTOR_TAU, IntegerPlasticity
from onchip.program.teaching import IntegerTeacher
from onchip.program.timetable import arrival_phase, through_tags

Array = np.ndarray

MOST_SENDERS = 2**31 // (256 * 127)
"""So many weights times factors never add up to more than 32 bits hold."""

MOST_POSITIONS = 2**31 // -ACCUMULATOR_LIMITS[0] - 1
"""So many products, each of which the accumulator holds, never do either."""


def integer_wiring(program: Program, parts: Parts) -> Wiring:
    """Return the tables of a program in integers."""
    wiring = wire(parts)
    mode = _mode(program) if parts.stages else ONLINE
    for row, population in zip(wiring.populations, parts.populations, strict=True):
        neuron: Any = _computes(population).neuron
        row[DECAY] = decay_integer(neuron.decay)
        row[THRESHOLD] = getattr(neuron, "v_threshold", 1)
        if not parts.stages:  # nothing learns
            continue
        row[FACTOR_SHIFT] = _computes(population).factor_shift or 0
        row[DERIVATIVE], row[WIDTH], _ = _derivative(population)
        row[MULTIPLE] = _computes(population).factor_multiple.bit_length() - 1
    for row, synapses in zip(wiring.connections, parts.synapses, strict=True):
        row[EXPONENT] = synapses.exponent
        if synapses.plasticity is not None:
            _set_rule(row, program, synapses, mode)
    return wiring


def integer_constants(program: Program, parts: Parts) -> Constants:
    """Return everything else that kernels need to know of a program in integers."""
    biases = [np.broadcast_to(_computes(p).bias, p.shape).ravel() for p in parts.populations]
    matrices = [drop_lowest_bit(sending(f).astype(np.int64)) for f in parts.feeds]
    decays = [_decays(s) for s in parts.synapses] + [_decayed_traces(float(FACTOR_TAU))]
    learns = bool(parts.stages)
    period, mode = (program.schedule.period, _mode(program)) if learns else (1, ONLINE)
    derivatives = [_derivative(p)[2] if learns else np.zeros(257) for p in parts.populations]
    return Constants(
        np.array(derivatives, np.int64),
        placed(biases, np.int64),
        placed(matrices, np.int16),
        np.array([whole for whole, _ in decays], np.int64),
        np.array([rest for _, rest in decays], np.float64),
        _error(program) if learns else np.zeros(5, np.int64),
        EXPONENTIALS,
        np.array([period, learns and period == 1, mode], np.int64),
    )


def reason_against_integers(program: Program, parts: Parts) -> str | None:
    """Return why the kernels of integers cannot compute a program; None if they can."""
    if program.timetable is None:
        return "its integers have no schedule"
    if program.timetable.period == 1 and parts.feeds:
        return "errors are sent back on the pipelined schedule"
    mode = _mode(program)
    if mode == LATE and program.timetable.period == 1:
        return "updates wait in tags on the pipelined schedule"
    for synapses in parts.synapses:
        rule = synapses.plasticity
        if is_filtered(synapses):
            if mode != LATE or type(synapses.transform) is not Dense:
                return f"synapses {synapses.name!r}: their filter has no kernel"
            known = is_known_filter(synapses)
        else:
            known = rule is None or _is_known(cast(IntegerPlasticity, rule), mode)
        if not known:
            return f"synapses {synapses.name!r}: their products have no kernel"
    for population in parts.populations:
        if why := _against_factor(population):
            return f"population {population.name!r}: {why}"
        feeds = [f for f in parts.feeds if f.target == population.name]
        senders = sum(_senders(program, f) for f in feeds)
        if senders > MOST_SENDERS:
            return f"population {population.name!r}: errors of {senders} neurons exceed 32 bits"
    for synapses in parts.synapses:
        positions = int(np.prod(synapses.transform.output_shape[1:]))
        if synapses.plastic and positions > MOST_POSITIONS:
            return f"synapses {synapses.name!r}: products of {positions} positions exceed 32 bits"
    return None


def _senders(program: Program, feed: FeedbackPath) -> int:
    """From how many neurons an error is fed back to each, at most."""
    transform: Any = feed.transform
    if feed.live is not None:
        transform = program.named(feed.live).transform
    if type(transform) is Convolution:
        return int(transform.weight.size // transform.weight.shape[1])
    return int(np.prod(program.population(feed.source).shape))


def _against_factor(population: Neurons) -> str | None:
    """Return what of how a population makes its factor has no kernel."""
    computes = _computes(population)
    surrogate = getattr(computes.neuron, "surrogate", None)
    if surrogate is not None and surrogate.name not in DERIVATIVES:
        return f"surrogate {surrogate.name!r} has no kernel"
    return None


def _mode(program: Program) -> int:
    """When its synapses learn."""
    assert program.graph.learning is not None
    if through_tags(program.graph):
        return LATE
    return ACCUMULATED if program.graph.learning.mode == "accumulate" else ONLINE


def _computes(population: Neurons) -> Any:
    return population.computes


def _derivative(population: Neurons) -> tuple[int, int, Array]:
    """The kind of a population's derivative, its width or shift, and its table."""
    if _computes(population).factor_shift is None:
        return 0, 0, np.zeros(257, np.int64)
    return derivative_of(population)


def _set_rule(row: Array, program: Program, synapses: Synapses, mode: int) -> None:
    """How a connection learns, in its row of the table."""
    rule = cast(IntegerPlasticity, synapses.plasticity)
    population = program.population(synapses.target)
    teacher = cast(IntegerTeacher, population.teacher)
    gradient = rule.dw if mode == ONLINE else rule.dt[:-1]
    row[MAIN : MAIN + 3] = _numbers(gradient[:1])
    row[CORRECTION : CORRECTION + 3] = _numbers(gradient[2:3])
    if mode != ONLINE:
        row[OF_WEIGHTS : OF_WEIGHTS + 3] = _numbers(rule.dw)
        row[OF_TAGS : OF_TAGS + 3] = _numbers(rule.dt[-1:])
    row[GATE] = teacher.gate if mode == ONLINE else 1
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
    if not isinstance(learning.objective, IntegerClassification):
        return np.zeros(5, np.int64)
    tables = learning.objective.tables
    constants = (
        tables.exponent_multiplier,
        tables.exponent_shift,
        tables.probability_multiplier,
        tables.squared_multiplier,
        tables.one,
    )
    return np.array(constants, np.int64)


def _is_known(rule: IntegerPlasticity, mode: int) -> bool:
    """Whether a rule is one of `onchip.program.plasticity`."""
    gate: tuple[str, ...] = ("y3",) if mode == ONLINE else ()
    gradient = rule.dw if mode == ONLINE else rule.dt[:-1]
    if rule.second is not None or len(gradient) not in ((2,) if mode == LATE else (2, 4)):
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
    if mode == ONLINE:
        return not rule.dt
    return len(rule.dw) == 1 and rule.dw[0].factors == rule.dt[-1].factors == ("t", "y3")
