"""Which synapses in floating point keep an eligibility of their own, and which kernels know.

Others learn by one trace times a factor, whose updates can wait (`lazy_rows`). Those that keep more
are learned by `kept_steps` at every step.
"""

from __future__ import annotations

from typing import Any

from onchip.network.transforms import Dense
from onchip.program.program import Neurons, Synapses
from onchip.rules.current_box import CurrentBox
from onchip.rules.eligibility import Eligibility
from onchip.rules.filtered import DoubleFiltered, Filtered, Instantaneous
from onchip.rules.recursive import Adaptive, ThroughReset

PRODUCT, BOX, FILTER, THROUGH_RESET, DOUBLE_FILTER, ADAPTIVE = range(6)
"""Kinds of eligibilities, by the number of variables that a synapse keeps: none, one, two."""

VARIABLES = {PRODUCT: 0, BOX: 0, FILTER: 1, THROUGH_RESET: 1, DOUBLE_FILTER: 2, ADAPTIVE: 2}

KINDS: dict[type[Eligibility], int] = {
    Instantaneous: PRODUCT,
    CurrentBox: BOX,
    Filtered: FILTER,
    ThroughReset: THROUGH_RESET,
    DoubleFiltered: DOUBLE_FILTER,
    Adaptive: ADAPTIVE,
}
"""Those that kernels have, these alone: a subclass may do something else."""


def keeps(synapses: Synapses) -> bool:
    """Return whether synapses learn by more than one trace times a factor."""
    rule: Any = synapses.rule
    return rule is not None and not (rule.plain and len(synapses.traces) == 1)


def kind_of_rule(synapses: Synapses) -> int:
    """Return the kind of what such synapses keep."""
    rule: Any = synapses.rule
    return KINDS[type(rule.kind)]


def reason_against_kept(synapses: Synapses, population: Neurons) -> str | None:
    """Return why kernels cannot learn such synapses into a population; None if they can."""
    rule: Any = synapses.rule
    computes: Any = population.computes
    kind = rule.kind
    if type(kind) not in KINDS:
        return f"synapses {synapses.name!r}: eligibility {type(kind).__name__} has no kernel"
    if type(synapses.transform) is not Dense:
        name = type(synapses.transform).__name__
        what = f"traces of {type(computes.neuron).__name__}" if rule.plain else "such eligibilities"
        return f"synapses {synapses.name!r}: {what} have no kernel for {name}"
    return None
