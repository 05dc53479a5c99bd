"""The neuron models that layers may have."""

from __future__ import annotations

from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout

NEURONS: tuple[type[Neuron], ...] = (LIF, LeakyIntegrator, LinearReadout)
"""A new model is added here; network files name it in `onchip.deploy.files.codec`."""
