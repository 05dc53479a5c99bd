"""The membrane of a Loihi neuron: 24 bits that saturate, a 12-bit decay that truncates.

A neuron's constants are those of `onchip.neurons` with values that the chip holds: `decay` lambda a
multiple of 1/4096, `v_threshold` an integer of the membrane's unit.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from onchip.arithmetic.integer_surrogates import fixed_derivative
from onchip.arithmetic.loihi import (
    DECAY_BITS,
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
    def hold_current(i: Array) -> Array:
        """Return i wrapped into 24 bits as Lava's LIF does: above 2^23, and from -2^23 down."""
        whole = 2 * (MEMBRANE_MAX + 1)
        above, below = i > MEMBRANE_MAX + 1, i <= -MEMBRANE_MAX - 1
        wrapped: Array = i - whole * above.astype(np.int64) + whole * below.astype(np.int64)
        return wrapped

    @staticmethod
    def counted(spikes: Array) -> Array:
        """Return spikes in units of 1/4096: int64."""
        return np.asarray(spikes, np.int64) << DECAY_BITS

    @staticmethod
    def times(strength: float, count: Array) -> Array:
        """Return `strength`, an integer, times a count in units of 1/4096, floored: int64."""
        product: Array = (int(strength) * count) >> DECAY_BITS
        return product

    @staticmethod
    def fires(u: Array, v_threshold: float) -> Array:
        """Return 1 where u >= Vth, else 0 (u > Vth - 1 for a neuron that fires above): int64."""
        return (u >= v_threshold).astype(np.int64)

    @staticmethod
    def exceeds(u: Array, v_threshold: float) -> Array:
        """Return 1 where u > Vth, else 0: int64."""
        return (u > v_threshold).astype(np.int64)

    @staticmethod
    def spread(values: Sequence[float], like: Array) -> Array:
        """Return the values, integers: int64."""
        return np.array(values).astype(np.int64)

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
    for name in neuron.decays:
        decay = getattr(neuron, name)
        if int(decay * DECAY_UNITY) / DECAY_UNITY != decay:
            raise ValueError(
                f"{where}: {name} {decay} is not a multiple of 1/{DECAY_UNITY}, which the chip's "
                "12 bits hold; use onchip.arithmetic.loihi.quantize_decay"
            )
    threshold = getattr(neuron, "v_threshold", 1)
    require_integer(f"{where}: v_threshold", threshold, 1, MEMBRANE_MAX)
    for name in neuron.potentials:
        require_integer(f"{where}: {name}", getattr(neuron, name), 0, MEMBRANE_MAX)
