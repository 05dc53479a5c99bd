"""How the error reaches the hidden layers; one name each in every execution.

    exact      W^T g of the next layer, with the live weights (Xiao et al. 2022, Eq. 5)
    symmetric  the same with the transposes frozen at deployment: no weight transport in learning
    random     layer by layer through fixed random matrices (Lillicrap et al. 2016)
    direct     the output error to every layer through fixed random matrices (Nokland 2016)

A feedback matrix B is stored as [receiving neurons, sending neurons]; the signal is B g.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = Any


def send_back(factor: Array, matrix: Array) -> Array:
    """B g: `factor` [batch, sending], `matrix` [receiving, sending] -> [batch, receiving]."""
    return factor @ matrix.T


def random_matrix(receiving: int, sending: int, rng: np.random.Generator) -> np.ndarray:
    """Normal entries of standard deviation 1/sqrt(receiving), the scale of a transposed weight."""
    return rng.normal(0, receiving**-0.5, size=(receiving, sending))


Matrix = Callable[[np.ndarray, np.random.Generator], np.ndarray]
"""From the transposed weights [receiving, sending] of a connection, or zeros of that shape, and a
generator to a feedback matrix."""


def transposed(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the transposed weights as they are now."""
    return np.array(weight)


def drawn(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return a random matrix of the same shape."""
    return random_matrix(weight.shape[0], weight.shape[1], rng)


def first_output(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Return the matrix that hands the first sender's value to all receivers."""
    matrix = np.zeros(weight.shape)
    matrix[:, 0] = 1
    return matrix


@dataclass(frozen=True)
class FeedbackKind:
    """A way for the error to reach the hidden populations: a row of `FEEDBACKS`.

    `matrix` makes the fixed matrices, None reads the live weights; with `from_output` they carry
    the output's error to every population, with `local` that of the population's own readout, else
    the factor of the population above.
    """

    matrix: Matrix | None
    from_output: bool = False
    local: bool = False


FEEDBACKS: dict[str, FeedbackKind] = {
    "exact": FeedbackKind(None),
    "symmetric": FeedbackKind(transposed),
    "random": FeedbackKind(drawn),
    "direct": FeedbackKind(drawn, from_output=True),
}
"""A kind of one's own is a row more."""

GLOBAL = FeedbackKind(first_output, from_output=True)
"""The error of the first output to every neuron alike, as a reward is heard."""

LOCAL = FeedbackKind(transposed, local=True)
"""The error of each population's own readout, through the transpose of that readout's weights."""


def feedback_matrices(
    kind: str, names: Sequence[str], weights: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, np.ndarray]:
    """The fixed matrices that `kind` needs, by the name of the receiving layer.

    `names` are dense layers from the first that receives feedback to the readout, `weights` their
    feedforward weights [post, pre]. "exact" needs none. The readout receives the error itself.
    """
    chosen, rng = FEEDBACKS[kind], np.random.default_rng(seed)
    if chosen.matrix is None:
        return {}
    classes, matrices = len(weights[names[-1]]), {}
    for low, high in itertools.pairwise(names):
        back = weights[high].T
        sent = np.zeros((len(back), classes)) if chosen.from_output else back
        matrices[low] = chosen.matrix(sent, rng)
    return matrices
