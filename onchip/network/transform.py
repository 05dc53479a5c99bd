"""What all transforms share: spikes become currents, factors signals, traces gradients.

A transform has three verbs, each for a batch, NumPy or torch:

    transmit(spikes, weight)      s [batch, *source shape] -> current [batch, *target shape]
    send_back(factor, weight)     g [batch, *target shape] -> signal [batch, *source shape]
    correlate(trace, factor)      a, g -> gradient [batch, *weight shape]

and, where each weight belongs to one input and one output, two views that any learning rule can be
evaluated on: `of_inputs(trace)` and `of_outputs(factor)`, which broadcast to [batch, *weight
shape]. The weights are arguments because they change while a network learns.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import numpy as np

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

    @property
    def shares_weights(self) -> bool:
        """Whether a weight belongs to several pairs of neurons: no rule keeps a variable of it."""
        return False

    @abstractmethod
    def transmit(self, spikes: Array, weight: Array) -> Array:
        """Return the current [batch, *output_shape] of spikes [batch, ...]."""

    @abstractmethod
    def send_back(self, factor: Array, weight: Array) -> Array:
        """Return the signal [batch, inputs] of factors [batch, *output_shape]."""

    def correlate(self, trace: Array, factor: Array) -> Array:
        """Return trace x factor for each weight: [batch, *weight shape]."""
        return self.of_outputs(factor) * self.of_inputs(trace)

    def gradient(self, trace: Array, factor: Array) -> Array:
        """Return the mean over the batch of what `correlate` gives: [*weight shape]."""
        return self.correlate(trace, factor).mean(0)

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
