"""Two-dimensional cross-correlation: the transform, and its forward pass on NumPy arrays."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onchip.network.arrays import frozen_array, integers
from onchip.network.layer_spec import conv_output_shape, equal_fields
from onchip.network.transform import Array, Transform


@dataclass(frozen=True, eq=False)
class Convolution(Transform):
    """Cross-correlation with zero padding, as in torch; frozen.

    `weight` [out, in, kernel_h, kernel_w], `input_shape` (in, height, width), `stride` and
    `padding` (vertical, horizontal).
    """

    weight: np.ndarray
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Copy the weights to read-only float64 and check the geometry."""
        where = "convolution"
        object.__setattr__(self, "weight", frozen_array(f"{where}: weight", self.weight, 4))
        for attribute, count in (("input_shape", 3), ("stride", 2), ("padding", 2)):
            values = integers(f"{where}: {attribute}", getattr(self, attribute), count)
            object.__setattr__(self, attribute, values)
        conv_output_shape(self, where)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def inputs(self) -> int:
        """Number of presynaptic neurons."""
        return int(np.prod(self.input_shape))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(out, out_height, out_width)."""
        return conv_output_shape(self, "convolution")

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return the cross-correlation of each channel's map with its kernels."""

        x = spikes.reshape(len(spikes), *self.input_shape)
        return conv2d(x, weight, None, self.stride, self.padding)

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Raise ValueError: no error passes a convolution."""
        raise ValueError("convolution: it is frozen and passes no error back; keep it below")


def conv2d(
    x: np.ndarray,
    weight: np.ndarray,
    bias: np.ndarray | None,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> np.ndarray:
    """x [batch, in, h, w] * weight [out, in, kh, kw] (+ bias [out]) -> [batch, out, oh, ow].

    One matrix product per sample: the inputs that each position sees are laid side by side, with
    the positions last, so that they are copied row by row and the result needs no transposition.
    """
    kernel = (weight.shape[2], weight.shape[3])
    windows: np.ndarray = sliding_window_view(_padded(x, padding), kernel, axis=(2, 3))  # type: ignore[call-overload]
    windows = windows[:, :, :: stride[0], :: stride[1]].transpose(0, 1, 4, 5, 2, 3)
    batch, height, width = len(x), *windows.shape[4:]
    taps = windows.reshape(batch, -1, height * width)
    out = weight.reshape(weight.shape[0], -1) @ taps
    if bias is not None:
        out += bias[:, np.newaxis]
    return out.reshape(batch, -1, height, width)


def _padded(x: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
    """x with rows and columns of zeros around it; x itself where there are none."""
    rows, columns = padding
    if not (rows or columns):
        return x
    batch, channels, height, width = x.shape
    padded = np.zeros((batch, channels, height + 2 * rows, width + 2 * columns), x.dtype)
    padded[:, :, rows : rows + height, columns : columns + width] = x
    return padded
