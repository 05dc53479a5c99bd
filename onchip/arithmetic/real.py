"""Real numbers: floating-point arrays of NumPy or torch, on which no operation is bounded."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from onchip.namespace import array_namespace
from onchip.neurons.surrogates import Surrogate

Array = Any


class Real:
    """The operations of a membrane in floating point; see `onchip.neurons.base.Numbers`."""

    @staticmethod
    def decay(u: Array, decay: float) -> Array:
        """Return decay u."""
        return decay * u

    @staticmethod
    def hold(u: Array) -> Array:
        """Return u itself."""
        return u

    @staticmethod
    def hold_current(i: Array) -> Array:
        """Return i itself."""
        return i

    @staticmethod
    def counted(spikes: Array) -> Array:
        """Return the spikes themselves."""
        return spikes

    @staticmethod
    def times(strength: float, count: Array) -> Array:
        """Return their product."""
        return strength * count

    @staticmethod
    def fires(u: Array, v_threshold: float) -> Array:
        """Return 1 where u >= Vth, else 0, in the type of u."""
        return array_namespace(u).astype(u >= v_threshold, u.dtype)

    @staticmethod
    def exceeds(u: Array, v_threshold: float) -> Array:
        """Return 1 where u > Vth, else 0, in the type of u."""
        return array_namespace(u).astype(u > v_threshold, u.dtype)

    @staticmethod
    def spread(values: Sequence[float], like: Array) -> Array:
        """Return the values in the type of `like`."""
        return array_namespace(like).asarray(values, dtype=like.dtype)

    @staticmethod
    def derivative(surrogate: Surrogate, u: Array, v_threshold: float) -> Array:
        """Return sigma'((u - Vth) / Vth) / Vth."""
        return surrogate.derivative(u, v_threshold)


REAL = Real()
