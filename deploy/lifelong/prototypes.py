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

`onchip.program.prototypes` decides, here and in Lava (`onchip.lava.prototypes`), where the weights
are those of a `LearningDense`; `onchip.deploy.lifelong.integer_prototypes` has the integers. After
the facts of CLP-SNN (Hajizada et al. 2025): winner, self-normalizing update, novelty, new neuron;
that wrong winners are pushed away, and its goodness scores, are left out.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeVar

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.loihi import EPOCH_MAX
from onchip.checks import require_between
from onchip.engine.inputs import check_saved_state
from onchip.program.prototypes import (
    FREE,
    Choice,
    Scales,
    choose,
    length_of,
    require_labels,
    similarities,
)
from onchip.program.synapses import Plasticity

Array = np.ndarray

Own = TypeVar("Own", bound="Prototypes")


class RealScales(NamedTuple):
    """`onchip.program.prototypes.Scales` of floating point: dw = x1 y1 - w y2, x1 = x, N = 1."""

    plasticity: Plasticity
    norm: float = 1.0

    def factors(self, length: float, alpha: float, similar: float) -> tuple[float, float]:
        """Return alpha / norm(x) and alpha s."""
        return alpha / length, alpha * similar


def real_scales(time_steps: int) -> RealScales:
    """Return the scales for samples of so many steps; ValueError for more than an epoch holds."""
    rule = (Product(1, 0, ("x1", "y1")), Product(-1, 0, ("w", "y2")))
    epoch = epoch_of(time_steps)
    return RealScales(Plasticity(dw=rule, impulse=1.0, tau=math.inf, epoch=epoch))


def epoch_of(time_steps: int) -> int:
    """Return the steps of a learning epoch: a sample's, and one in which it is learned from.

    Raises ValueError for more than an epoch holds.
    """
    if not 1 <= time_steps < EPOCH_MAX:
        raise ValueError(
            f"prototypes: a sample of {time_steps} steps does not fit into a learning epoch of "
            f"{EPOCH_MAX}, whose last step is for learning; cut it into fewer frames"
        )
    return time_steps + 1


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

    @property
    def all_weights(self) -> Array:
        """The rows of all neurons, [limit, features]; those that are free are 0."""
        return self._weights.copy()

    @property
    def features(self) -> int:
        """Number of inputs."""
        return int(self._weights.shape[1])

    @property
    def norm(self) -> float:
        """N, in the unit of the weights."""
        return 1.0

    def scales(self, time_steps: int) -> Scales:
        """Return the rule of its synapses for samples of `time_steps`; ValueError for too many."""
        return real_scales(time_steps)

    def similarities(self, counts: Array) -> Array:
        """s of spikes counted, [samples, features] -> [samples, prototypes]."""
        return similarities(counts @ self.weights.T, counts, self.norm)

    def predict(self, counts: Array) -> Array:
        """Class of the most similar prototype: int [samples]."""
        return np.array(self.labels)[self.similarities(counts).argmax(axis=1)]

    def learn(self, spikes: Array, label: int) -> int:
        """Learn from a sample's spikes [T, features]; returns the prototype that changed.

        A sample without a spike changes nothing; -1 is returned.
        """
        counts = spikes.sum(axis=0, dtype=np.int64)
        if not counts.any():
            self.idle()
            return FREE
        similar = self.similarities(counts[np.newaxis])[0]
        choice = choose(self.labels, self.seen, similar, label, self.novelty, self.limit)
        if choice.neuron == len(self.labels):
            self.labels.append(int(label))
            self.seen.append(0)
        self.seen[choice.neuron] += 1
        self._move(choice, spikes)
        return choice.neuron

    def idle(self, samples: int = 1) -> None:
        """Pass over samples that nothing is learned from; no number is rounded here."""

    def _move(self, choice: Choice, spikes: Array) -> None:
        """The update of the module's text."""
        counts = spikes.sum(axis=0, dtype=np.float64)
        row = self._weights[choice.neuron]
        row += choice.alpha * (counts / length_of(counts) - choice.similar * row)

    def copy(self: Own) -> Own:
        """Return another head that goes on from here by itself."""
        return copy.deepcopy(self)

    def state(self) -> dict[str, Array]:
        """All that changes: "weights" [limit, features], "labels" (-1: free) and "seen" [limit]."""
        free = self.limit - len(self.labels)
        return {
            "weights": self.all_weights,
            "labels": np.array(self.labels + [FREE] * free),
            "seen": np.array(self.seen + [0] * free),
        }

    def restore(self, state: Mapping[str, Array]) -> None:
        """Go on from such a state; ValueError, before any change, for one that does not fit."""
        arrays = self._checked(state)
        labels = arrays["labels"].tolist()
        taken = labels.index(FREE) if FREE in labels else len(labels)
        self.labels, self.seen = labels[:taken], arrays["seen"].tolist()[:taken]
        self._restore(arrays)

    def _restore(self, arrays: Mapping[str, Array]) -> None:
        self._weights = np.array(arrays["weights"], float)

    def _checked(self, state: Mapping[str, Array]) -> dict[str, Array]:
        mine = self.state()
        arrays = check_saved_state(state, {n: a.shape for n, a in mine.items()}, whole=False)
        require_labels(arrays["labels"], arrays["seen"])
        return arrays


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
