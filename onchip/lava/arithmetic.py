"""What the neurons of a layer compute, in floating point or in integers, behind one interface.

The Lava processes of `onchip.lava.processes` know ports and phases. The numbers are computed by an
object that they are given: `FloatLayer` here, or `onchip.engine.integer_arithmetic.FixedLayer`.
Teachers do the same for what plastic synapses receive: `FloatTeacher`, `FixedTeacher`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np

from onchip.arithmetic.real import REAL
from onchip.engine.exact_sums import third_factors
from onchip.engine.inputs import check_output
from onchip.neurons.base import Neuron, NeuronState
from onchip.objectives.classification import instantaneous_error

Array = np.ndarray


class LayerArithmetic(Protocol):
    """One layer's numbers; `signal` is the fed-back error, for a readout the error itself."""

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """What the synapses sent [n] -> (output [n], new state)."""

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """The postsynaptic factor g [n]."""

    def error(self, output: Array, target: Array) -> Array:
        """A readout's error e [classes] for a one-hot target."""


@dataclass(frozen=True)
class FloatLayer:
    """The equations of `onchip.neurons` and `onchip.objectives.classification` in floating
    point."""

    neuron: Neuron
    time_steps: int
    mse_weight: float = 0.0

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """As `LayerArithmetic.step`; FloatingPointError when a readout diverges."""
        output, state = self.neuron.step(activation, state, REAL)
        check_output(output)
        return output, state

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """g = signal ds/du."""
        return signal * self.neuron.derivative(state, REAL)

    def error(self, output: Array, target: Array) -> Array:
        """e[n] = dL[n]/do[n]."""
        return instantaneous_error(output, target, self.time_steps, self.mse_weight)


class Teacher(Protocol):
    """What a layer sends to its plastic synapses."""

    @property
    def used(self) -> tuple[str, ...]:
        """The factors that are sent: a connected port must be sent to at every step."""

    @property
    def recurrent(self) -> bool:
        """Whether recurrent synapses learn too."""

    def values(self, factor: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """y1, y2, y3 [n] at a Lava step.

        `learns` at the end of a step's epoch, `applies` and `clears` at the gates of an accumulated
        update.
        """


@dataclass(frozen=True)
class FloatTeacher:
    """y1 = scale g; y2 applies and y3 clears an accumulated update, `gate` is an open one."""

    scale: float
    gate: float
    accumulate: bool
    recurrent: bool

    @property
    def used(self) -> tuple[str, ...]:
        """y1, and the gates of an accumulated update."""
        return ("y1", "y2", "y3") if self.accumulate else ("y1",)

    def values(self, factor: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """As `Teacher.values`."""
        silent = np.zeros_like(factor)
        y1 = self.scale * factor if learns else silent
        return [y1, silent + self.gate * applies, silent + self.gate * clears]


@dataclass(frozen=True)
class FixedTeacher:
    """y1 and y2 the positive and negative part of -g; y3 the rate, or the gate that applies a tag.

    See `onchip.program.plasticity` for the rule.
    """

    gate: int
    accumulate: bool
    recurrent: bool

    @property
    def used(self) -> tuple[str, ...]:
        """All three."""
        return ("y1", "y2", "y3")

    def values(self, factor: Array, learns: bool, applies: bool, clears: bool) -> list[Array]:
        """As `Teacher.values`; the tag is applied and cleared at once."""
        opened = applies if self.accumulate else learns
        return list(third_factors(factor * learns, self.gate * opened))
