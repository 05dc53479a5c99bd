"""The synapses of the engine in integers: exact sums of spikes, and learning epochs."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import cast

import numpy as np

from onchip.arithmetic.draws import LearningDraws
from onchip.arithmetic.loihi import TRACE_MAX, drop_lowest_bit, shift_activation
from onchip.engine.exact_sums import LARGEST_WEIGHT, exact_matrix, exact_product, exact_type
from onchip.engine.kernels import weighted_inputs
from onchip.engine.loihi_synapses import SynapseState, initial_state, learn_in_place
from onchip.engine.state import State
from onchip.program.program import Synapses
from onchip.program.synapses import IntegerPlasticity

Array = np.ndarray


class LoihiSynapses(ABC):
    """Synapses of one connection; their weights' lowest bit is dropped on loading.

    `received` [batch, pre] is what they got in the last step, with the always-on unit last where
    there is one.
    """

    listens = False

    def __init__(self, synapses: Synapses) -> None:
        self.synapses, self.plastic = synapses, synapses.plastic
        self.received: Array = np.zeros((1, 0), np.int64)
        self._matrix: Array | None = None
        self._rule = cast("IntegerPlasticity | None", synapses.plasticity)
        if self._rule is None:
            self._frozen = drop_lowest_bit(synapses.weights)
        else:
            self._first_tags = self._rule.first_tag if synapses.tags is None else synapses.tags
            self.learning: SynapseState = initial_state(
                synapses.weights, self._inputs, self._first_tags
            )
            self.draws = LearningDraws(self._rule)

    @property
    def keeps_tag(self) -> bool:
        """Whether its tag is an eligibility, which ends with a sample."""
        return self._rule is not None and self._rule.keeps_tag

    @property
    def _inputs(self) -> int | None:
        """The number of inputs where weights are shared; None where they lie by input."""
        return None

    @property
    def weights(self) -> Array:
        """The present weights; those that learn change in place."""
        return self._frozen if self._rule is None else self.learning.weights

    def reset(self, batch: int) -> None:
        """Forget what was received; traces are zeroed as a sample ends."""
        self.received = np.zeros((batch, 0), np.int64)

    def current(self, x: Array) -> Array:
        """(W s) 2^exponent of spikes [batch, ...]: int64 [batch, *target shape]."""
        if self.plastic:
            self.received = x = self._with_always_on(x.reshape(len(x), -1))
        return shift_activation(self._sums(x), self.synapses.exponent)

    @abstractmethod
    def _sums(self, x: Array) -> Array:
        """W s, int64."""

    @abstractmethod
    def send_back(self, factor: Array) -> Array:
        """The signal int64 [inputs] of factors [n], through the present weights."""

    def reload(self, weights: Array) -> None:
        """Go on with other weights [*weight shape]."""
        self._matrix = None
        self.learning = self.learning._replace(weights=np.array(weights, np.int32, order="K"))

    def learned(self) -> Array:
        """The weights as the program lays them out, the bias as a last column (a copy)."""
        return self.weights.copy()

    def copied(self) -> SynapseState:
        """What changes, with copies of weights, tags and traces."""
        copies = {n: getattr(self.learning, n).copy("K") for n in ("weights", "tag", "x1")}
        return self.learning._replace(**copies)

    def silence(self) -> Array:
        """No spikes [pre], not even of the always-on unit."""
        return np.zeros(self.learning.x1.shape, np.int64)

    def learn(self, spikes: Array, phase: int, factors: Array) -> None:
        """One epoch: `spikes` [pre] in step `phase`, factors [3, *target shape] at its end."""
        assert self._rule is not None
        self._matrix = None
        rows = factors.reshape(len(factors), -1)
        self.learning = learn_in_place(self.learning, spikes, phase, rows, self._rule, self.draws)

    def changed(self) -> None:
        """Somebody else has written to the weights: forget what was derived from them."""
        self._matrix = None

    def idle(self, epochs: int) -> None:
        """Pass over epochs in which nothing is learned and the traces are not needed."""
        self.draws.skip(epochs)

    def forget(self, tags: bool = False) -> None:
        """Zero the traces between samples; with `tags` also what has accumulated."""
        self.learning.x1.fill(0)
        self.learning.x2.fill(0)
        if tags:
            self.learning.tag[...] = 0 if self._rule is None else self._first_tags

    def state(self) -> State:
        """What changes between samples: "weight", "tag", "x1", int32, and "epochs" so far.

        "x2" is that of a second trace, if there is one; the bias is a "bias_weight" of its own.
        """
        now, epochs = self.learning, np.array([self.draws.epochs])
        found = {"weight": now.weights, "tag": now.tag, "x1": now.x1, "epochs": epochs}
        if self._rule is not None and self._rule.second is not None:
            found["x2"] = now.x2
        if self.synapses.always_on:
            found |= {"weight": now.weights[:, :-1], "bias_weight": now.weights[:, -1]}
        return found

    def batched(self) -> set[str]:
        """The names of a state's arrays whose first axis is the batch: none."""
        return set()

    def restore(self, state: State) -> None:
        """Continue from another state; the random numbers from those of that many epochs on."""
        assert self._rule is not None
        self._matrix = None
        whole = state["weight"]
        if self.synapses.always_on:
            whole = np.column_stack((whole, state["bias_weight"]))
        self.learning.weights[...] = whole
        self.learning.tag[...] = state["tag"]
        self.learning.x1[...] = state["x1"]
        if self._rule.second is not None:
            self.learning.x2[...] = state["x2"]
        self.draws = LearningDraws(self._rule, int(state["epochs"][0]))

    def _with_always_on(self, x: Array) -> Array:
        if not self.synapses.always_on:
            return x
        return np.concatenate((x, np.ones((len(x), 1), x.dtype)), axis=1)


