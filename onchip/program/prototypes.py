"""Which prototype learns from a sample, and by how much: the decisions of all executions.

x [features] are the spikes of a sample, counted; a prototype w is as similar as s = w x / (N |x|),
N being the norm that prototypes settle at. The most similar prototype of the sample's class learns;
a new neuron is taken for a class without one, and where s is below `novelty` while some are free.
It learns by alpha = max(1 / seen, `FLOOR`) of

    dw = alpha (N x / |x| - s w)

which synapses compute from two factors. `onchip.deploy.lifelong.prototypes` has the source.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.program.synapses import Plasticity

Array = np.ndarray

FLOOR = 0.05
"""The least alpha: prototypes go on following what they stand for."""

FREE = -1
"""The label of a neuron that is not taken, and the answer where nothing learned."""


LABEL_MAX = 2**31 - 1
"""The largest class."""


class Choice(NamedTuple):
    """Prototype `neuron` learns by `alpha`; the sample is as `similar` to it (0 to a new one)."""

    neuron: int
    alpha: float
    similar: float


class Scales(Protocol):
    """What a precision makes of the rule: the synapses' `plasticity` and the norm N."""

    @property
    def plasticity(self) -> Plasticity:
        """The synapses' rule; its epoch is the T steps of a sample, and one to learn from it."""

    @property
    def norm(self) -> float:
        """N, of w in the units of the weights."""

    def factors(self, length: float, alpha: float, similar: float) -> tuple[float, float]:
        """Return y1 and y2 of the neuron that learns from a sample with |x| = `length`."""


def length_of(counts: Array) -> Array:
    """Return |x| of spikes counted [..., features], never 0."""
    return np.maximum(np.linalg.norm(counts, axis=-1, keepdims=True), 1e-12)


def similarities(products: Array, counts: Array, norm: float) -> Array:
    """Return s [..., prototypes] of w x [..., prototypes] and of x [..., features]."""
    similar: Array = products / length_of(counts) / norm
    return similar


def choose(
    labels: Sequence[int],
    seen: Sequence[int],
    similar: Array,
    label: int,
    novelty: float,
    limit: int,
) -> Choice:
    """Return which of `limit` neurons learns from a sample of class `label`.

    `labels`, `seen` and `similar` are those of the neurons that are taken; the next free one has
    the index after them. Raises ValueError where a class needs a neuron and none is free, and for a
    class below 0.
    """
    require_integer("prototypes: label", label, 0, LABEL_MAX)
    own = np.flatnonzero(np.asarray(labels) == label)
    best = int(own[similar[own].argmax()]) if len(own) else FREE
    free = len(labels) < limit
    if best == FREE and not free:
        raise ValueError(
            f"prototypes: class {label} needs a neuron, but all {limit} are taken; raise the limit"
        )
    if best == FREE or (similar[best] < novelty and free):
        return Choice(len(labels), 1.0, 0.0)
    return Choice(best, max(1 / (seen[best] + 1), FLOOR), float(similar[best]))


def require_labels(labels: Array, seen: Array) -> None:
    """Raise ValueError unless a state's labels and counts are whole, free neurons after others."""
    for name, values in (("labels", labels), ("seen", seen)):
        if values.dtype.kind not in "iu" or values.min() < FREE or values.max() > LABEL_MAX:
            raise ValueError(
                f"state {name!r} holds other than whole numbers in {FREE}..{LABEL_MAX}; save it "
                "again"
            )
    if (np.diff((labels != FREE).astype(int)) > 0).any():
        raise ValueError(
            "state 'labels' has a free neuron before one that is taken; restore what was saved"
        )
