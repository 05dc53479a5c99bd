"""The neuron models that layers may have."""

from __future__ import annotations

from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout

NEURONS: dict[str, type[Neuron]] = {
    "lif": LIF,
    "leaky_integrator": LeakyIntegrator,
    "linear_readout": LinearReadout,
}
"""A neuron of one's own is a row more; its name is what files know it by."""
