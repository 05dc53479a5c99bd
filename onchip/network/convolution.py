"""Two-dimensional cross-correlation of NumPy arrays: the engine's forward pass of `ConvSpec`."""

from __future__ import annotations

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view


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
