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
    """x [batch, in, h, w] * weight [out, in, kh, kw] (+ bias [out]) -> [batch, out, oh, ow]."""
    rows, columns = padding
    padded = np.pad(x, ((0, 0), (0, 0), (rows, rows), (columns, columns)))
    kernel = (weight.shape[2], weight.shape[3])
    windows: np.ndarray = sliding_window_view(padded, kernel, axis=(2, 3))  # type: ignore[call-overload]
    windows = windows[:, :, :: stride[0], :: stride[1]]
    batch, _, height, width = windows.shape[:4]
    taps = windows.transpose(0, 2, 3, 1, 4, 5).reshape(batch * height * width, -1)
    out = taps @ weight.reshape(weight.shape[0], -1).T
    if bias is not None:
        out += bias
    return out.reshape(batch, height, width, -1).transpose(0, 3, 1, 2)
