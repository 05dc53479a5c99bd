"""A locally connected layer: a convolution of which every position has a kernel of its own.

That is what a convolution becomes where each synapse stores its weight, as on a chip: before it
learns it is the convolution, then each copy of a weight learns alone.
"""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from array_api_compat import device

from onchip.namespace import array_namespace
from onchip.network.arrays import frozen_array, integers
from onchip.network.convolution import Convolution
from onchip.network.layer_spec import equal_fields
from onchip.network.transform import Array, Transform


@dataclass(frozen=True, eq=False)
class LocalConvolution(Transform):
    """I[o, y, x] = sum of weight[y, x, o, c, i, j] s[c, y sy + i - py, x sx + j - px].

    `weight` [out_height, out_width, out, in, kernel_h, kernel_w]: the kernel of each position;
    `input_shape` (in, height, width), `stride` s and `padding` p (vertical, horizontal) as in
    `Convolution`. Weights of taps on the padding are there, see nothing and never change.
    """

    weight: np.ndarray
    input_shape: tuple[int, int, int]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    def __post_init__(self) -> None:
        """Copy the weights to read-only float64 and check the geometry."""
        where = "local convolution"
        object.__setattr__(self, "weight", frozen_array(f"{where}: weight", self.weight, 6))
        for attribute, count in (("input_shape", 3), ("stride", 2), ("padding", 2)):
            values = integers(f"{where}: {attribute}", getattr(self, attribute), count)
            object.__setattr__(self, attribute, values)
        positions = self.kernel.output_shape[1:]
        if self.weight.shape[:2] != positions:
            raise ValueError(
                f"{where}: weight {self.weight.shape} has kernels for {self.weight.shape[:2]} "
                f"positions, but input_shape {self.input_shape}, stride {self.stride} and padding "
                f"{self.padding} make {positions}"
            )

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @functools.cached_property
    def kernel(self) -> Convolution:
        """The convolution with the first position's kernel everywhere, of the same geometry."""
        return Convolution(self.weight[0, 0], self.input_shape, self.stride, self.padding)

    @property
    def inputs(self) -> int:
        """Number of presynaptic neurons."""
        return int(math.prod(self.input_shape))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(out, out_height, out_width)."""
        return self.kernel.output_shape

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return what each position's kernel makes of what the position sees."""
        taps = self._taps(spikes)
        seen = taps.reshape(*taps.shape[:3], -1, 1)
        height, width, outputs = weight.shape[:3]
        sums = (weight.reshape(height, width, outputs, -1) @ seen)[..., 0]
        return array_namespace(sums).permute_dims(sums, (0, 3, 1, 2))

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return each channel's map of what its outputs send through their kernels."""
        height, width, outputs, *kernel = weight.shape
        rows = self._at_positions(factor)[:, :, :, np.newaxis]
        sent = rows @ weight.reshape(height, width, outputs, -1)
        sent = sent.reshape(len(factor), height, width, *kernel)
        whole = self._padded(sent, len(factor))
        for i, j, down, across in self._windows():
            part = array_namespace(sent).permute_dims(sent[..., i, j], (0, 3, 1, 2))
            whole[:, :, down, across] += part
        return self._inside(whole).reshape(len(factor), -1)

    def of_inputs(self, trace: Array) -> Array:
        """Return what each position sees of the trace: [batch, y, x, 1, in, kernel_h, kernel_w]."""
        return self._taps(trace)[:, :, :, np.newaxis]

    def of_outputs(self, factor: Array) -> Array:
        """Return the factor at each position: [batch, y, x, out, 1, 1, 1]."""
        rows = self._at_positions(factor)
        return rows.reshape(*rows.shape, 1, 1, 1)

    def _at_positions(self, factor: Array) -> Array:
        """Factors [batch, y, x, out]."""
        maps = factor.reshape(len(factor), *self.output_shape)
        return array_namespace(maps).permute_dims(maps, (0, 2, 3, 1))

    def _taps(self, spikes: Array) -> Array:
        """What each position sees: [batch, y, x, in, kernel_h, kernel_w]."""
        xp, (rows, columns) = array_namespace(spikes), self.weight.shape[4:]
        padded = self._padded(spikes, len(spikes))
        self._inside(padded)[...] = spikes.reshape(len(spikes), *self.input_shape)
        parts = [padded[:, :, down, across] for _, _, down, across in self._windows()]
        taps = xp.permute_dims(xp.stack(parts, axis=-1), (0, 2, 3, 1, 4))
        return taps.reshape(*taps.shape[:4], rows, columns)

    def _padded(self, like: Array, batch: int) -> Array:
        """Zeros [batch, in, padded height, padded width], of the type of an array."""
        channels, height, width = self.input_shape
        above, beside = self.padding
        shape = (batch, channels, height + 2 * above, width + 2 * beside)
        return array_namespace(like).zeros(shape, dtype=like.dtype, device=device(like))

    def _inside(self, padded: Array) -> Array:
        """The view of a padded map without its padding."""
        (_, height, width), (above, beside) = self.input_shape, self.padding
        return padded[:, :, above : above + height, beside : beside + width]

    def _windows(self) -> Iterator[tuple[int, int, slice, slice]]:
        """Each tap of a kernel (row, column), and the padded rows and columns that it sees."""
        (_, height, width), (down, across) = self.output_shape, self.stride
        for i, j in itertools.product(*map(range, self.weight.shape[4:])):
            yield i, j, slice(i, i + down * height, down), slice(j, j + across * width, across)
