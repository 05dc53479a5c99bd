"""Plastic synapses in integers, equal in every bit to lava-nc 0.10.0's `fixed_pt` LearningDense.

Time counts steps from 1; a learning epoch lasts K steps. Within an epoch spikes are only noted (the
time of the last one; a second spike adds its impulse to the trace at once), at its end the trace is
replayed step by step and the rule applied. The stock model's random numbers are reproduced too: one
per epoch for all traces x, one for all factors y, one for all synapses.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np

from onchip.arithmetic.accumulator import TAG_LIMITS, Product, update_variable
from onchip.arithmetic.draws import EpochDraws
from onchip.arithmetic.draws import LearningDraws as LearningDraws  # also found here
from onchip.arithmetic.loihi import (
    TRACE_MAX,
    WEIGHT_LIMITS,
    add_impulse,
    advance_trace,
    decay_powers,
    drop_lowest_bit,
    shift_activation,
)
from onchip.engine.outer_updates import saturate_accumulator, update_rows
from onchip.program.synapses import FACTOR_TAU, IntegerPlasticity

Array = np.ndarray


FACTOR_DECAY = float(np.exp(-1 / np.array([FACTOR_TAU]))[0])
"""What a step leaves of a factor, before it is rounded."""


class SynapseState(NamedTuple):
    """What changes: `weights` and `tag` [post, pre], `x1`, `x2` and `spike_times` [pre], all int32.

    `spike_times` holds the step 1..K of the last spike of this epoch, 0 without one; `factors` [3,
    post] are y1, y2, y3 as last received, `activation` [post] (int64) the input to the postsynaptic
    neurons (which Lava delivers one step later), `time` the number of steps so far. Weights and
    tags are stored by input (column-major).
    """

    weights: Array
    tag: Array
    x1: Array
    spike_times: Array
    factors: Array
    activation: Array
    time: int
    x2: Array


def initial_state(
    weights: Array, inputs: int | None = None, first_tag: int | Array = 0
) -> SynapseState:
    """The state before the first step, from integer weights in -256..255 and tags `first_tag`.

    Weights are [post, pre], or [n] where each input has its own output; with the number of `inputs`
    they are shared by many synapses and may have any shape [out, ...].

    Synapses of mixed sign drop the weight's lowest bit once, at the start ([3, -3, 255] -> [2, -4,
    254]); learning uses all bits again. Raises ValueError for other weights.
    """
    weights = np.asarray(weights)
    low, high = WEIGHT_LIMITS
    whole = np.issubdtype(weights.dtype, np.integer) and weights.size > 0
    whole = whole and (inputs is not None or weights.ndim < 3)
    if not whole or weights.min() < low or weights.max() > high:
        raise ValueError(
            f"weights of type {weights.dtype} and shape {weights.shape} must be integers "
            f"[post, pre] or [n] in {low}..{high}; quantize them first"
        )
    post, pre = weights.shape[0], weights.shape[-1] if inputs is None else inputs
    order: Literal["C", "F"] = "F" if inputs is None else "C"
    return SynapseState(
        np.array(drop_lowest_bit(weights), np.int32, order=order),
        tag=np.full(weights.shape, first_tag, np.int32, order=order),
        x1=np.zeros(pre, np.int32),
        spike_times=np.zeros(pre, np.int32),
        factors=np.zeros((3, post), np.int32),
        activation=np.zeros(post, np.int64),
        time=0,
        x2=np.zeros(pre, np.int32),
    )


def synapse_step(
    state: SynapseState,
    spikes: Array,
    factors: Array,
    synapses: IntegerPlasticity,
    draws: Iterator[EpochDraws],
) -> SynapseState:
    """One step: receive `spikes` [pre] (0 or 1) and `factors` [3, post]; learn at an epoch's end.

    Of `draws` (a `LearningDraws`) one is taken per epoch.
    """
    state = received(state, np.asarray(spikes, dtype=bool), factors, synapses)
    if state.time % synapses.epoch == 0:
        return _learn(_copied(state), synapses, next(draws))
    return state


def synapse_epoch(
    state: SynapseState,
    spikes: Array,
    phase: int,
    factors: Array,
    synapses: IntegerPlasticity,
    draws: Iterator[EpochDraws],
) -> SynapseState:
    """A whole epoch of steps in one: `spikes` [pre] in its step `phase`, `factors` in its last.

    Equal to `synapse_step` with silence at all other steps, but the activation is not computed.
    """
    return learn_in_place(_copied(state), spikes, phase, factors, synapses, draws)


def learn_in_place(
    state: SynapseState,
    spikes: Array,
    phase: int,
    factors: Array,
    synapses: IntegerPlasticity,
    draws: Iterator[EpochDraws],
) -> SynapseState:
    """`synapse_epoch` that writes the new weights and tags into the arrays of `state`."""
    return _learn(at_epoch(state, spikes, phase, factors, synapses), synapses, next(draws))


def _copied(state: SynapseState) -> SynapseState:
    return state._replace(weights=state.weights.copy("K"), tag=state.tag.copy("K"))


def received(
    state: SynapseState, spikes: Array, factors: Array, synapses: IntegerPlasticity
) -> SynapseState:
    """The state after a step that received `spikes` bool [pre] and `factors` [3, post]."""
    again = spikes & (state.spike_times > 0)
    within_epoch = np.int32(state.time % synapses.epoch + 1)
    weights, x2 = state.weights, state.x2
    if synapses.second is not None:
        x2 = np.where(again, add_impulse(x2, int(synapses.second[0])), x2)
    sums = (weights @ spikes if weights.ndim == 2 else weights * spikes).astype(np.int64)
    return state._replace(
        x1=np.where(again, add_impulse(state.x1, synapses.impulse), state.x1),
        x2=x2,
        spike_times=np.where(spikes, within_epoch, state.spike_times),
        factors=np.array(factors, dtype=np.int32),
        activation=shift_activation(sums, synapses.weight_exponent),
        time=state.time + 1,
    )


def _learn(state: SynapseState, synapses: IntegerPlasticity, draws: EpochDraws) -> SynapseState:
    """The end of an epoch; writes to the state's weights and tags."""
    columns, y = at_epochs_end(state, synapses, draws)
    weights, tag = apply_rules(state, synapses, columns, y, draws.synapse)
    return learned_state(state, weights, tag, columns)


