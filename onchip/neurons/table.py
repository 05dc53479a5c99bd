"""The neuron models that layers may have."""

from __future__ import annotations

from onchip.neurons.alif import ALIF
from onchip.neurons.base import Neuron
from onchip.neurons.cuba import CuBa
from onchip.neurons.lava_lif import LavaLIF
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout

NEURONS: dict[str, type[Neuron]] = {
    "lif": LIF,
    "leaky_integrator": LeakyIntegrator,
    "linear_readout": LinearReadout,
    "cuba": CuBa,
    "alif": ALIF,
    "lava_lif": LavaLIF,
}
"""A neuron of one's own is a row more; its name is what files know it by."""

CHAIN_NEURONS: tuple[type[Neuron], ...] = (LIF, LeakyIntegrator, LinearReadout)
"""Those of a `NetworkSpec`'s layers and of their integers; a `Network` takes all neurons."""
