"""What executions ask of a population's numbers, in floating point or in integers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np

from onchip.neurons.base import NeuronState
from onchip.rules.eligibility import Eligibility

Array = np.ndarray

Stepper = Callable[[Array, NeuronState], tuple[Array, NeuronState]]
"""(activation, state) -> (output, new state)."""


class Computation(Protocol):
    """One layer's numbers; `signal` is the fed-back error, for a readout the error itself."""

    def start(self, zeros: Array) -> NeuronState:
        """The state before the first step, of arrays like `zeros`."""

    def step(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """What the synapses sent [n] -> (output [n], new state); an output is checked."""

    def advance(self, activation: Array, state: NeuronState) -> tuple[Array, NeuronState]:
        """As `step`, of arrays of any leading shape and without the check."""

    def stepper(self) -> Stepper:
        """`advance`, or what does the same in fewer calls: for whoever calls it at every step."""

    def factor(self, signal: Array, state: NeuronState) -> Array:
        """The postsynaptic factor g [n]."""

    def derivative(self, state: NeuronState) -> Array:
        """The surrogate derivative [n]."""

    def observe(
        self, kind: Eligibility, before: Any, activation: Array, state: Any
    ) -> tuple[Array, ...]:
        """What the neurons tell the synapses of an eligibility about a step, each [n]."""

    def signal(self, signal: Array) -> Array:
        """What is fed back, as synapses that filter their eligibilities hear it [n]."""

    def answer(self, output: Array, target: Array, memory: Any) -> tuple[Array, Any]:
        """A readout's error e [classes] for a target [classes], and the objective's new memory.

        `memory` is that of the sample's last step with a target, None before the first.
        """
