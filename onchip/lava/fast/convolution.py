"""Convolutions in the layout of Lava's `Conv`: geometry, the patches of an input, exact sums.

Lava orders images (x, y, channels), kernels [out, kx, ky, in / groups], and *flips* the kernel:

    out[x, y, o] = sum over p, q, i of  weight[o, p, q, i] in[x sx + (kx-1-p) dx - px, ...q..., i]

with stride s, dilation d and padding p; inputs outside of the image are 0. Group g of the outputs
sees group g of the inputs. Here x is the image's horizontal axis, as in lava-dl.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from onchip.engine.exact_sums import exact_type

Array = np.ndarray

ACTIVATION_BITS = 24
"""What a synapse hands to a neuron, with its sign (precision of Conv's a_out)."""

EXACT_DOUBLE = 2**53
"""Integers up to this are exact in 64-bit floating point."""


def to_lava_kernel(weight: Array) -> Array:
    """A kernel [out, in, kernel_h, kernel_w] of torch or `ConvSpec` in Lava's layout, a copy."""
    return np.ascontiguousarray(weight[:, :, ::-1, ::-1].transpose(0, 3, 2, 1))


def from_lava_kernel(weight: Array) -> Array:
    """The kernel [out, in, kernel_h, kernel_w] of one in Lava's layout, a copy."""
    return np.ascontiguousarray(weight[:, ::-1, ::-1].transpose(0, 3, 2, 1))


@dataclass(frozen=True)
class Geometry:
    """Sizes of a convolution: `input_shape` (x, y, in), `weight_shape` [out, kx, ky, in / groups].

    `stride`, `padding` and `dilation` are (x, y). Raises ValueError for sizes that do not fit.
    """

    input_shape: tuple[int, ...]
    weight_shape: tuple[int, ...]
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)
    dilation: tuple[int, int] = (1, 1)
    groups: int = 1

    def __post_init__(self) -> None:
        """Check that channels, groups and kernel fit each other."""
        if len(self.input_shape) != 3 or len(self.weight_shape) != 4:
            self._refuse("an input (x, y, in) and a weight [out, kx, ky, in / groups]")
        outputs, inputs = self.weight_shape[0], self.input_shape[2]
        if self.groups < 1 or inputs % self.groups or outputs % self.groups:
            self._refuse("groups that divide both input and output channels")
        if self.weight_shape[3] * self.groups != inputs:
            self._refuse(f"a weight that reads {inputs // self.groups} channels in each group")
        if min(*self.stride, *self.dilation) < 1 or min(self.padding) < 0:
            self._refuse("stride and dilation of 1 or more and padding of 0 or more")
        if min(self.output_shape) < 1:
            self._refuse("a kernel that is not larger than the padded input")

    @classmethod
    def of(
        cls, input_shape: Any, weight: Any, stride: Any, padding: Any, dilation: Any, groups: Any
    ) -> Geometry:
        """Of the arguments of Lava's `Conv`, where a number holds for both axes."""
        steps, zeros, spread = (_pair(value) for value in (stride, padding, dilation))
        shape = tuple(int(size) for size in input_shape)
        return cls(shape, tuple(np.shape(weight)), steps, zeros, spread, int(groups))

    @property
    def span(self) -> tuple[int, int]:
        """Width and height of the dilated kernel."""
        _, kx, ky, _ = self.weight_shape
        return self.dilation[0] * (kx - 1) + 1, self.dilation[1] * (ky - 1) + 1

    @property
    def output_shape(self) -> tuple[int, int, int]:
        """(x, y, out)."""
        sides = zip(self.input_shape, self.padding, self.span, self.stride, strict=False)
        x, y = ((size + 2 * pad - span) // step + 1 for size, pad, span, step in sides)
        return x, y, self.weight_shape[0]

    @property
    def positions(self) -> int:
        """Number of output positions, each with its copy of the kernel."""
        return self.output_shape[0] * self.output_shape[1]

    @property
    def taps(self) -> int:
        """Number of weights of one output channel."""
        return int(np.prod(self.weight_shape[1:]))

    def _refuse(self, needed: str) -> None:
        raise ValueError(f"convolution: {self} must have {needed}; change what does not fit")


def _pair(value: Any) -> tuple[int, int]:
    values = np.asarray(value).ravel().tolist()
    if not 1 <= len(values) <= 2:
        raise ValueError(f"convolution: {value} must be a number, or one for x and one for y")
    return int(values[0]), int(values[-1])


class Patches:
    """Lays side by side what each output position sees (im2col), in buffers that are used again.

    `of` an input (x, y, in) is [groups, positions, taps]; the taps are in the order of the weights,
    so that no kernel must be flipped. The next call overwrites it.
    """

    def __init__(self, geometry: Geometry, dtype: Any) -> None:
        (width, height, inputs), (px, py) = geometry.input_shape, geometry.padding
        padded = np.zeros((width + 2 * px, height + 2 * py, inputs), dtype)
        self._inside = padded[px : px + width, py : py + height]
        self._windows = _windows(padded, geometry)
        self._patches = np.empty(self._windows.shape, dtype)
        self._shape = (geometry.groups, geometry.positions, geometry.taps)

    def of(self, x: Array) -> Array:
        """The patches of x (x, y, in)."""
        self._inside[...] = x
        np.copyto(self._patches, self._windows)
        return self._patches.reshape(self._shape)


def _windows(padded: Array, geometry: Geometry) -> Array:
    """A view [groups, x, y, kx, ky, in / groups] of a padded input: all windows, flipped."""
    (sx, sy), (dx, dy) = geometry.stride, geometry.dilation
    grouped = padded.reshape(*padded.shape[:2], geometry.groups, -1)
    windows: Array = sliding_window_view(grouped, geometry.span, axis=(0, 1))  # type: ignore[call-overload]
    return windows[::sx, ::sy, :, :, ::-dx, ::-dy].transpose(2, 0, 1, 4, 5, 3)


def convolve(patches: Array, weight: Array, shape: tuple[int, int, int]) -> Array:
    """The convolution (x, y, out) = `shape` of patches with a kernel in Lava's layout."""
    groups, _, taps = patches.shape
    kernels = weight.reshape(groups, -1, taps).transpose(0, 2, 1)
    if groups == 1:
        return (patches[0] @ kernels[0]).reshape(shape)
    return np.matmul(patches, kernels).transpose(1, 0, 2).reshape(shape)


def correlate(patches: Array, factors: Array) -> Array:
    """[out, taps]: the sum over positions of factors (x, y, out) times patches.

    With the trace as the input this is the gradient of a kernel, reshaped to Lava's layout.
    """
    groups, positions, _ = patches.shape
    post = factors.reshape(positions, groups, -1)
    if groups == 1:
        return post[:, 0].T @ patches[0]
    sums = np.matmul(post.transpose(1, 2, 0), patches)
    return sums.reshape(-1, sums.shape[2])


class ExactConvolution:
    """Convolutions of integers, exact at any size and wrapped into 24 bits with a sign.

    They are computed in floating point where every sum is sure to fit its mantissa: in 32 bits
    below 2^24, in 64 bits below 2^53. What can be larger is computed modulo 2^64.
    """

    def __init__(self, geometry: Geometry) -> None:
        self._geometry = geometry
        self._patches: dict[Any, Patches] = {}
        self._kernels: dict[Any, Array] = {}
        self._weight: Array | None = None
        self._reach = 0

    def forget(self) -> None:
        """The weights may have changed in place."""
        self._weight = None

    def __call__(self, x: Array, weight: Array, exponent: int = 0) -> Array:
        """(x, y, out) int32 of integers x (x, y, in), the sums shifted by `exponent` bits.

        A right shift floors. `weight` is read again only if it is another array than before.
        """
        shape = self._geometry.output_shape
        if not x.any():
            return np.zeros(shape, np.int32)
        if weight is not self._weight:
            self._read(weight)
        largest = self._reach * _largest(x)
        dtype = exact_type(largest) if largest <= EXACT_DOUBLE else np.int64
        sums = convolve(self._patches_of(dtype).of(x), self._kernel(dtype), shape)
        return _wrapped(sums, largest, exponent)

    def _read(self, weight: Array) -> None:
        self._weight, self._kernels = weight, {}
        sums = np.abs(weight.reshape(len(weight), -1).astype(np.int64)).sum(axis=1)
        self._reach = int(sums.max())

    def _patches_of(self, dtype: Any) -> Patches:
        if dtype not in self._patches:
            self._patches[dtype] = Patches(self._geometry, dtype)
        return self._patches[dtype]

    def _kernel(self, dtype: Any) -> Array:
        assert self._weight is not None
        if dtype not in self._kernels:
            self._kernels[dtype] = self._weight.astype(dtype)
        return self._kernels[dtype]


def _largest(x: Array) -> int:
    """The largest magnitude."""
    return 1 if x.dtype == bool else max(int(x.max()), -int(x.min()))


def _wrapped(sums: Array, largest: int, exponent: int) -> Array:
    """Sums of at most `largest` in magnitude, shifted, modulo 2^24 in -2^23..2^23 - 1: int32."""
    half = 2 ** (ACTIVATION_BITS - 1)
    if largest < half and exponent == 0:
        return sums.astype(np.int32)
    whole = sums.astype(np.int64)
    whole = whole << exponent if exponent > 0 else whole >> -exponent
    return (((whole + half) & (2 * half - 1)) - half).astype(np.int32)


def stock_geometry(params: Any) -> Geometry:
    """The geometry of a stock `Conv` from its process parameters.

    Raises ValueError for what the fast models do not do: a weight_exp, more channels in the weight
    than a group has (the stock model ignores both silently).
    """
    reason = "the stock model ignores it and the fast one computes the same"
    require_no_exponent("Conv", params["weight_exp"], reason)
    names = ("input_shape", "weight", "stride", "padding", "dilation", "groups")
    return Geometry.of(*(params[name] for name in names))


def require_no_exponent(name: str, exponent: Any, reason: str) -> None:
    """Raise ValueError unless a weight exponent is 0."""
    values: Sequence[int] = np.asarray(exponent).ravel().tolist()
    if any(values):
        raise ValueError(
            f"{name}: weight_exp is {values[0]}, but {reason}; multiply the weights by "
            f"2^{values[0]} and leave weight_exp at 0"
        )
