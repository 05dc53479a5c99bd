"""The neuron models by the name that files and commands give them."""

from __future__ import annotations

from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout

NEURONS: dict[str, type[Neuron]] = {
    "lif": LIF,
    "leaky_integrator": LeakyIntegrator,
    "linear": LinearReadout,
}
"""Name -> neuron model, a frozen dataclass of numbers, names and at most one surrogate."""
