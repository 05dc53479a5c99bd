"""A convolution from a small map to a larger one: each value repeated over a square."""

from __future__ import annotations

from dataclasses import dataclass
from types import SimpleNamespace

import numpy as np

from onchip.checks import require_between
from onchip.network.convolution import Convolution, Convolve
from onchip.network.layer_spec import conv_output_shape
from onchip.network.transform import Array


@dataclass(frozen=True, eq=False)
class EnlargingConvolution(Convolution):
    """up(W * s), or W * up(s) with `enlarge_first`; up() repeats each value over a square; frozen.

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

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(out, out_height, out_width)."""
        seen = self.input_shape
        if self.enlarge_first:
            seen = _enlarged_shape(seen, self.enlarge)
        plain = SimpleNamespace(
            weight=self.weight, input_shape=seen, stride=self.stride, padding=self.padding
        )
        shape = conv_output_shape(plain, "convolution")
        return shape if self.enlarge_first else _enlarged_shape(shape, self.enlarge)

    def transmit_with(self, conv2d: Convolve, spikes: Array, weight: Array) -> Array:
        """Do as `transmit`, with a `conv2d` of NumPy or torch."""
        x = spikes.reshape(len(spikes), *self.input_shape)
        if self.enlarge_first:
            return conv2d(enlarged(x, self.enlarge), weight, None, self.stride, self.padding)
        return enlarged(conv2d(x, weight, None, self.stride, self.padding), self.enlarge)


def enlarged(maps: Array, side: int) -> Array:
    """Return maps [batch, channels, h, w], NumPy or torch, with each value over side x side."""
    rows, columns = (np.arange(side * size) // side for size in maps.shape[2:])
    return maps[:, :, rows][:, :, :, columns]


def _enlarged_shape(shape: tuple[int, int, int], side: int) -> tuple[int, int, int]:
    channels, height, width = shape
    return channels, side * height, side * width
