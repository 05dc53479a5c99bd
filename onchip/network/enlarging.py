"""A convolution from a small map to a larger one: each value repeated over a square."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from onchip.checks import require_between
from onchip.network.convolution import Convolution, Convolve
from onchip.network.transform import Array


@dataclass(frozen=True, eq=False)
class EnlargingConvolution(Convolution):
    """up(W * s), or W * up(s) with `enlarge_first`; up() repeats each value over a square.

    `enlarge` is the square's side; all else is as in `Convolution`, `input_shape` that of s.
    """

    enlarge: int = 1
    enlarge_first: bool = False

    def __post_init__(self) -> None:
        """Check the side of the square too."""
        side = self.enlarge
        if type(side) is not int:
            raise ValueError(f"convolution: enlarge is {side!r}; it must be an integer")
        require_between("convolution: enlarge", side, 1, 1_000_000)
        super().__post_init__()

    @functools.cached_property
    def plain(self) -> Convolution:
        """The convolution alone, of the maps that it meets."""
        shape = self.input_shape
        if self.enlarge_first:
            shape = _enlarged_shape(shape, self.enlarge)
        return Convolution(self.weight, shape, self.stride, self.padding)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(out, out_height, out_width)."""
        shape = self.plain.output_shape
        return shape if self.enlarge_first else _enlarged_shape(shape, self.enlarge)

    def transmit_with(self, conv2d: Convolve, spikes: Array, weight: Array) -> Array:
        """Do as `transmit`, with a `conv2d` of NumPy or torch."""
        x = spikes.reshape(len(spikes), *self.input_shape)
        if self.enlarge_first:
            return self.plain.transmit_with(conv2d, enlarged(x, self.enlarge), weight)
        return enlarged(self.plain.transmit_with(conv2d, x, weight), self.enlarge)

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return what comes back through the kernels, summed over each square: [batch, inputs]."""
        if not self.enlarge_first:
            return self.plain.send_back(summed(self._maps(factor), self.enlarge), weight)
        large = self.plain.send_back(self._maps(factor), weight)
        large = large.reshape(len(factor), *self.plain.input_shape)
        return summed(large, self.enlarge).reshape(len(factor), -1)

    def correlate(self, trace: Array, factor: Array) -> Array:
        """Return trace x factor for each kernel weight, summed over the positions it is used at."""
        if not self.enlarge_first:
            return self.plain.correlate(trace, summed(self._maps(factor), self.enlarge))
        small = trace.reshape(len(trace), *self.input_shape)
        return self.plain.correlate(enlarged(small, self.enlarge), self._maps(factor))

    def _maps(self, factor: Array) -> Array:
        return factor.reshape(len(factor), *self.output_shape)


def enlarged(maps: Array, side: int) -> Array:
    """Return maps [batch, channels, h, w], NumPy or torch, with each value over side x side."""
    rows, columns = (np.arange(side * size) // side for size in maps.shape[2:])
    return maps[:, :, rows][:, :, :, columns]


def summed(maps: Array, side: int) -> Array:
    """Return the sums of maps [batch, channels, h, w], NumPy or torch, over side x side."""
    batch, channels, height, width = maps.shape
    squares = maps.reshape(batch, channels, height // side, side, width // side, side)
    return squares.sum(5).sum(3)


def _enlarged_shape(shape: tuple[int, ...], side: int) -> tuple[int, int, int]:
    channels, height, width = shape
    return channels, side * height, side * width
