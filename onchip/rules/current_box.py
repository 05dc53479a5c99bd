"""The eligibility of event-driven random backpropagation: a spike, and a box on the current."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onchip.checks import require_between
from onchip.namespace import array_namespace
from onchip.neurons.base import Neuron, Numbers
from onchip.rules.eligibility import TRACE, Array, Arrays, Eligibility, Recipe, Term, Traces


@dataclass(frozen=True)
class CurrentBox(Eligibility):
    """e[n] = [low < i[n] < high] s[n]: no trace, and no look at the membrane.

    i[n] is the total synaptic current (`Neuron.synaptic_current`) in units of the threshold, `low`
    and `high` are b_min < b_max in them. A readout that does not spike has no box. The dynamics of
    neuron and synapse are ignored. Source: Neftci et al. 2017, Eq. 2, 5. Raises ValueError unless
    low < high.
    """

    low: float = -2.0
    high: float = 2.0

    equation = r"e[n] = [b_{min} < i[n] < b_{max}]\, s[n]"

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("current box: low", self.low, -1e9, 1e9)
        require_between("current box: high", self.high, -1e9, 1e9)
        if self.low >= self.high:
            raise ValueError(
                f"current box: low {self.low} is not below high {self.high}; swap them"
            )

    def traces(self, neuron: Neuron) -> Traces:
        """As `Eligibility.traces`: the spike."""
        return ((1.0, 0.0),)

    def observe(
        self, neuron: Neuron, before: Any, current: Array, state: Any, numbers: Numbers
    ) -> Arrays:
        """The box."""
        if not neuron.spiking:
            return (neuron.derivative(state, numbers),)
        i = neuron.synaptic_current(current, state)
        threshold = getattr(neuron, "v_threshold", 1.0)
        inside = (i > self.low * threshold) & (i < self.high * threshold)
        return (array_namespace(i).astype(inside, i.dtype),)

    def step(self, kept: Arrays, trace: Array, told: Arrays) -> tuple[Array, Arrays]:
        """As `Eligibility.step`."""
        return told[0] * trace, ()

    def recipe(self) -> Recipe:
        """As `Eligibility.recipe`."""
        return Recipe((Term(1, (TRACE, "y1")),))

    def teach(self, neuron: Neuron, told: Arrays, third: Array) -> Arrays:
        """y1 = -eta L in the box."""
        return third * told[0], 0 * third, 0 * third
