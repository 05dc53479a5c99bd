"""How spikes become currents: the weights of a connection and their geometry.

A transform has three verbs, each for a batch, NumPy or torch:

    transmit(spikes, weight)      s [batch, *source shape] -> current [batch, *target shape]
    send_back(factor, weight)     g [batch, *target shape] -> signal [batch, *source shape]
    correlate(trace, factor)      a, g -> gradient [batch, *weight shape]

and, where each weight belongs to one input and one output, two views that any learning rule can be
evaluated on: `of_inputs(trace)` and `of_outputs(factor)`, which broadcast to [batch, *weight
shape]. The weights are arguments because they change while a network learns. A transform of one's
own is a subclass and a row of `TRANSFORMS`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.network.arrays import frozen_array, integers
from onchip.network.convolution import conv2d
from onchip.network.layer_spec import conv_output_shape, equal_fields

Array = Any


class Transform(ABC):
    """The weights of a connection: subclasses are frozen dataclasses with `weight` [...]."""

    weight: np.ndarray

    @property
    @abstractmethod
    def inputs(self) -> int:
        """Number of presynaptic neurons."""

    @property
    @abstractmethod
    def output_shape(self) -> tuple[int, ...]:
        """Shape of the postsynaptic population."""

    @abstractmethod
    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return the current [batch, *output_shape] of spikes [batch, ...]."""

    @abstractmethod
    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return the signal [batch, inputs] of factors [batch, *output_shape]."""

    def correlate(self, trace: Array, factor: Array) -> Array:
        """Return trace x factor for each weight: [batch, *weight shape]."""
        return self.of_outputs(factor) * self.of_inputs(trace)

    def of_inputs(self, trace: Array) -> Array:
        """Return what each weight sees of its input, broadcasting to [batch, *weight shape]."""
        raise ValueError(self._shared())

    def of_outputs(self, factor: Array) -> Array:
        """Return what each weight sees of its output, broadcasting to [batch, *weight shape]."""
        raise ValueError(self._shared())

    def _shared(self) -> str:
        return (
            f"{type(self).__name__}: its weights are shared between positions, and this learning "
            "rule keeps a variable for each synapse; use a rule without eligibility filter"
        )


@dataclass(frozen=True, eq=False)
class Dense(Transform):
    """All to all: I = W s, `weight` [post, pre] in units of the threshold."""

    weight: np.ndarray

    def __post_init__(self) -> None:
        """Copy the weights to read-only float64."""
        object.__setattr__(self, "weight", frozen_array("dense: weight", self.weight, 2))

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def inputs(self) -> int:
        """Number of presynaptic neurons."""
        return int(self.weight.shape[1])

    @property
    def output_shape(self) -> tuple[int, ...]:
        """(post,)."""
        return (int(self.weight.shape[0]),)

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return W s."""
        return spikes.reshape(len(spikes), -1) @ weight.T

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return W^T g."""
        return factor @ weight

    def of_inputs(self, trace: Array) -> Array:
        """Return the trace as a row."""
        return trace.reshape(len(trace), 1, -1)

    def of_outputs(self, factor: Array) -> Array:
        """Return the factor as a column."""
        return factor.reshape(len(factor), -1, 1)


@dataclass(frozen=True, eq=False)
class OneToOne(Transform):
    """Each neuron to the one at its place: I_i = w_i s_i, `weight` [*shape]."""

    weight: np.ndarray

    def __post_init__(self) -> None:
        """Copy the weights to read-only float64."""
        ndim = np.ndim(self.weight)
        object.__setattr__(self, "weight", frozen_array("one-to-one: weight", self.weight, ndim))

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def inputs(self) -> int:
        """Number of presynaptic neurons, as many as postsynaptic ones."""
        return int(self.weight.size)

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The weights' own."""
        return self.weight.shape

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return w s."""
        return spikes.reshape(len(spikes), *weight.shape) * weight

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return w g."""
        return (factor * weight).reshape(len(factor), -1)

    def of_inputs(self, trace: Array) -> Array:
        """Return the trace itself."""
        return trace.reshape(len(trace), *self.weight.shape)

    def of_outputs(self, factor: Array) -> Array:
        """Return the factor itself."""
        return factor.reshape(len(factor), *self.weight.shape)


@dataclass(frozen=True, eq=False)
class Bias(Transform):
    """A current for each channel of the target, from the unit that is always on.

    `weight` [channels] (a dense population's neurons), `shape` that of the population.
    """

    weight: np.ndarray
    shape: tuple[int, ...]

    def __post_init__(self) -> None:
        """Copy the weights to read-only float64 and check that they fit the shape."""
        object.__setattr__(self, "weight", frozen_array("bias: weight", self.weight, 1))
        shape = integers("bias: shape", self.shape)
        object.__setattr__(self, "shape", shape)
        if self.weight.shape != shape[:1]:
            raise ValueError(f"bias has shape {self.weight.shape}; {shape} needs {shape[:1]}")

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def inputs(self) -> int:
        """One, the unit that is always on."""
        return 1

    @property
    def output_shape(self) -> tuple[int, ...]:
        """The population's."""
        return self.shape

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return b, at every position of its channel."""
        spread = (1,) * (len(self.shape) - 1)
        return spikes.reshape(-1, 1, *spread) * weight.reshape(1, -1, *spread)

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return nothing: the unit has no error."""
        return factor.reshape(len(factor), -1)[:, :0]

    def of_inputs(self, trace: Array) -> Array:
        """Return the trace of the unit."""
        return trace.reshape(len(trace), 1)

    def of_outputs(self, factor: Array) -> Array:
        """Return the factor itself."""
        return factor.reshape(len(factor), -1)


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


TRANSFORMS: dict[str, type[Transform]] = {
    "dense": Dense,
    "one_to_one": OneToOne,
    "bias": Bias,
    "convolution": Convolution,
}
"""Transforms by the names that files know them by."""
