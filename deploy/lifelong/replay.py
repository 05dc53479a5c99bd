"""A small buffer of stored spike frames, balanced over classes (latent replay).

What is stored is what the part that learns receives, the spikes of the frozen trunk: a host beside
the chip keeps T x features bits for each sample and presents them again between new ones. Source:
Pellegrini et al. 2020 for latent replay; each class keeps `per_class` samples by reservoir
sampling (Vitter 1985), so that every sample of a class that came has the same chance to be kept.
"""

from __future__ import annotations

import math

import numpy as np

from onchip.arithmetic.loihi import require_integer

Array = np.ndarray


class ReplayBuffer:
    """At most `per_class` samples of each class; everything random comes from `seed`."""

    def __init__(self, per_class: int, seed: int = 0) -> None:
        require_integer("replay: per_class", per_class, 1, 1_000_000)
        self.per_class = per_class
        self._rng = np.random.default_rng([seed, 2])
        self._kept: dict[int, list[Array]] = {}
        self._seen: dict[int, int] = {}

    def __len__(self) -> int:
        """Number of samples that are kept."""
        return sum(map(len, self._kept.values()))

    @property
    def bits(self) -> int:
        """Memory of the spikes that are kept, one bit each."""
        return sum(math.prod(frames.shape) for kept in self._kept.values() for frames in kept)

    def add(self, frames: Array, label: int) -> None:
        """Offer the spikes [T, features] of a sample of class `label`."""
        kept = self._kept.setdefault(label, [])
        self._seen[label] = self._seen.get(label, 0) + 1
        if len(kept) < self.per_class:
            kept.append(np.array(frames, np.uint8))
            return
        place = int(self._rng.integers(self._seen[label]))
        if place < self.per_class:
            kept[place] = np.array(frames, np.uint8)

    def draw(self) -> tuple[Array, int]:
        """Return (spikes, label) of a kept sample: first a class, then one of its samples.

        Raises ValueError for an empty buffer.
        """
        if not self._kept:
            raise ValueError("replay: the buffer is empty; add a sample before one is drawn")
        label = sorted(self._kept)[int(self._rng.integers(len(self._kept)))]
        kept = self._kept[label]
        return kept[int(self._rng.integers(len(kept)))], label
