"""Lava's learning rules compiled for the fast process models, which refuse what they cannot do."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
from lava.magma.core.learning.constants import GradedSpikeCfg
from lava.magma.core.learning.learning_rule import Loihi2FLearningRule, Loihi3FLearningRule
from lava.utils.weightutils import SignMode

from onchip.arithmetic.accumulator import TAG_LIMITS
from onchip.arithmetic.loihi import EPOCH_MAX, WEIGHT_LIMITS
from onchip.lava.fast.terms import (
    COLUMNS,
    ROWS,
    UNLIMITED,
    VARIABLES,
    Factor,
    FastRule,
    Term,
    Trace,
)

STORED_EXPONENT = 7
"""Lava stores a product's exponent plus this."""

REMEDY = "; use Lava's own model (Loihi2SimCfg) for it"


def fast_rule(params: Any, floating: bool) -> FastRule:
    """Compile the learning rule of a LearningDense from its process parameters.

    `floating` is the precision. Raises ValueError, with the term, for what the fast models do not
    compute exactly as the stock ones.
    """
    rule, graded = params["learning_rule"], params["graded_spike_cfg"]
    sign_mode = params.get("sign_mode", SignMode.MIXED)
    if not isinstance(rule, (Loihi2FLearningRule, Loihi3FLearningRule)):
        _refuse(f"learning rule of type {type(rule).__name__} (not Loihi2F or Loihi3F)")
    if graded != GradedSpikeCfg.USE_REGULAR_IMPULSE:
        _refuse(f"graded_spike_cfg {GradedSpikeCfg(graded).name}")
    if sign_mode not in (SignMode.MIXED, SignMode.EXCITATORY, SignMode.INHIBITORY):
        _refuse(f"sign_mode {sign_mode}")
    if not floating and rule.t_epoch > EPOCH_MAX:
        _refuse(f"t_epoch {rule.t_epoch} above {EPOCH_MAX}")
    terms = {target[1:]: _terms(s) for target, s in rule.active_product_series.items()}
    every = [term for products in terms.values() for term in products]
    for term in every:
        _check_term(term, rule, floating)
    used = {factor.name for term in every for factor in term.factors}
    return FastRule(
        terms,
        x=_traces(rule, ("x1", "x2"), used, floating),
        y=_traces(rule, ("y1", "y2", "y3"), used, floating),
        epoch=rule.t_epoch,
        third_factor=isinstance(rule, Loihi3FLearningRule),
        limits={name: _limits(name, sign_mode, floating) for name in terms},
        decimation=2 ** (rule.decimate_exponent or 0),
    )


def _terms(series: Any) -> tuple[Term, ...]:
    return tuple(
        Term(
            p.target,
            p.s_mantissa,
            p.s_exp - STORED_EXPONENT,
            p.dependency,
            tuple(Factor(f.state_var, f.const or 0, f.is_sgn) for f in p.factors),
        )
        for p in series.products
    )


def _check_term(term: Term, rule: Any, floating: bool) -> None:
    known = (*ROWS, *COLUMNS, *VARIABLES)
    for factor in term.factors:
        if factor.name not in known or (floating and factor.name in ("x0", "y0")):
            _refuse(f"term {term} with the factor {factor}")
        if floating and getattr(rule, f"{factor.name}_tau", 1) == 0:
            _refuse(f"term {term} with {factor.name}_tau 0, which makes the trace NaN,")
    if term.dependency != "u" and rule.t_epoch > 1 and not _at_spikes(term, rule, floating):
        # Its factors are those of each neuron's own spike within the epoch, not of its end.
        _refuse(f"term {term} with dependency {term.dependency} and t_epoch {rule.t_epoch} > 1")


def _at_spikes(term: Term, rule: Any, floating: bool) -> bool:
    """Whether it is made of received factors alone: those decay from the epoch's start on."""
    received = all(f == Factor(f.name) and f.name in RECEIVED for f in term.factors)
    third = isinstance(rule, Loihi3FLearningRule)
    return floating and third and received and term.dependency == "x0"


RECEIVED = ("y1", "y2", "y3")


def _traces(rule: Any, names: tuple[str, ...], used: set[str], floating: bool) -> tuple[Trace, ...]:
    made = []
    for name in names:
        impulse, tau = (float(getattr(rule, f"{name}_{what}")) for what in ("impulse", "tau"))
        if name not in used and (impulse == 0 or (floating and tau == 0)):
            continue
        if not floating and impulse != math.floor(impulse):
            _refuse(f"{name}_impulse {impulse}, a fraction in integers,")
        decay = math.exp(-1 / tau) if tau else 0.0
        made.append(Trace(name, impulse, tau, decay ** np.arange(rule.t_epoch + 1)))
    return tuple(made)


def _limits(variable: str, sign_mode: SignMode, floating: bool) -> tuple[Any, Any]:
    """What a variable is clipped to at each epoch's end."""
    if variable == "t":
        return UNLIMITED if floating else TAG_LIMITS
    if variable == "d" or sign_mode == SignMode.EXCITATORY:
        return (0, math.inf if floating else WEIGHT_LIMITS[1])
    if sign_mode == SignMode.INHIBITORY:
        return (-math.inf if floating else -WEIGHT_LIMITS[1], 0)
    return UNLIMITED if floating else WEIGHT_LIMITS


def _refuse(what: str) -> None:
    raise ValueError(f"the fast LearningDense does not compute {what} exactly{REMEDY}")
