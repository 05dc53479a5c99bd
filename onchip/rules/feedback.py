"""How the error reaches the hidden layers; one name each in every execution.

    exact      W^T g of the next layer, with the live weights (Xiao et al. 2022, Eq. 5)
    symmetric  the same with the transposes frozen at deployment: no weight transport in learning
    random     layer by layer through fixed random matrices (Lillicrap et al. 2016)
    direct     the output error to every layer through fixed random matrices (Nokland 2016)

A feedback matrix B is stored as [receiving neurons, sending neurons]; the signal is B g.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

Array = Any

FEEDBACKS = ("exact", "symmetric", "random", "direct")


def send_back(factor: Array, matrix: Array) -> Array:
    """B g: `factor` [batch, sending], `matrix` [receiving, sending] -> [batch, receiving]."""
    return factor @ matrix.T


def random_matrix(receiving: int, sending: int, rng: np.random.Generator) -> np.ndarray:
    """Normal entries of standard deviation 1/sqrt(receiving), the scale of a transposed weight."""
    return rng.normal(0, receiving**-0.5, size=(receiving, sending))


def feedback_matrices(
    kind: str, names: Sequence[str], weights: Mapping[str, np.ndarray], seed: int = 0
) -> dict[str, np.ndarray]:
    """The fixed matrices that `kind` needs, by the name of the receiving layer.

    `names` are dense layers from the first that receives feedback to the readout, `weights` their
    feedforward weights [post, pre]. "exact" needs none. The readout receives the error itself.
    """
    if kind == "exact":
        return {}
    if kind == "symmetric":
        return {low: weights[high].T.copy() for low, high in itertools.pairwise(names)}
    rng = np.random.default_rng(seed)
    classes = weights[names[-1]].shape[0]
    matrices = {}
    for low, high in itertools.pairwise(names):
        sending = classes if kind == "direct" else weights[high].shape[0]
        matrices[low] = random_matrix(weights[low].shape[0], sending, rng)
    return matrices
