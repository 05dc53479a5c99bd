"""NIR's linear nodes as transforms, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onchip.network.composition import dilated, grouped, pool
from onchip.network.convolution import Convolution
from onchip.network.currents import Currents
from onchip.network.transforms import Dense, OneToOne


def through_node(node: Any, name: str, currents: Currents) -> Currents:
    """Return what comes out of a linear node; ValueError, naming it, for what it cannot take."""
    kind = type(node).__name__
    step = _STEPS.get(kind)
    if step is None:
        raise ValueError(
            f"NIR: node {name!r}: {kind} is not read here; known are "
            f"{', '.join(_STEPS)} and neurons"
        )
    try:
        return step(node, currents)
    except (TypeError, ValueError, IndexError) as error:
        raise ValueError(f"NIR: node {name!r} ({kind}): {' '.join(str(error).split())}") from None


def plain(value: Any) -> np.ndarray:
    """Return an array of a node (NumPy's or torch's) in this machine's byte order."""
    value = value.detach().cpu().numpy() if hasattr(value, "detach") else value
    array = np.asarray(value)
    return array.astype(array.dtype.newbyteorder("="))


def _affine(node: Any, currents: Currents) -> Currents:
    return currents.through(Dense(plain(node.weight)), plain(node.bias))


def _linear(node: Any, currents: Currents) -> Currents:
    return currents.through(Dense(plain(node.weight)))


def _scale(node: Any, currents: Currents) -> Currents:
    scale = plain(node.scale)
    shaped = np.broadcast_to(scale, currents.shape) if scale.size == 1 else scale
    return currents.reshaped(shaped.shape).through(OneToOne(shaped))


def _conv2d(node: Any, currents: Currents) -> Currents:
    weight = dilated(grouped(plain(node.weight), int(node.groups)), _pair(node.dilation))
    sides = zip(weight.shape[2:], _map(currents.shape)[1:], _pair(node.stride), strict=True)
    padding = _padding(node.padding, [(kernel, step) for kernel, _, step in sides])
    return _convolved(weight, currents, _pair(node.stride), padding, node.bias)


def _conv1d(node: Any, currents: Currents) -> Currents:
    """A row of values as a map of height 1."""
    weight = grouped(plain(node.weight), int(node.groups))[:, :, np.newaxis]
    weight = dilated(weight, (1, int(np.ravel(node.dilation)[0])))
    step = int(np.ravel(node.stride)[0])
    channels, length = _row(currents.shape)
    padding = node.padding
    if not isinstance(padding, (str, bytes)):
        padding = (0, int(np.ravel(padding)[0]))
    sides = _padding(padding, [(1, 1), (weight.shape[3], step)])
    maps = currents.reshaped((channels, 1, length))
    return _convolved(weight, maps, (1, step), sides, node.bias)


def _convolved(
    weight: np.ndarray,
    currents: Currents,
    stride: tuple[int, int],
    padding: tuple[int, int],
    bias: Any,
) -> Currents:
    maps = currents.reshaped(_map(currents.shape))
    given = None if bias is None else plain(bias)
    transform = Convolution(weight, maps.shape, stride, padding)  # type: ignore[arg-type]
    return maps.through(transform, None if given is None or not given.any() else given)


def _average(node: Any, currents: Currents) -> Currents:
    return _pooled(node, currents, average=True)


def _sum(node: Any, currents: Currents) -> Currents:
    return _pooled(node, currents, average=False)


def _pooled(node: Any, currents: Currents, average: bool) -> Currents:
    shape = _map(currents.shape)
    kernel, stride, padding = (
        _pair(value) for value in (node.kernel_size, node.stride, node.padding)
    )
    return currents.reshaped(shape).through(pool(shape, kernel, stride, padding, average))


def _flatten(node: Any, currents: Currents) -> Currents:
    """The order of the values stays, so which dimensions are joined makes no difference here."""
    return currents.reshaped((int(np.prod(currents.shape)),))


_STEPS: dict[str, Callable[[Any, Currents], Currents]] = {
    "Affine": _affine,
    "Linear": _linear,
    "Scale": _scale,
    "Conv2d": _conv2d,
    "Conv1d": _conv1d,
    "AvgPool2d": _average,
    "SumPool2d": _sum,
    "Flatten": _flatten,
}


def _pair(value: Any) -> tuple[int, int]:
    values = [int(v) for v in np.ravel(plain(value))]
    if len(values) not in (1, 2):
        raise ValueError(f"{value!r} is not one number for each of two sides")
    return values[0], values[-1]


def _padding(value: Any, sides: list[tuple[int, int]]) -> tuple[int, int]:
    """Padding as numbers; `sides` are (kernel with dilation, stride)."""
    value = value.decode() if isinstance(value, bytes) else value
    if not isinstance(value, str):
        return _pair(value)
    if value == "valid":
        return 0, 0
    if value != "same":
        raise ValueError(f"padding {value!r} is unknown; it must be 'same', 'valid' or numbers")
    if any(kernel % 2 == 0 or step != 1 for kernel, step in sides):
        raise ValueError(
            "padding 'same' with an even kernel pads one side more than the other, and with a "
            "stride it is not defined; give numbers"
        )
    return sides[0][0] // 2, sides[1][0] // 2


def _map(shape: tuple[int, ...]) -> tuple[int, int, int]:
    """(channels, height, width), without leading sides of 1 (a batch that was written along)."""
    while len(shape) > 3 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 3:
        raise ValueError(f"it reads maps (channels, height, width), not {shape}")
    return shape


def _row(shape: tuple[int, ...]) -> tuple[int, int]:
    """(channels, length)."""
    if len(shape) == 3 and shape[1] == 1:
        return shape[0], shape[2]
    while len(shape) > 2 and shape[0] == 1:
        shape = shape[1:]
    if len(shape) != 2:
        raise ValueError(f"it reads rows (channels, length), not {shape}")
    return shape
