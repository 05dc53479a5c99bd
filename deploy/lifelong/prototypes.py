"""A head of prototypes: one neuron for each, which a local rule moves towards what it stands for.

x [features] are the spikes of a sample, counted; u = x / norm(x). The neuron of a prototype w
answers with the similarity s = w u / N, where N is the norm that prototypes settle at. The neuron k
that learns from a sample changes its weights by

    dw_k = alpha_k (N u - s_k w_k),        alpha_k = max(1 / seen_k, floor)

which is Oja's rule with s as the postsynaptic factor: norm(w) goes to N by itself, so no neuron
wins by its size. Which one learns: the most similar prototype of the sample's class. A new neuron
is taken (alpha = 1, so that it starts as N u) for a class without one, and where the similarity is
below `novelty`. A prediction is the class of the most similar prototype; as norm(x) is the same for
all of them, w x does for that, a dense layer of weights w without biases.

`onchip.deploy.lifelong.integer_prototypes` has the integers. After the facts of CLP-SNN (Hajizada
et al. 2025): winner, self-normalizing update, novelty, new neuron; that wrong winners are pushed
away, and its goodness scores, are left out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from onchip.checks import require_between

Array = np.ndarray

FLOOR = 0.05
"""The least alpha: prototypes go on following what they stand for."""


class Prototypes:
    """Prototypes in floating point, with N = 1; `labels` [prototypes] are their classes.

    `weights` [prototypes, features] hold one row each. `novelty` in 0..1 is the similarity below
    which a new neuron is taken, 0 for never. `limit` bounds their number; no neuron is taken beyond
    it. Raises ValueError for shapes and ranges that do not fit.
    """

    def __init__(
        self,
        weights: Array,
        labels: Sequence[int],
        seen: Sequence[int],
        novelty: float = 0.0,
        limit: int = 1024,
    ) -> None:
        """Take over the prototypes that are known; `seen` counts the samples of each."""
        require_between("prototypes: novelty", novelty, 0, 1)
        if not len(weights) == len(labels) == len(seen) <= limit:
            raise ValueError(
                f"prototypes: {len(weights)} rows of weights, {len(labels)} labels, {len(seen)} "
                f"counts and a limit of {limit}; give one of each for every prototype"
            )
        self.labels, self.seen = [int(c) for c in labels], [int(n) for n in seen]
        self.novelty, self.limit = novelty, limit
        self._weights = np.zeros((limit, weights.shape[1]))
        self._weights[: len(weights)] = weights

    @property
    def weights(self) -> Array:
        """The rows that are taken, [prototypes, features]."""
        return self._weights[: len(self.labels)].copy()

    def similarities(self, counts: Array) -> Array:
        """s of spikes counted, [samples, features] -> [samples, prototypes]."""
        norms = np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-12)
        similar: Array = counts @ self.weights.T / norms
        return similar

    def predict(self, counts: Array) -> Array:
        """Class of the most similar prototype: int [samples]."""
        return np.array(self.labels)[self.similarities(counts).argmax(axis=1)]

    def learn(self, spikes: Array, label: int) -> int:
        """Learn from a sample's spikes [T, features]; returns the prototype that changed.

        A sample without a spike changes nothing; -1 is returned.
        """
        counts = spikes.sum(axis=0, dtype=np.int64)
        if not counts.any():
            return -1
        similar = self.similarities(counts[np.newaxis])[0]
        own = np.flatnonzero(np.array(self.labels) == label)
        chosen = int(own[similar[own].argmax()]) if len(own) else -1
        if chosen < 0 or (similar[chosen] < self.novelty and len(self.labels) < self.limit):
            chosen = self._take(label)
            similar = np.append(similar, 0.0)
        self.seen[chosen] += 1
        alpha = max(1 / self.seen[chosen], FLOOR)
        self._move(chosen, spikes, alpha, float(similar[chosen]))
        return chosen

    def _take(self, label: int) -> int:
        if len(self.labels) == self.limit:
            raise ValueError(
                f"prototypes: class {label} needs a neuron, but all {self.limit} are taken; raise "
                "the limit"
            )
        self.labels.append(int(label))
        self.seen.append(0)
        return len(self.labels) - 1

    def _move(self, chosen: int, spikes: Array, alpha: float, similar: float) -> None:
        """The update of the module's text."""
        counts = spikes.sum(axis=0, dtype=np.float64)
        row = self._weights[chosen]
        row += alpha * (counts / np.linalg.norm(counts) - similar * row)

    def state(self) -> dict[str, Any]:
        """All that changes, as arrays."""
        return {
            "weights": self.weights,
            "labels": np.array(self.labels),
            "seen": np.array(self.seen),
        }


def base_prototypes(counts: Array, labels: Array, classes: Sequence[int]) -> Array:
    """Return where the rule settles for each class, made offline: mean u, of length 1.

    `counts` [samples, features] and `labels` [samples] of the base. Raises ValueError for a class
    without a spike.
    """
    unit = counts / np.maximum(np.linalg.norm(counts, axis=1, keepdims=True), 1e-12)
    means = np.array([unit[labels == c].sum(axis=0) for c in classes])
    norms = np.linalg.norm(means, axis=1, keepdims=True)
    if not norms.all():
        silent = list(classes)[int(norms[:, 0].argmin())]
        raise ValueError(
            f"prototypes: no sample of class {silent} has a spike; train the network's trunk first"
        )
    prototypes: Array = means / norms
    return prototypes
