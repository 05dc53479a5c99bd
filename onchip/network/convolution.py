"""Two-dimensional cross-correlation: the transform, and its forward pass on NumPy arrays."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onchip.network.arrays import frozen_array, integers
from onchip.network.layer_spec import conv_output_shape, equal_fields
from onchip.network.transform import Array, Transform

Convolve = Callable[..., Array]
"""conv2d(x, weight, bias, stride, padding)."""


@dataclass(frozen=True, eq=False)
class Convolution(Transform):
    """Cross-correlation with zero padding, as in torch.

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
        _ = self.output_shape  # refuses what does not fit

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def inputs(self) -> int:
        """Number of presynaptic neurons."""
        return int(math.prod(self.input_shape))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(out, out_height, out_width)."""
        return conv_output_shape(self, "convolution")

    @property
    def shares_weights(self) -> bool:
        """As `Transform.shares_weights`: a kernel is used at every position."""
        return True

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return the cross-correlation of each channel's map with its kernels."""
        return self.transmit_with(conv2d, spikes, weight)

    def transmit_with(self, conv2d: Convolve, spikes: Array, weight: Array) -> Array:
        """Do as `transmit`, with a `conv2d` of NumPy or torch: both take the same arguments."""
        x = spikes.reshape(len(spikes), *self.input_shape)
        return conv2d(x, weight, None, self.stride, self.padding)

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return each channel's map of what its outputs send through the kernels: [batch, inputs].

        The transpose of the convolution.
        """
        factor = factor.reshape(len(factor), *self.output_shape)  # a row into flat populations
        return conv2d_transposed(factor, weight, self.input_shape, self.stride, self.padding)

    def correlate(self, trace: Array, factor: Array) -> Array:
        """Return trace x factor for each kernel weight, summed over the positions it is used at."""
        x = trace.reshape(len(trace), *self.input_shape)
        taps = _taps(x, self.weight.shape[2:], self.stride, self.padding)[0]
        flat = factor.reshape(len(factor), self.weight.shape[0], -1)
        gradient: np.ndarray = flat @ taps.transpose(0, 2, 1)
        return gradient.reshape(len(x), *self.weight.shape)


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
    taps, (height, width) = _taps(x, weight.shape[2:], stride, padding)
    out = weight.reshape(weight.shape[0], -1) @ taps
    if bias is not None:
        out += bias[:, np.newaxis]
    return out.reshape(len(x), -1, height, width)


def conv2d_transposed(
    factor: np.ndarray,
    weight: np.ndarray,
    input_shape: tuple[int, int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> np.ndarray:
    """factor [batch, out, oh, ow] * weight [out, in, kh, kw], transposed -> [batch, inputs]."""
    batch, (channels, rows, columns) = len(factor), input_shape
    outputs, _, kernel_rows, kernel_columns = weight.shape
    height, width = factor.shape[2:]
    sent = weight.reshape(outputs, -1).T @ factor.reshape(batch, outputs, -1)
    sent = sent.reshape(batch, channels, kernel_rows, kernel_columns, height, width)
    above, beside = padding
    whole: np.ndarray = np.zeros(
        (batch, channels, rows + 2 * above, columns + 2 * beside), sent.dtype
    )
    down, across = stride
    for i in range(kernel_rows):
        for j in range(kernel_columns):
            rows_hit = slice(i, i + down * height, down)
            columns_hit = slice(j, j + across * width, across)
            whole[:, :, rows_hit, columns_hit] += sent[:, :, i, j]
    inner = whole[:, :, above : above + rows, beside : beside + columns]
    return inner.reshape(batch, -1)


def _taps(
    x: np.ndarray, kernel: tuple[int, ...], stride: tuple[int, int], padding: tuple[int, int]
) -> tuple[np.ndarray, tuple[int, int]]:
    """(what each position sees [batch, in kh kw, positions], rows and columns of positions)."""
    windows: np.ndarray = sliding_window_view(_padded(x, padding), kernel, axis=(2, 3))  # type: ignore[call-overload]
    windows = windows[:, :, :: stride[0], :: stride[1]].transpose(0, 1, 4, 5, 2, 3)
    height, width = windows.shape[4:]
    return windows.reshape(len(x), -1, height * width), (height, width)


def _padded(x: np.ndarray, padding: tuple[int, int]) -> np.ndarray:
    """x with rows and columns of zeros around it; x itself where there are none."""
    rows, columns = padding
    if not (rows or columns):
        return x
    batch, channels, height, width = x.shape
    padded = np.zeros((batch, channels, height + 2 * rows, width + 2 * columns), x.dtype)
    padded[:, :, rows : rows + height, columns : columns + width] = x
    return padded