class DenseIntegerSynapses(LoihiSynapses):
    """All to all, [post, pre] or [post, pre + 1]."""

    def _sums(self, x: Array) -> Array:
        x = x.reshape(len(x), -1)
        sums = self._event_sums(x) if self.plastic and len(x) == 1 else self._matrix_sums(x)
        return sums.astype(np.int64)

    def _event_sums(self, spikes: Array) -> Array:
        """W s for one sample, from the weights of the inputs that spike: they may change."""
        by_input = self.weights.T
        active = np.flatnonzero(spikes)
        sums: Array = np.add.reduce(by_input.take(active, axis=0), axis=0, dtype=np.int32)
        return sums[np.newaxis]

    def _matrix_sums(self, spikes: Array) -> Array:
        """W s in floating point, exactly; the matrix is kept until the weights change."""
        if self._matrix is None:
            self._matrix = np.ascontiguousarray(exact_matrix(self.weights).T)
        return weighted_inputs(spikes.astype(self._matrix.dtype), self._matrix)

    def send_back(self, factor: Array) -> Array:
        """W^T g; the bias takes no part."""
        matrix = self.weights[:, : self.synapses.transform.inputs]
        return exact_product(factor.reshape(-1), matrix, largest_sum(factor.size))


class OtherIntegerSynapses(LoihiSynapses):
    """Synapses of any transform, by its verbs."""

    def __init__(self, synapses: Synapses) -> None:
        super().__init__(synapses)
        if not self.plastic:
            self._kernel = exact_matrix(self._frozen)

    def _sums(self, x: Array) -> Array:
        weights = self.weights if self.plastic else self._kernel
        sums: Array = self.synapses.transform.transmit(x.astype(weights.dtype), weights)
        return sums.astype(np.int64)

    def send_back(self, factor: Array) -> Array:
        """What the transform sends back."""
        signal: Array = self.synapses.transform.send_back(
            factor[np.newaxis], self.weights.astype(np.int64)
        )
        return signal[0]


def largest_sum(sending: int) -> int:
    """The largest sum of weights times factors of so many senders."""
    return sending * LARGEST_WEIGHT * TRACE_MAX


def converted(matrix: Array) -> Array:
    """A fixed feedback matrix [sending, receiving] in the type in which its products are exact."""
    return matrix.astype(exact_type(largest_sum(len(matrix))))
