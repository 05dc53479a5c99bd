"""The head of prototypes in integers, by a rule that stock Lava's `LearningDense` computes.

    dw = m1 2^e1 u0 x1 y1 - 2^-1 u0 w y2
    y1 = round(127 alpha g / |x|),    y2 = round(64 alpha s)

A learning epoch is a sample of T steps. x1 is an impulse i = floor(127 / T) for each spike, which
does not decay within a sample and is cleared after it. Only the neuron that learns gets factors;
|x| and s are computed by the host, as errors are elsewhere. With the shifts of Lava's accumulator

    dw = (m1 2^e1 / 8) i x y1 - w y2 / 64 = alpha (N u - s w),    N = 127 m1 2^e1 i g / 8

where g is the smallest |x| of the base's samples, so that y1 stays within 7 bits, and m1 2^e1 is
the largest scale with which the base's prototypes stay within 8 bits. Every bit is that of
`onchip.engine.loihi_synapses`, which is held to Lava.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.draws import EpochDraws, LearningDraws
from onchip.arithmetic.loihi import (
    EXPONENT_MIN,
    TRACE_MAX,
    WEIGHT_LIMITS,
)
from onchip.deploy.lifelong.prototypes import Array, Prototypes
from onchip.engine.loihi_synapses import SynapseState, initial_state, synapse_step
from onchip.program.synapses import IntegerPlasticity

SIMILARITY = 64
"""y2 of a similarity of 1 at alpha 1."""

NO_DECAY = 1e9
"""Time constant of a trace that keeps what it has."""

ROOM = 0.9
"""Share of the weights' range that the base's largest prototype takes."""


class Calibration(NamedTuple):
    """`plasticity` of the synapses, the norm N that prototypes settle at, and g of y1."""

    plasticity: IntegerPlasticity
    norm: float
    smallest: float


def calibrate(prototypes: Array, counts: Array, time_steps: int, seed: int = 0) -> Calibration:
    """Choose the scales for a base: its unit `prototypes` and spikes counted [samples, features].

    Raises ValueError for more steps than a learning epoch or a trace holds, and for a base whose
    spikes are too few.
    """
    if not 1 <= time_steps <= 63:
        raise ValueError(
            f"prototypes: a sample of {time_steps} steps does not fit into a learning epoch of 63; "
            "cut it into fewer frames"
        )
    impulse = TRACE_MAX // time_steps
    norms = np.linalg.norm(counts, axis=1)
    smallest = float(norms[norms > 0].min())
    wanted = ROOM * WEIGHT_LIMITS[1] / float(prototypes.max())
    unit = TRACE_MAX * impulse * smallest / 8
    mantissa, exponent = _below(wanted / unit)
    rule = (Product(mantissa, exponent, ("x1", "y1")), Product(-1, -1, ("w", "y2")))
    plasticity = IntegerPlasticity(
        dw=rule, impulse=impulse, tau=NO_DECAY, epoch=time_steps, seed=seed
    )
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
        self._draws: Iterator[EpochDraws] = LearningDraws(calibration.plasticity)

    @property
    def weights(self) -> Array:
        """Integer rows that are taken, [prototypes, features]."""
        return self._state.weights[: len(self.labels)].astype(np.int64)

    def similarities(self, counts: Array) -> Array:
        """As `Prototypes.similarities`: w x / (N |x|)."""
        return super().similarities(counts) / self.calibration.norm

    def factors(self, counts: Array, chosen: int, alpha: float, similar: float) -> Array:
        """Return y1, y2, y3 [3, limit] that the host sends for a sample."""
        found = np.zeros((3, self.limit), np.int64)
        reach = self.calibration.smallest / np.linalg.norm(counts)
        found[0, chosen] = min(TRACE_MAX, round(TRACE_MAX * alpha * reach))
        found[1, chosen] = min(TRACE_MAX, round(SIMILARITY * alpha * similar))
        return found

    def _move(self, chosen: int, spikes: Array, alpha: float, similar: float) -> None:
        last = self.factors(spikes.sum(axis=0), chosen, alpha, similar)
        state, silent = self._state, np.zeros_like(last)
        for step, frame in enumerate(spikes):
            sent = last if step == len(spikes) - 1 else silent
            state = synapse_step(state, frame, sent, self.calibration.plasticity, self._draws)
        self._state = state._replace(x1=np.zeros_like(state.x1))
