"""Neurons with the chip's constants: the 12-bit decay and the threshold in membrane integers."""

from __future__ import annotations

from typing import Any

from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate


def kept(decay: int) -> float:
    """What a step leaves of a membrane: 1 - decay / 4096."""
    return (4096 - decay) / 4096


def lost(neuron: Any) -> int:
    """The 12-bit decay of a neuron."""
    return round(4096 * (1 - neuron.decay))


def integer_lif(
    decay: int, v_threshold: int, reset: str = "soft", surrogate: Surrogate | None = None
) -> LIF:
    return LIF(kept(decay), v_threshold, reset, surrogate)


def integer_integrator(decay: int) -> LeakyIntegrator:
    return LeakyIntegrator(kept(decay))


def integer_linear(decay: int) -> LinearReadout:
    return LinearReadout(kept(decay))
