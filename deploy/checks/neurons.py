"""What of float neurons Loihi 2 cannot hold."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from onchip.arithmetic.loihi import MEMBRANE_BITS
from onchip.deploy.checks.findings import Finding, compare, demand
from onchip.deploy.checks.limits import LIF_MODEL
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF


def spiking_findings(where: str, neuron: Any) -> Iterator[Finding]:
    """Findings about the threshold and the reset of neurons that spike, such as LIF."""
    yield demand(
        bool(neuron.v_threshold > 0),
        "error",
        where,
        "threshold",
        neuron.v_threshold,
        "above 0",
        "use a positive threshold",
        LIF_MODEL,
    )
    yield demand(
        neuron.reset == "hard",
        "warning",
        where,
        "reset",
        neuron.reset,
        "hard in Lava's LIF",
        "run the neuron as microcode, or train with reset 'hard'",
        LIF_MODEL,
    )


def readout_findings(where: str, neuron: Neuron) -> Iterator[Finding]:
    """Findings about the neurons of the last layer: how their output leaves the chip."""
    kind = type(neuron).__name__
    yield demand(
        isinstance(neuron, LIF),
        "warning",
        where,
        "readout",
        kind,
        "spikes in Lava's LIF",
        "run the neuron as microcode that sends its potential, or read it from the host",
        LIF_MODEL,
    )
    if not isinstance(neuron, LIF):
        yield compare("graded spike", where, MEMBRANE_BITS)
