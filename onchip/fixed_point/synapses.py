"""Plastic synapses in integers, equal in every bit to lava-nc 0.10.0's `fixed_pt` LearningDense.

Time counts steps from 1; a learning epoch lasts K steps. Within an epoch spikes are only noted (the
time of the last one; a second spike adds its impulse to the trace at once), at its end the trace is
replayed step by step and the rule applied. The stock model's random numbers are reproduced too: one
per epoch for all traces x, one for all factors y, one for all synapses.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from onchip.checks import require_between
from onchip.fixed_point.arithmetic import (
    EPOCH_MAX,
    IMPULSE_BITS,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
    WEIGHT_LIMITS,
    add_impulse,
    decay_trace,
    require_integer,
)
from onchip.fixed_point.rules import TAG_LIMITS, FixedProduct, update_rows, update_variable

Array = np.ndarray

FACTOR_TAU = 65535
"""Time constant that Loihi3FLearningRule gives to y1, y2, y3: about K in 65535 of a factor is lost,
by stochastic rounding in units of one."""

SYNAPSE_SEED = 2
"""Lava's fixed seed of the random numbers that round weights and tags."""


@dataclass(frozen=True)
class FixedSynapses:
    """What stays the same of a group of plastic synapses.

    `dw` and `dt` are the products of the weight's and the tag's rule, `impulse` 0..127 and `tau` in
    (0, 1e9] steps those of x1, `epoch` K in 1..63 steps, `seed` Lava's rng_seed, and
    `weight_exponent` in -8..7 shifts the postsynaptic input. Raises ValueError outside of these
    ranges.
    """

    dw: tuple[FixedProduct, ...]
    dt: tuple[FixedProduct, ...] = ()
    impulse: int = 63
    tau: float = 1 / math.log(2)
    epoch: int = 1
    seed: int = 0
    weight_exponent: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("synapses: impulse", self.impulse, 0, 2**IMPULSE_BITS - 1)
        require_between("synapses: tau", self.tau, 0, 1e9, open_low=True)
        require_integer("synapses: epoch", self.epoch, 1, EPOCH_MAX)
        require_integer("synapses: seed", self.seed, 0, 2**32 - 1)
        require_integer(
            "synapses: weight_exponent",
            self.weight_exponent,
            WEIGHT_EXPONENT_MIN,
            WEIGHT_EXPONENT_MAX,
        )


class SynapseState(NamedTuple):
    """What changes: `weights` and `tag` [post, pre], `x1` and `spike_times` [pre], all int64.

    `spike_times` holds the step 1..K of the last spike of this epoch, 0 without one; `factors` [3,
    post] are y1, y2, y3 as last received, `activation` [post] the input to the postsynaptic neurons
    (which Lava delivers one step later), `time` the number of steps so far.
    """

    weights: Array
    tag: Array
    x1: Array
    spike_times: Array
    factors: Array
    activation: Array
    time: int


class Draws(NamedTuple):
    """Three random numbers in [0, 1) of one epoch: for traces x, factors y and the synapses."""

    x: float
    y: float
    synapse: float


class LearningDraws:
    """The random numbers of one epoch after another, as Lava seeds and consumes them.

    Each stream draws once when it is made; the traces' then twice a step, the synapses' once an
    epoch. The stream of the factors y has the seed + 2. An iterator of `Draws`.
    """

    def __init__(self, synapses: FixedSynapses) -> None:
        seeds = (synapses.seed, synapses.seed + 2, SYNAPSE_SEED)
        self._x, self._y, self._synapse = (np.random.default_rng(seed) for seed in seeds)
        self._per_epoch = 2 * synapses.epoch
        for stream in (self._x, self._y, self._synapse):
            stream.random()

    def __iter__(self) -> Iterator[Draws]:
        return self

    def __next__(self) -> Draws:
        x, y = (stream.random(self._per_epoch)[-1] for stream in (self._x, self._y))
        return Draws(float(x), float(y), self._synapse.random())

    def skip(self, epochs: int) -> None:
        """Pass over the numbers of `epochs` epochs in which nothing is learned."""
        self._x.random(epochs * self._per_epoch)
        self._y.random(epochs * self._per_epoch)
        self._synapse.random(epochs)


