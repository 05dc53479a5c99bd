"""The task that all peers are given: a dense network that learns online from one sample at a time.

With x the spikes of a layer's inputs, at every one of T steps, from the input to the readout:

    a <- decay a + x,    c <- decay c + 1
    u <- decay (u - s) + W x + b,    s = 1 where u >= 1        (hidden layers)
    o <- decay o + W x + b                                     (readout)

    e = (softmax(o) - label) / T,    g = e in the readout, W'^T g' sigma'(u - 1) below
    W <- W - rate g a^T,    b <- b - rate c g

W' and g' are those of the layer above before its update, sigma' the derivative of sigmoid(4 u). All
starts at zero with a sample. Source: Xiao et al. 2022, OTTT_O.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

DECAY, SHARPNESS, CLASSES = 0.5, 4.0, 10
BIAS = 0.05


@dataclass(frozen=True)
class Task:
    """Weights [post, pre] and biases [post] by layer, frames [samples, T, inputs] of 0 and 1,
    labels [samples] and the learning rate.
    """

    weights: tuple[np.ndarray, ...]
    biases: tuple[np.ndarray, ...]
    frames: np.ndarray
    labels: np.ndarray
    rate: float

    @property
    def steps(self) -> int:
        """T."""
        return int(self.frames.shape[1])

    def short(self, steps: int, rate: float) -> Task:
        """The same with so many steps at most, and another learning rate."""
        return replace(self, frames=self.frames[:, :steps].copy(), rate=rate)


class Learner(Protocol):
    """What a peer is measured as."""

    def learn(self, frames: np.ndarray, label: int) -> None:
        """Learn from one sample [T, inputs]; it is over when this returns."""

    def weights(self) -> list[np.ndarray]:
        """The weights [post, pre] by layer."""

    def close(self) -> None:
        """End what was started."""


def make_task(
    sizes: tuple[int, ...], activity: float, steps: int, rate: float = 1e-3, samples: int = 8
) -> Task:
    """A task whose inputs and hidden neurons spike in the share `activity` of steps.

    Each layer's weights are scaled until its neurons do.
    """
    rng = np.random.default_rng(0)
    frames = (rng.random((samples, steps, sizes[0])) < activity).astype(np.uint8)
    weights, biases = [], []
    x = frames[:2].astype(float)
    for pre, post in itertools.pairwise(sizes):
        weight = rng.normal(0, 1 / np.sqrt(pre * activity), (post, pre))
        bias = np.full(post, BIAS)
        if len(weights) < len(sizes) - 2:
            scale, x = _scaled_to(activity, x @ weight.T, bias)
            weight *= scale
        weights.append(weight)
        biases.append(bias)
    return Task(tuple(weights), tuple(biases), frames, np.arange(samples) % sizes[-1], rate)


def _scaled_to(activity: float, currents: np.ndarray, bias: np.ndarray) -> tuple[float, np.ndarray]:
    """A scale of currents [samples, T, post] at which the neurons spike so often; their spikes."""
    low, high = 0.01, 100.0
    for _ in range(30):
        scale = float(np.sqrt(low * high))
        spikes = _spikes(scale * currents + bias)
        low, high = (scale, high) if spikes.mean() < activity else (low, scale)
    return scale, spikes


def _spikes(currents: np.ndarray) -> np.ndarray:
    u, s = np.zeros((2, *currents[:, 0].shape))
    sent = []
    for n in range(currents.shape[1]):
        u = DECAY * (u - s) + currents[:, n]
        s = (u >= 1).astype(float)
        sent.append(s)
    return np.stack(sent, axis=1)
