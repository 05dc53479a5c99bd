"""How spikes become currents: the weights of a connection and their geometry.

`onchip.network.transform` says what a transform is. One of one's own is a subclass and a row of
`TRANSFORMS`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onchip.network.arrays import frozen_array, integers
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.layer_spec import equal_fields
from onchip.network.local import LocalConvolution
from onchip.network.transform import Array, Transform


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
        return factor.reshape(len(factor), -1) @ weight

    def gradient(self, trace: Array, factor: Array) -> Array:
        """As `Transform.gradient`, by one product of matrices."""
        return factor.reshape(len(factor), -1).T @ trace / len(factor)

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

    @property
    def shares_weights(self) -> bool:
        """As `Transform.shares_weights`: a channel of several positions does."""
        return len(self.shape) > 1

    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return b, at every position of its channel."""
        size = int(np.prod(self.shape))
        channels = np.arange(size) // (size // self.shape[0])
        return (spikes.reshape(-1, 1) * weight.reshape(1, -1))[:, channels].reshape(-1, *self.shape)

    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return nothing: the unit has no error."""
        return factor.reshape(len(factor), -1)[:, :0]

    def correlate(self, trace: Array, factor: Array) -> Array:
        """Return trace x factor for each channel, summed over its positions."""
        return factor.reshape(len(factor), len(self.weight), -1).sum(-1) * trace

    def of_inputs(self, trace: Array) -> Array:
        """Return the trace of the unit."""
        return trace.reshape(len(trace), 1)

    def of_outputs(self, factor: Array) -> Array:
        """Return the factor itself; ValueError where a channel has several positions."""
        if len(self.shape) > 1:
            raise ValueError(self._shared())
        return factor.reshape(len(factor), -1)


TRANSFORMS: dict[str, type[Transform]] = {
    "dense": Dense,
    "one_to_one": OneToOne,
    "bias": Bias,
    "convolution": Convolution,
    "enlarging_convolution": EnlargingConvolution,
    "local_convolution": LocalConvolution,
}
"""Transforms by the names that files know them by."""