def learned_state(
    state: SynapseState, weights: Array, tag: Array, columns: Mapping[str, Array]
) -> SynapseState:
    """The state at the begin of the next epoch."""
    spike_times = np.zeros_like(state.spike_times)
    x1, x2 = columns["x1"], columns["x2"]
    return state._replace(weights=weights, tag=tag, x1=x1, x2=x2, spike_times=spike_times)


def at_epochs_end(
    state: SynapseState, synapses: IntegerPlasticity, draws: EpochDraws
) -> tuple[dict[str, Array], Array]:
    """What a rule reads: x1, x2 and the spikes x0 [pre], and the factors [3, post]."""
    x1, x2 = advanced_traces(state, state.spike_times, synapses, draws.x)
    spiked = (state.spike_times > 0).astype(np.int32)
    y = decayed_factors(state.factors, synapses.epoch, draws.y)
    return {"x1": x1, "x2": x2, "x0": spiked}, y


def at_epoch(
    state: SynapseState, spikes: Array, phase: int, factors: Array, synapses: IntegerPlasticity
) -> SynapseState:
    """The state after an epoch's steps, with `spikes` [pre] in step `phase`; nothing is learned."""
    return state._replace(
        spike_times=np.multiply(spikes, phase, dtype=np.int32, casting="unsafe"),
        factors=np.asarray(factors, np.int32),
        time=state.time + synapses.epoch,
    )


def advanced_traces(
    state: SynapseState, times: Array, synapses: IntegerPlasticity, random: float
) -> tuple[Array, Array]:
    """x1 and, where there is one, x2 at an epoch's end; both round by the same number."""
    x1 = advanced_trace(state.x1, times, synapses, random)
    if synapses.second is None:
        return x1, state.x2
    impulse, tau = synapses.second
    powers = decay_powers(tau, random, synapses.epoch)
    return x1, advance_trace(state.x2, times, np.nonzero(times), int(impulse), powers)


def advanced_trace(x1: Array, times: Array, synapses: IntegerPlasticity, random: float) -> Array:
    """`arithmetic.advance_trace` of `x1` and `times`, of any shape, for these synapses."""
    powers = decay_powers(synapses.tau, random, synapses.epoch)
    return advance_trace(x1, times, np.nonzero(times), synapses.impulse, powers)


def decayed_factors(factors: Array, epoch: int, random: float) -> Array:
    """y1, y2, y3 after an epoch. They lose one if at all, the largest first, and that seldom."""
    if random < TRACE_MAX * FACTOR_DECAY - (TRACE_MAX - 1):
        return factors  # even 127 rounds up to itself at every step
    return decay_powers(FACTOR_TAU, random, epoch)[-1].take(factors)


def apply_rules(
    state: SynapseState,
    synapses: IntegerPlasticity,
    columns: Mapping[str, Array],
    y: Array,
    random: float,
) -> tuple[Array, Array]:
    """New weights and tags [post, pre], both from the old ones, whose arrays they may take over.

    `columns` are the traces x1 and x2 and the spikes x0 [pre], `y` the factors [3, post]; for
    weights of another rank they broadcast to these.
    """
    rows = dict(zip(("y1", "y2", "y3"), y, strict=True))
    acting = {name for name, row in rows.items() if row.any()} | {"x1", "x2", "t", "w"}

    def updated(variable: Array, products: tuple[Product, ...], limits: tuple[int, int]) -> Array:
        active = [p for p in products if acting.issuperset(p.factors)]
        if not active:
            return saturate_accumulator(variable, random, limits) if products else variable
        dense = variable.ndim == 2
        if dense and all({"t", "w"}.isdisjoint(product.factors) for product in active):
            return update_rows(variable, active, rows, columns, random, limits)
        spread = {name: row[:, np.newaxis] if dense else row for name, row in rows.items()}
        values = {**columns, **spread, "t": state.tag, "w": state.weights}
        return update_variable(variable, active, values, random, limits)

    weights = updated(state.weights, synapses.dw, WEIGHT_LIMITS)
    # The weights' rule reads the tags, never the other way about: so they come first.
    return weights, updated(state.tag, synapses.dt, TAG_LIMITS)
