"""The random numbers that round traces, factors and weights, as Lava seeds and consumes them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol

import numpy as np

SYNAPSE_SEED = 2
"""Lava's fixed seed of the random numbers that round weights and tags."""


class Rounded(Protocol):
    """Synapses whose learning is rounded: Lava's rng_seed and the epoch K of their rule."""

    @property
    def seed(self) -> int:
        """Lava's rng_seed."""

    @property
    def epoch(self) -> int:
        """Steps of a learning epoch."""


class EpochDraws(NamedTuple):
    """Three random numbers in [0, 1) of one epoch: for traces x, factors y and the synapses."""

    x: float
    y: float
    synapse: float


class LearningDraws:
    """The random numbers of one epoch after another, as Lava seeds and consumes them.

    Each stream draws once when it is made; the traces' then twice a step, the synapses' once an
    epoch. The stream of the factors y has the seed + 2. An iterator of `EpochDraws`; `epochs`
    counts those so far, and `LearningDraws(synapses, epochs)` continues from there.
    """

    def __init__(self, synapses: Rounded, epochs: int = 0) -> None:
        seeds = (synapses.seed, synapses.seed + 2, SYNAPSE_SEED)
        self._x, self._y, self._synapse = (np.random.default_rng(seed) for seed in seeds)
        self._per_epoch = 2 * synapses.epoch
        for stream in (self._x, self._y, self._synapse):
            stream.random()
        self.epochs = 0
        self.skip(epochs)

    def __iter__(self) -> Iterator[EpochDraws]:
        return self

    def __next__(self) -> EpochDraws:
        self.epochs += 1
        x, y = (stream.random(self._per_epoch)[-1] for stream in (self._x, self._y))
        return EpochDraws(float(x), float(y), self._synapse.random())

    def take(self, epochs: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Those of the next `epochs` at once, [epochs] each: of traces, factors and synapses."""
        self.epochs += epochs
        x, y = (stream.random((epochs, self._per_epoch))[:, -1] for stream in (self._x, self._y))
        return x, y, self._synapse.random(epochs)

    def skip(self, epochs: int) -> None:
        """Pass over the numbers of `epochs` epochs in which nothing is learned."""
        self.epochs += epochs
        per_epoch = ((self._x, self._per_epoch), (self._y, self._per_epoch), (self._synapse, 1))
        for stream, numbers in per_epoch:
            # One number in [0, 1) takes one step of PCG64; this jumps over all of them at once.
            stream.bit_generator.advance(epochs * numbers)  # type: ignore[attr-defined]
