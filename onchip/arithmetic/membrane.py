"""The membrane of a Loihi neuron: 24 bits that saturate, a 12-bit decay that truncates.

A neuron's constants are those of `onchip.neurons` with values that the chip holds: `decay` lambda a
multiple of 1/4096, `v_threshold` an integer of the membrane's unit.
"""

from __future__ import annotations

import numpy as np

from onchip.arithmetic.integer_surrogates import fixed_derivative
from onchip.arithmetic.loihi import (
    DECAY_UNITY,
    MEMBRANE_MAX,
    decay_membrane,
    require_integer,
    saturate_membrane,
)
from onchip.neurons.base import Neuron
from onchip.neurons.surrogates import Surrogate

Array = np.ndarray


class Loihi:
    """The operations of a membrane in integers; see `onchip.neurons.base.Numbers`."""

    @staticmethod
    def decay(u: Array, decay: float) -> Array:
        """Return decay u, truncated towards zero: int64."""
        return decay_membrane(u, decay_integer(decay))

    @staticmethod
    def hold(u: Array) -> Array:
        """Return u saturated at +-(2^23 - 1)."""
        return saturate_membrane(u)

    @staticmethod
    def fires(u: Array, v_threshold: float) -> Array:
        """Return 1 where u >= Vth, else 0 (u > Vth - 1 for a neuron that fires above): int64."""
        return (u >= v_threshold).astype(np.int64)

    @staticmethod
    def derivative(surrogate: Surrogate, u: Array, v_threshold: float) -> Array:
        """Return the derivative in 0..127 of its peak: int64."""
        return fixed_derivative(u, int(v_threshold), surrogate)


LOIHI = Loihi()


def decay_integer(decay: float) -> int:
    """Return the chip's 12-bit decay of a lambda that it holds: 4096 (1 - lambda)."""
    return DECAY_UNITY - int(decay * DECAY_UNITY)


def decay_of(integer: int) -> float:
    """Return the lambda of a 12-bit decay, (4096 - decay) / 4096; ValueError outside of 0..4095."""
    require_integer("decay", integer, 0, DECAY_UNITY - 1)
    return (DECAY_UNITY - integer) / DECAY_UNITY


def require_held(where: str, neuron: Neuron) -> None:
    """Raise ValueError unless the chip holds a neuron's constants exactly."""
    if int(neuron.decay * DECAY_UNITY) / DECAY_UNITY != neuron.decay:
        raise ValueError(
            f"{where}: decay {neuron.decay} is not a multiple of 1/{DECAY_UNITY}, which the chip's "
            "12 bits hold; use onchip.arithmetic.loihi.quantize_decay"
        )
    threshold = getattr(neuron, "v_threshold", 1)
    require_integer(f"{where}: v_threshold", threshold, 1, MEMBRANE_MAX)