def initial_state(weights: Array) -> SynapseState:
    """The state before the first step, from integer weights [post, pre] in -256..255.

    Synapses of mixed sign drop the weight's lowest bit once, at the start ([3, -3, 255] -> [2, -4,
    254]); learning uses all bits again. Raises ValueError for other weights.
    """
    weights = np.asarray(weights)
    low, high = WEIGHT_LIMITS
    whole = np.issubdtype(weights.dtype, np.integer) and weights.ndim == 2 and weights.size > 0
    if not whole or weights.min() < low or weights.max() > high:
        raise ValueError(
            f"weights of type {weights.dtype} and shape {weights.shape} must be integers "
            f"[post, pre] in {low}..{high}; quantise them first"
        )
    post, pre = weights.shape
    weights = drop_lowest_bit(weights.astype(np.int64))
    return SynapseState(
        weights,
        tag=np.zeros((post, pre), np.int64),
        x1=np.zeros(pre, np.int64),
        spike_times=np.zeros(pre, np.int64),
        factors=np.zeros((3, post), np.int64),
        activation=np.zeros(post, np.int64),
        time=0,
    )


def drop_lowest_bit(weights: Array) -> Array:
    """Weights as synapses of mixed sign hold them: even, rounded downwards."""
    return (weights >> 1) << 1


def synapse_step(
    state: SynapseState,
    spikes: Array,
    factors: Array,
    synapses: FixedSynapses,
    draws: Iterator[Draws],
) -> SynapseState:
    """One step: receive `spikes` [pre] (0 or 1) and `factors` [3, post]; learn at an epoch's end.

    Of `draws` (a `LearningDraws`) one is taken per epoch.
    """
    state = _receive(state, np.asarray(spikes, dtype=bool), factors, synapses)
    if state.time % synapses.epoch == 0:
        return _learn(state, synapses, next(draws))
    return state


def synapse_epoch(
    state: SynapseState,
    spikes: Array,
    phase: int,
    factors: Array,
    synapses: FixedSynapses,
    draws: Iterator[Draws],
) -> SynapseState:
    """A whole epoch of steps in one: `spikes` [pre] in its step `phase`, `factors` in its last.

    Equal to `synapse_step` with silence at all other steps, but the activation is not computed.
    """
    state = state._replace(
        spike_times=phase * np.asarray(spikes, np.int64),
        factors=np.asarray(factors, np.int64),
        time=state.time + synapses.epoch,
    )
    return _learn(state, synapses, next(draws))


def _receive(
    state: SynapseState, spikes: Array, factors: Array, synapses: FixedSynapses
) -> SynapseState:
    again = spikes & (state.spike_times > 0)
    within_epoch = state.time % synapses.epoch + 1
    return state._replace(
        x1=np.where(again, add_impulse(state.x1, synapses.impulse), state.x1),
        spike_times=np.where(spikes, within_epoch, state.spike_times),
        factors=np.array(factors, dtype=np.int64),
        activation=shift_activation(state.weights @ spikes, synapses.weight_exponent),
        time=state.time + 1,
    )


def _learn(state: SynapseState, synapses: FixedSynapses, draws: Draws) -> SynapseState:
    x1, y = state.x1, state.factors
    for step in range(1, synapses.epoch + 1):
        x1 = decay_trace(x1, synapses.tau, draws.x)
        x1 = np.where(state.spike_times == step, add_impulse(x1, synapses.impulse), x1)
        y = decay_trace(y, FACTOR_TAU, draws.y)
    weights, tag = _apply(state, synapses, x1, y, draws.synapse)
    return state._replace(
        weights=weights, tag=tag, x1=x1, spike_times=np.zeros_like(state.spike_times)
    )


def _apply(
    state: SynapseState, synapses: FixedSynapses, x1: Array, y: Array, random: float
) -> tuple[Array, Array]:
    """New weights and tags [post, pre], both from the old ones."""
    rows = dict(zip(("y1", "y2", "y3"), y, strict=True))
    columns = {"x1": x1, "x0": (state.spike_times > 0).astype(np.int64)}

    def updated(
        variable: Array, products: tuple[FixedProduct, ...], limits: tuple[int, int]
    ) -> Array:
        active = [p for p in products if all(rows[n].any() for n in p.factors if n in rows)]
        if not active:
            return variable
        if all("t" not in product.factors for product in active):
            return update_rows(variable, active, rows, columns, random, limits)
        values = {**columns, **{name: row[:, np.newaxis] for name, row in rows.items()}}
        return update_variable(variable, active, {**values, "t": state.tag}, random, limits)

    return (
        updated(state.weights, synapses.dw, WEIGHT_LIMITS),
        updated(state.tag, synapses.dt, TAG_LIMITS),
    )


def shift_activation(values: Array, exponent: int) -> Array:
    """W s 2^exponent, floored for negative exponents: int64, any shape."""
    return values << exponent if exponent > 0 else values >> -exponent
