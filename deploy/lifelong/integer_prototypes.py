"""The head of prototypes in integers, by a rule that stock Lava's `LearningDense` computes.

    dw = m1 2^e1 u0 x1 y1 - 7 2^-4 u0 w y2
    y1 = 127 a g / norm(x),    y2 = 512 / 7 a s

A learning epoch is a sample of T steps and one more, in which all of its currents are there and the
neuron that learns gets its factors. x1 is an impulse i = floor(127 / T) for each spike, which does
not decay within a sample and is cleared after it. The factors are made from norm(x) and s, by the
host or by the neurons' process in Lava. With the shifts of Lava's
accumulator

    dw = (m1 2^e1 / 8) i x y1 - 7 w y2 / 512 = a (N u - s w),    N = 127 m1 2^e1 i g / 8

where a is within a fifth of alpha, so that y1 is a whole number and y2 nearly one: a y2 that is a
few per cent off changes norm(w), by which prototypes compete. g is 0.8 of the smallest norm(x) of
the base's samples, so that y1 stays within 7 bits, and m1 2^e1 is the largest scale with which the
base's prototypes stay within 8 bits. Products floor, and what floors w y2 would eat small weights:
7 2^-4 floors at 1/16 of a weight where 2^-1, with the same reach, floors at half of one. Every bit
is that of `onchip.engine.loihi_synapses`, which is held to Lava.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import (
    EXPONENT_MIN,
    TRACE_MAX,
    WEIGHT_LIMITS,
)
from onchip.deploy.lifelong.prototypes import Array, Prototypes, epoch_of
from onchip.engine.loihi_synapses import SynapseState, initial_state, synapse_step
from onchip.program.prototypes import Choice, Scales, length_of
from onchip.program.synapses import IntegerPlasticity

DECAY = Product(-7, -4, ("w", "y2"))
"""What the similarity takes from a weight."""

SIMILARITY = 512 / 7
"""y2 of a similarity of 1 at alpha 1."""

NO_DECAY = 1e9
"""Time constant of a trace that keeps what it has."""

REACH = 0.8
"""How much smaller the spikes of a new class may be than the smallest of the base."""

LEEWAY = 0.2
"""Share by which a may differ from alpha."""

ROOM = 0.9
"""Share of the weights' range that the base's largest prototype takes."""


class Calibration(NamedTuple):
    """`plasticity` of the synapses, the norm N that prototypes settle at, and g of y1.

    These are the `onchip.program.prototypes.Scales` of integers.
    """

    plasticity: IntegerPlasticity
    norm: float
    smallest: float

    def factors(self, length: float, alpha: float, similar: float) -> tuple[int, int]:
        """Return y1 and y2, whole numbers, of a sample with norm(x) = `length`."""
        reach = TRACE_MAX * self.smallest / length
        return whole_factors(alpha * reach, SIMILARITY * similar / reach)


def calibrate(prototypes: Array, counts: Array, time_steps: int, seed: int = 0) -> Calibration:
    """Choose the scales for a base: its unit `prototypes` and spikes counted [samples, features].

    Raises ValueError for more steps than a learning epoch or a trace holds, and for a base whose
    spikes are too few.
    """
    epoch = epoch_of(time_steps)
    impulse = TRACE_MAX // time_steps
    norms = np.linalg.norm(counts, axis=1)
    smallest = REACH * float(norms[norms > 0].min())
    wanted = ROOM * WEIGHT_LIMITS[1] / float(prototypes.max())
    unit = TRACE_MAX * impulse * smallest / 8
    mantissa, exponent = _below(wanted / unit)
    rule = (Product(mantissa, exponent, ("x1", "y1")), DECAY)
    plasticity = IntegerPlasticity(dw=rule, impulse=impulse, tau=NO_DECAY, epoch=epoch, seed=seed)
    return Calibration(plasticity, unit * mantissa * 2.0**exponent, smallest)


def _below(value: float) -> tuple[int, int]:
    """The largest mantissa 1..7 and exponent -7..0 whose product is not above `value`."""
    found = [(m * 2.0**e, m, e) for m in range(1, 8) for e in range(EXPONENT_MIN, 1)]
    fitting = [entry for entry in found if entry[0] <= value]
    if not fitting:
        raise ValueError(
            f"prototypes: a scale of {value:.3g} is below 2^{EXPONENT_MIN}, the least that a rule "
            "holds; train the trunk to fewer spikes, or cut samples into more frames"
        )
    return max(fitting)[1:]


def whole_factors(wanted: float, ratio: float) -> tuple[int, int]:
    """Return y1 within `LEEWAY` of `wanted` and y2, the whole number next to y1 `ratio`.

    Of all y1 the one whose y2 is rounded least, to a twentieth; then the one nearest to `wanted`.
    """
    low, high = (1 - LEEWAY) * wanted, (1 + LEEWAY) * wanted
    whole = [y for y in range(int(low), int(high) + 2) if low <= y <= high and 1 <= y <= TRACE_MAX]
    whole = whole or [min(TRACE_MAX, max(1, round(wanted)))]

    def roughness(y: int) -> tuple[int, float]:
        return round(20 * abs(y * ratio - round(y * ratio))), abs(y - wanted)

    first = min(whole, key=roughness)
    return first, min(TRACE_MAX, round(first * ratio))


class IntegerPrototypes(Prototypes):
    """`Prototypes` in 8-bit weights; `weights` are unit rows that are scaled and rounded."""

    def __init__(
        self,
        weights: Array,
        labels: Sequence[int],
        seen: Sequence[int],
        calibration: Calibration,
        novelty: float = 0.0,
        limit: int = 1024,
    ) -> None:
        """Take over the base's prototypes; all other rows are zero until they are taken."""
        super().__init__(weights, labels, seen, novelty, limit)
        self.calibration = calibration
        # Synapses drop the lowest bit of what they begin with.
        whole = 2 * np.rint(self._weights * calibration.norm / 2).astype(np.int64)
        self._state: SynapseState = initial_state(np.clip(whole, *WEIGHT_LIMITS))
        self._draws = LearningDraws(calibration.plasticity)

    @property
    def weights(self) -> Array:
        """Integer rows that are taken, [prototypes, features]."""
        return self.all_weights[: len(self.labels)]

    @property
    def all_weights(self) -> Array:
        """The rows of all neurons, int64 [limit, features]."""
        return self._state.weights.astype(np.int64)

    @property
    def norm(self) -> float:
        """As `Prototypes.norm`, in integers."""
        return self.calibration.norm

    def scales(self, time_steps: int) -> Scales:
        """As `Prototypes.scales`; ValueError for other steps than it was calibrated for."""
        calibrated = self.calibration.plasticity.epoch - 1
        if time_steps != calibrated:
            raise ValueError(
                f"prototypes: they were calibrated for samples of {calibrated} steps, not "
                f"{time_steps}; calibrate them anew"
            )
        return self.calibration

    def idle(self, samples: int = 1) -> None:
        """Pass over samples that nothing is learned from: they use up random numbers, too."""
        self._draws.skip(samples)

    def state(self) -> dict[str, Array]:
        """As `Prototypes.state`, and "samples" [1] so far: where the random numbers are."""
        return {**super().state(), "samples": np.array([self._draws.epochs])}

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        weights = np.asfortranarray(arrays["weights"].astype(np.int32))
        self._state = self._state._replace(weights=weights)
        self._draws = LearningDraws(self.calibration.plasticity, int(arrays["samples"][0]))

    def _checked(self, state: Mapping[str, Array]) -> dict[str, Array]:
        arrays = super()._checked(state)
        weights, (low, high) = arrays["weights"], WEIGHT_LIMITS
        if (weights != np.rint(weights)).any() or weights.min() < low or weights.max() > high:
            raise ValueError(
                f"state 'weights' holds no integers in {low}..{high}; restore what integer "
                "prototypes saved"
            )
        if not 0 <= int(arrays["samples"][0]) < 2**31:
            raise ValueError("state 'samples' holds no number of samples; save it again")
        return arrays

    def factors(self, counts: Array, choice: Choice) -> Array:
        """Return y1, y2, y3 [3, limit] that the synapses get for a sample."""
        found = np.zeros((3, self.limit), np.int64)
        length = float(length_of(counts)[0])
        found[:2, choice.neuron] = self.calibration.factors(length, choice.alpha, choice.similar)
        return found

    def _move(self, choice: Choice, spikes: Array) -> None:
        last = self.factors(spikes.sum(axis=0), choice)
        state, silent = self._state, np.zeros_like(last)
        for frame in spikes:
            state = synapse_step(state, frame, silent, self.calibration.plasticity, self._draws)
        silence = np.zeros_like(spikes[0])
        state = synapse_step(state, silence, last, self.calibration.plasticity, self._draws)
        self._state = state._replace(x1=np.zeros_like(state.x1))
