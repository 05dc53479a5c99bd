"""The connections of the integer engine, plastic or frozen, and their arithmetic."""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import WEIGHT_LIMITS, drop_lowest_bit, shift_activation
from onchip.engine.kernels import weighted_inputs
from onchip.engine.loihi_synapses import SynapseState, initial_state, learn_in_place
from onchip.engine.state import State
from onchip.program.synapses import IntegerPlasticity

EXACT_SUM = 2**24
"""Integers up to this are exact in 32-bit floating point, and so is a sum that stays within."""

LARGEST_WEIGHT = -WEIGHT_LIMITS[0]


def exact_matrix(weights: np.ndarray) -> np.ndarray:
    """Integer weights as floating point in which sums over inputs, the last axes, are exact.

    `weights` [post, ...] in -256..255, which are multiplied by 0 or 1.
    """
    inputs = weights.size // len(weights)
    return weights.astype(exact_type(inputs * LARGEST_WEIGHT))


def exact_type(largest_sum: int) -> type:
    """The floating point type in which integers add up exactly to at most `largest_sum`."""
    return np.float32 if largest_sum <= EXACT_SUM else np.float64


class IntegerConnection:
    """Synapses into a layer: their weights, and how they learn where they do."""

    def __init__(
        self, weights: np.ndarray, exponent: int, synapses: IntegerPlasticity | None
    ) -> None:
        self._exponent = exponent
        self.synapses = synapses
        self._matrix: np.ndarray | None = None
        if synapses is None:
            self._frozen = drop_lowest_bit(weights)
        else:
            self.state: SynapseState = initial_state(weights)
            self.draws = LearningDraws(synapses)

    @property
    def weights(self) -> np.ndarray:
        """The present weights [post, pre]; those that learn change in place."""
        return self._frozen if self.synapses is None else self.state.weights

    def activation(self, spikes: np.ndarray) -> np.ndarray:
        """(W s) 2^exponent for `spikes` [batch, pre]: int64 [batch, post]."""
        learns_alone = self.synapses is not None and len(spikes) == 1
        sums = self._event_sums(spikes) if learns_alone else self._matrix_sums(spikes)
        return shift_activation(sums.astype(np.int64), self._exponent)

    def learn(self, spikes: np.ndarray, phase: int, factors: np.ndarray) -> None:
        """One epoch: `spikes` [pre] in step `phase`, factors [3, post] at its end."""
        if self.synapses is not None:
            self._matrix = None
            self.state = learn_in_place(
                self.state, spikes, phase, factors, self.synapses, self.draws
            )

    def idle(self, epochs: int) -> None:
        """Pass over epochs in which nothing is learned and the traces are not needed."""
        if self.synapses is not None:
            self.draws.skip(epochs)

    def forget(self, tags: bool = False) -> None:
        """Zero the traces between samples; with `tags` also what has accumulated."""
        if self.synapses is not None:
            self.state.x1.fill(0)
            if tags:
                self.state.tag.fill(0)

    def arrays(self) -> State:
        """What changes between samples: "weight", "tag", "x1", int32, and "epochs" so far."""
        state, epochs = self.state, np.array([self.draws.epochs])
        return {"weight": state.weights, "tag": state.tag, "x1": state.x1, "epochs": epochs}

    def restore(self, arrays: State) -> None:
        """Continue from other `arrays`; the random numbers from those of that many epochs on."""
        assert self.synapses is not None
        self._matrix = None
        self.state.weights[...] = arrays["weight"]
        self.state.tag[...] = arrays["tag"]
        self.state.x1[...] = arrays["x1"]
        self.draws = LearningDraws(self.synapses, int(arrays["epochs"][0]))

    def _event_sums(self, spikes: np.ndarray) -> np.ndarray:
        """W s for one sample, from the weights of the inputs that spike: they may change."""
        by_input = self.state.weights.T
        active = np.flatnonzero(spikes)
        sums: np.ndarray = np.add.reduce(by_input.take(active, axis=0), axis=0, dtype=np.int32)
        return sums[np.newaxis]

    def _matrix_sums(self, spikes: np.ndarray) -> np.ndarray:
        """W s in floating point, exactly; the matrix is kept until the weights change."""
        if self._matrix is None:
            self._matrix = np.ascontiguousarray(exact_matrix(self.weights).T)
        return weighted_inputs(spikes.astype(self._matrix.dtype), self._matrix)


def exact_product(left: np.ndarray, right: np.ndarray, largest_sum: int = 2**53) -> np.ndarray:
    """`left` @ `right` of integers by way of floating point: int64.

    Exact where no sum exceeds `largest_sum`, at most 2^53. Operands that are already of the
    `exact_type` are not converted.
    """
    dtype = exact_type(largest_sum)
    product: np.ndarray = left.astype(dtype, copy=False) @ right.astype(dtype, copy=False)
    return product.astype(np.int64)
