"""The currents that a sheet of neurons receives, as one transform for each sheet that it reads.

Other frameworks put several linear steps between two sheets of neurons (a convolution, a pool, a
normalization, a flattening); a network here has one connection. `Currents` takes the steps in
turn and keeps what they are together:

    I[n] = sum over sources of T_source s_source[n] + offset

Steps are put together exactly, up to the rounding of products and sums of weights.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onchip.network.composition import added, composed
from onchip.network.transform import Transform
from onchip.network.transforms import Bias, OneToOne

Source = Any
"""What names a source: a population, or a population and a delay."""


@dataclass(frozen=True, eq=False)
class Currents:
    """What several sources send, of one shape.

    `sent` has the transform of each source, None for its spikes as they are; `offset` [*shape] is
    a constant current, None for none.
    """

    shape: tuple[int, ...]
    sent: Mapping[Source, Transform | None]
    offset: np.ndarray | None = None

    @classmethod
    def of_spikes(cls, source: Source, shape: tuple[int, ...]) -> Currents:
        """Return the spikes of one source as they are."""
        return cls(tuple(shape), {source: None})

    def through(self, transform: Transform, bias: np.ndarray | None = None) -> Currents:
        """Return what comes out of one more step, with a `bias` [channels] of its outputs."""
        if transform.inputs != _size(self.shape):
            raise ValueError(
                f"weight {transform.weight.shape} reads {transform.inputs} values, but what comes "
                f"in has shape {self.shape}"
            )
        shape = tuple(transform.output_shape)
        offset = None if self.offset is None else _applied(transform, self.offset)
        if bias is not None:
            offset = np.zeros(shape) if offset is None else offset
            offset = offset + np.asarray(bias, np.float64).reshape(-1, *[1] * (len(shape) - 1))
        sent = {source: composed(first, transform) for source, first in self.sent.items()}
        return Currents(shape, sent, offset)

    def scaled(self, factor: np.ndarray) -> Currents:
        """Return each current times its `factor` [*shape]."""
        if (np.asarray(factor) == 1).all():
            return self
        return self.through(OneToOne(np.broadcast_to(factor, self.shape)))

    def reshaped(self, shape: tuple[int, ...]) -> Currents:
        """Return the same currents in another shape, in C order."""
        if _size(shape) != _size(self.shape):
            raise ValueError(f"shape {self.shape} has not as many values as {tuple(shape)}")
        offset = None if self.offset is None else self.offset.reshape(shape)
        return replace(self, shape=tuple(shape), offset=offset)

    def plus(self, other: Currents) -> Currents:
        """Return the sum with other currents of as many values."""
        if _size(other.shape) != _size(self.shape):
            raise ValueError(f"currents of shapes {self.shape} and {other.shape} cannot be added")
        sent = dict(self.sent)
        for source, transform in other.sent.items():
            known = source in sent
            sent[source] = added(sent[source], transform, self.shape) if known else transform
        offsets = [o.reshape(self.shape) for o in (self.offset, other.offset) if o is not None]
        return Currents(self.shape, sent, np.sum(offsets, axis=0) if offsets else None)

    def transform_of(self, source: Source) -> Transform:
        """Return the transform of a source; one to one where its spikes pass as they are."""
        found = self.sent[source]
        return OneToOne(np.ones(self.shape)) if found is None else found

    def bias(self) -> Bias | None:
        """Return the offset as a bias.

        Raises ValueError where it differs between the positions of a channel, which no bias does.
        """
        if self.offset is None:
            return None
        rows = self.offset.reshape(self.shape[0], -1)
        if (rows != rows[:, :1]).any():
            raise ValueError(
                "its constant current differs between the positions of a channel (a bias before a "
                "padded pool or convolution); leave the padding or the bias out"
            )
        return Bias(rows[:, 0], self.shape)


def _applied(transform: Transform, values: np.ndarray) -> np.ndarray:
    found: np.ndarray = transform.transmit(values[np.newaxis], transform.weight)
    return found.reshape(transform.output_shape)


def _size(shape: tuple[int, ...]) -> int:
    return int(np.prod(shape))
