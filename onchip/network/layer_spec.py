"""Layer specifications: weights as read-only arrays, geometry and neurons of one layer each."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from onchip.network.arrays import frozen_array, integers
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.table import CHAIN_NEURONS


def equal_fields(left: Any, right: Any) -> bool:
    """Field-by-field equality of two dataclasses of one type that may hold arrays."""
    if type(left) is not type(right):
        return False
    return all(_equal(getattr(left, f.name), getattr(right, f.name)) for f in fields(left))


def _equal(left: Any, right: Any) -> bool:
    if isinstance(left, np.ndarray) or isinstance(right, np.ndarray):
        return np.array_equal(left, right)
    if isinstance(left, Mapping) and isinstance(right, Mapping):
        return left.keys() == right.keys() and all(_equal(left[k], right[k]) for k in left)
    return bool(left == right)


class DenseShape:
    """Sizes of a dense layer with `weight` [post, pre], in floating point or in integers."""

    weight: np.ndarray

    @property
    def input_size(self) -> int:
        """Number of presynaptic neurons."""
        return int(self.weight.shape[1])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(post,)."""
        return (int(self.weight.shape[0]),)


class ConvShape:
    """Sizes of a convolution with `weight` [out, in, kernel_h, kernel_w], in either precision."""

    name: str
    weight: np.ndarray
    input_shape: tuple[int, int, int]

    @property
    def input_size(self) -> int:
        """Number of presynaptic neurons."""
        return int(math.prod(self.input_shape))

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(out, out_height, out_width)."""
        return conv_output_shape(self, f"layer {self.name!r}")


@dataclass(frozen=True, eq=False)
class DenseSpec(DenseShape):
    """A dense layer: I[n] = W s_in[n] + R s_own[n-1] + b, followed by its neurons.

    `weight` [post, pre], `bias` [post] or None, `recurrent_weight` R [post, post] or None (LIF
    only), in units of the threshold. `plastic` layers learn W, R and b. Raises ValueError for
    shapes that disagree and for NaN or infinite values.
    """

    name: str
    weight: np.ndarray
    neuron: Neuron
    bias: np.ndarray | None = None
    recurrent_weight: np.ndarray | None = None
    plastic: bool = False

    def __post_init__(self) -> None:
        """Copy the arrays to read-only float64 and check their shapes."""
        where = f"layer {self.name!r}"
        _require_neuron(where, self.neuron, CHAIN_NEURONS)
        _freeze(self, "weight", where, 2)
        _freeze(self, "bias", where, 1)
        _freeze(self, "recurrent_weight", where, 2)
        post = self.weight.shape[0]
        _require_shape(f"{where}: bias", self.bias, (post,))
        _require_shape(f"{where}: recurrent_weight", self.recurrent_weight, (post, post))
        if self.recurrent_weight is not None:
            _require_neuron(f"{where}: recurrent_weight", self.neuron, (LIF,))

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class ConvSpec(ConvShape):
    """A frozen convolution (cross-correlation, zero padding, as in torch) followed by LIF neurons.

    `weight` [out, in, kernel_h, kernel_w], `bias` [out] or None, `input_shape` (in, height, width),
    `stride` and `padding` as (vertical, horizontal). Average pooling is folded into the next
    layer's weights.
    """

    name: str
    weight: np.ndarray
    neuron: LIF
    input_shape: tuple[int, int, int]
    bias: np.ndarray | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    plastic = False

    def __post_init__(self) -> None:
        """Copy the arrays to read-only float64 and check their shapes."""
        where = f"layer {self.name!r}"
        _require_neuron(where, self.neuron, (LIF,))
        _freeze(self, "weight", where, 4)
        _freeze(self, "bias", where, 1)
        for attribute, count in (("input_shape", 3), ("stride", 2), ("padding", 2)):
            values = integers(f"{where}: {attribute}", getattr(self, attribute), count)
            object.__setattr__(self, attribute, values)
        _require_shape(f"{where}: bias", self.bias, (self.weight.shape[0],))
        conv_output_shape(self, where)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


LayerSpec = DenseSpec | ConvSpec


def conv_output_shape(layer: Any, where: str) -> tuple[int, int, int]:
    """(out, out_height, out_width) of a convolution; ValueError when its geometry does not fit.

    `layer` has `weight` [out, in, kernel_h, kernel_w], `input_shape`, `stride` and `padding`.
    """
    if layer.weight.shape[1] != layer.input_shape[0]:
        raise ValueError(
            f"{where}: weight {layer.weight.shape} reads {layer.weight.shape[1]} channels, "
            f"but its input_shape is {layer.input_shape}"
        )
    sides = zip(
        layer.input_shape[1:], layer.weight.shape[2:], layer.stride, layer.padding, strict=True
    )
    height, width = (
        (size + 2 * pad - kernel) // max(step, 1) + 1 for size, kernel, step, pad in sides
    )
    if min(layer.stride) < 1 or min(layer.padding) < 0 or min(height, width) < 1:
        raise ValueError(
            f"{where}: kernel {layer.weight.shape[2:]}, stride {layer.stride} and padding "
            f"{layer.padding} do not fit input_shape {layer.input_shape}"
        )
    return int(layer.weight.shape[0]), height, width


def _freeze(layer: LayerSpec, attribute: str, where: str, ndim: int) -> None:
    value = getattr(layer, attribute)
    if value is not None or attribute == "weight":
        object.__setattr__(layer, attribute, frozen_array(f"{where}: {attribute}", value, ndim))


def _require_shape(name: str, array: np.ndarray | None, shape: tuple[int, ...]) -> None:
    if array is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; the weight needs {shape}")


def _require_neuron(name: str, neuron: Any, kinds: tuple[type, ...]) -> None:
    if not isinstance(neuron, kinds):
        valid = " or ".join(kind.__name__ for kind in kinds)
        raise ValueError(f"{name} has {type(neuron).__name__} neurons; it needs {valid}")
