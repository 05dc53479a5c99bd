"""Two linear steps as one: convolutions of convolutions, pools as convolutions, dense weights.

A pool is a convolution whose kernels join each channel with itself. Two convolutions in turn are
one whose kernels are K2 * K1, with stride s1 s2 and padding p1 + s1 p2, as long as the padding of
the second meets zeros: where it would meet a part of the map beyond the first one's outputs, and
wherever else no convolution does it, the weights become dense.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onchip.network.convolution import Convolution
from onchip.network.transform import Transform
from onchip.network.transforms import Dense, OneToOne

LARGEST_DENSE = 2**25
"""Weights (256 MiB) up to which what is no convolution becomes dense."""


def composed(first: Transform | None, second: Transform) -> Transform:
    """Return the transform of `first`, then `second`; None stands for spikes as they are.

    Raises ValueError where only dense weights would do and there were more than `LARGEST_DENSE`.
    """
    if first is None:
        return second
    if isinstance(first, OneToOne) and isinstance(second, OneToOne):
        return OneToOne(first.weight.reshape(second.weight.shape) * second.weight)
    found = None
    if type(first) is Convolution and type(second) is Convolution:
        found = _of_convolutions(first, second)
    elif type(first) is Convolution and isinstance(second, OneToOne):
        found = _scaled(first, second, axis=0)
    elif isinstance(first, OneToOne) and type(second) is Convolution:
        found = _scaled(second, first, axis=1)
    return _dense(first, second) if found is None else found


def added(left: Transform | None, right: Transform | None, shape: tuple[int, ...]) -> Transform:
    """Return the transform that sends what both send, from one source to one `shape`."""
    left, right = (OneToOne(np.ones(shape)) if t is None else t for t in (left, right))
    if isinstance(left, OneToOne) and isinstance(right, OneToOne):
        return OneToOne(left.weight + right.weight.reshape(left.weight.shape))
    if type(left) is Convolution and type(right) is Convolution and _same_geometry(left, right):
        return replace(left, weight=left.weight + right.weight)
    return Dense(dense_weight(left) + dense_weight(right))


def pool(
    shape: tuple[int, ...],
    kernel: tuple[int, int],
    stride: tuple[int, int],
    padding: tuple[int, int],
    average: bool,
) -> Convolution:
    """Return a pool over maps of `shape` (channels, height, width): sums, or means of all taps.

    A mean counts zeros of the padding, as torch's does by default.
    """
    weight = np.zeros((shape[0], shape[0], *kernel))
    weight[np.arange(shape[0]), np.arange(shape[0])] = 1 / np.prod(kernel) if average else 1.0
    return Convolution(weight, shape, stride, padding)  # type: ignore[arg-type]


def grouped(weight: np.ndarray, groups: int) -> np.ndarray:
    """Return kernels [out, in / groups, ...] of a convolution in groups as [out, in, ...]."""
    if groups == 1:
        return weight
    outputs, inputs, *kernel = weight.shape
    whole = np.zeros((outputs, inputs * groups, *kernel), weight.dtype)
    step = outputs // groups
    for group in range(groups):
        mine = slice(group * step, (group + 1) * step)
        whole[mine, group * inputs : (group + 1) * inputs] = weight[mine]
    return whole


def dilated(weight: np.ndarray, dilation: tuple[int, int]) -> np.ndarray:
    """Return kernels [out, in, rows, columns] with zeros between their taps."""
    if tuple(dilation) == (1, 1):
        return weight
    rows, columns = ((size - 1) * step + 1 for size, step in zip(weight.shape[2:], dilation))  # noqa: B905
    whole = np.zeros((*weight.shape[:2], rows, columns), weight.dtype)
    whole[:, :, :: dilation[0], :: dilation[1]] = weight
    return whole


def dense_weight(transform: Transform) -> np.ndarray:
    """Return the weights of a transform as a matrix [post, pre].

    Raises ValueError for more than `LARGEST_DENSE`.
    """
    if isinstance(transform, Dense):
        return transform.weight
    post = int(np.prod(transform.output_shape))
    _check_size(post, transform.inputs)
    if isinstance(transform, OneToOne):
        return np.diag(transform.weight.ravel())
    found: np.ndarray = transform.transmit(np.eye(transform.inputs), transform.weight)
    return found.reshape(transform.inputs, post).T


def _dense(first: Transform, second: Transform) -> Dense:
    post = int(np.prod(second.output_shape))
    _check_size(post, first.inputs)
    if isinstance(second, Dense):
        shaped = second.weight.reshape(len(second.weight), *first.output_shape)
        return Dense(first.send_back(shaped, first.weight).reshape(post, first.inputs))
    columns = dense_weight(first).T
    return Dense(second.transmit(columns, second.weight).reshape(first.inputs, post).T)


def _check_size(post: int, pre: int) -> None:
    if post * pre > LARGEST_DENSE:
        raise ValueError(
            f"its steps are together no convolution, and {post} x {pre} dense weights are more "
            f"than {LARGEST_DENSE}; put neurons between the steps, or change strides and padding"
        )


def _of_convolutions(first: Convolution, second: Convolution) -> Convolution | None:
    """The convolution of both, None where there is none."""
    if tuple(first.output_shape) != second.input_shape or not _padding_meets_zeros(first, second):
        return None
    inner, outer = first.weight, second.weight
    down, across = first.stride
    rows, columns = (
        size + step * (taps - 1)
        for size, step, taps in zip(inner.shape[2:], first.stride, outer.shape[2:], strict=True)
    )
    weight = np.zeros((len(outer), inner.shape[1], rows, columns))
    for i in range(outer.shape[2]):
        for j in range(outer.shape[3]):
            part = np.tensordot(outer[:, :, i, j], inner, axes=1)
            row, column = i * down, j * across
            weight[:, :, row : row + inner.shape[2], column : column + inner.shape[3]] += part
    stride = tuple(a * b for a, b in zip(first.stride, second.stride, strict=True))
    padding = tuple(
        p + s * q for p, s, q in zip(first.padding, first.stride, second.padding, strict=True)
    )
    try:
        found = Convolution(weight, first.input_shape, stride, padding)  # type: ignore[arg-type]
    except ValueError:  # the larger kernel does not fit
        return None
    return found if found.output_shape == second.output_shape else None


def _padding_meets_zeros(first: Convolution, second: Convolution) -> bool:
    """Whether the first's outputs just beyond its map would be 0, where the second reads them."""
    for axis in (0, 1):
        if not second.padding[axis]:
            continue
        size, kernel = first.input_shape[1 + axis], first.weight.shape[2 + axis]
        step, pad = first.stride[axis], first.padding[axis]
        outputs = first.output_shape[1 + axis]
        if kernel > step + pad or outputs * step - pad < size:
            return False
    return True


def _scaled(convolution: Convolution, factors: OneToOne, axis: int) -> Convolution | None:
    """A convolution with its outputs (axis 0) or inputs (1) scaled, if channels allow it."""
    rows = factors.weight.reshape(convolution.weight.shape[axis], -1)
    if (rows != rows[:, :1]).any():
        return None
    shape = [1, 1, 1, 1]
    shape[axis] = -1
    return replace(convolution, weight=convolution.weight * rows[:, 0].reshape(shape))


def _same_geometry(left: Convolution, right: Convolution) -> bool:
    return (
        all(
            getattr(left, name) == getattr(right, name)
            for name in ("input_shape", "stride", "padding")
        )
        and left.weight.shape == right.weight.shape
    )
