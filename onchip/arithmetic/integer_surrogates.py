"""Surrogate derivatives in integers: 7 bits of the derivative's peak.

    value = floor(127 sigma'(z) / max sigma'),    z = (u - Vth) / Vth

Rectangle and triangle are exact; the sigmoid is a table. The peak itself (1 / width, or sharpness
/ 4, over Vth) is a constant of the layer and belongs in its learning rate.
`onchip.neurons.surrogates` defines the real-valued forms.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np

from onchip.arithmetic.loihi import MEMBRANE_BITS, MEMBRANE_MAX, TRACE_MAX, require_integer
from onchip.checks import require_between, require_choice
from onchip.neurons.surrogates import Surrogate

Array = np.ndarray

TABLE_BITS = 8
"""A sigmoid table has 256 entries, indexed by |u - Vth| shifted right."""

WIDTH_MAX = 2**MEMBRANE_BITS
"""Wider windows than the whole membrane are a mistake."""


def fixed_rectangle(u: Array, v_threshold: int, width: int) -> Array:
    """127 where 2 |u - Vth| < `width`, else 0; `width` in membrane units (the real one times Vth).

    Any shape, int64. Raises ValueError for a width outside of 1..2^24.
    """
    require_integer("rectangle: width", width, 1, WIDTH_MAX)
    distance = np.abs(np.asarray(u, dtype=np.int64) - v_threshold)
    return TRACE_MAX * (2 * distance < width).astype(np.int64)


def fixed_triangle(u: Array, v_threshold: int, width: int) -> Array:
    """floor(127 max(0, 1 - |u - Vth| / width)); any shape, int64; `width` as in the rectangle."""
    require_integer("triangle: width", width, 1, WIDTH_MAX)
    distance = np.abs(np.asarray(u, dtype=np.int64) - v_threshold)
    return TRACE_MAX * np.maximum(0, width - distance) // width


@dataclass(frozen=True)
class SigmoidTable:
    """127 sech^2(alpha z / 2), the sigmoid's derivative over its peak, in 256 bins of |u - Vth|.

    Entry k is the rounded value at the middle of bin k, and beyond the last bin the value is 0. The
    bins are 2^shift wide, the least power of two whose table reaches to where 127 sech^2 < 1/2.
    `sharpness` is alpha in 1e-6..1e6, `v_threshold` the integer Vth. Raises ValueError for
    others.
    """

    v_threshold: int
    sharpness: float = 4.0
    shift: int = field(init=False)
    values: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        """Check the parameters and fill the table."""
        require_integer("SigmoidTable: v_threshold", self.v_threshold, 1, MEMBRANE_MAX)
        require_between("SigmoidTable: sharpness", self.sharpness, 1e-6, 1e6)
        reach = min(self._reach, 2.0 * MEMBRANE_MAX)
        shift = max(0, math.ceil(math.log2(reach / 2**TABLE_BITS)))
        middles = (np.arange(2**TABLE_BITS) * 2**shift) + (2**shift - 1) / 2
        values = np.rint(TRACE_MAX * self._at(middles))
        object.__setattr__(self, "shift", shift)
        object.__setattr__(self, "values", tuple(values.astype(int).tolist()))

    @property
    def _per_unit(self) -> float:
        return self.sharpness / (2 * self.v_threshold)

    @property
    def _reach(self) -> float:
        """Where 127 sech^2 < 1/2."""
        return math.acosh(math.sqrt(2 * TRACE_MAX)) / self._per_unit

    def _at(self, distance: Array) -> Array:
        """The derivative over its peak at distances |u - Vth|."""
        value: Array = 1 - np.tanh(self._per_unit * distance) ** 2
        return value

    def derivative(self, u: Array) -> Array:
        """The table's value at each potential: any shape, int64 in 0..127."""
        distance = np.abs(np.asarray(u, dtype=np.int64) - self.v_threshold)
        return self._entries[np.minimum(distance >> self.shift, 2**TABLE_BITS)]

    @functools.cached_property
    def _entries(self) -> Array:
        """The values, and 0 for all that lies beyond."""
        return np.array((*self.values, 0))


@dataclass(frozen=True)
class FastSigmoidTable(SigmoidTable):
    """127 / (1 + gamma |z|)^2, the fast sigmoid's derivative over its peak, binned as the sigmoid.

    `sharpness` is gamma in 1e-6..1e6.
    """

    @property
    def _reach(self) -> float:
        """Where 127 / (1 + gamma |z|)^2 < 1/2."""
        return (math.sqrt(2 * TRACE_MAX) - 1) * self.v_threshold / self.sharpness

    def _at(self, distance: Array) -> Array:
        """The derivative over its peak at distances |u - Vth|."""
        value: Array = 1 / (1 + self.sharpness * distance / self.v_threshold) ** 2
        return value


def fixed_derivative(u: Array, v_threshold: int, surrogate: Surrogate) -> Array:
    """The integer derivative 0..127 of a `surrogate` whose width is in units of `v_threshold`.

    Any shape, int64. Raises ValueError for a surrogate without an integer form (`FIXED_SURROGATES`
    has those that have one).
    """
    require_choice("integer surrogate", surrogate.name, FIXED_SURROGATES)
    derivative, _ = FIXED_SURROGATES[surrogate.name]
    return derivative(u, v_threshold, float(surrogate.parameter or 0))


def surrogate_peak(surrogate: Surrogate) -> float:
    """max sigma'(z): the derivative that 127 stands for, in z (over Vth: in u)."""
    require_choice("integer surrogate", surrogate.name, FIXED_SURROGATES)
    return FIXED_SURROGATES[surrogate.name][1](float(surrogate.parameter or 0))


@functools.lru_cache(maxsize=64)
def cached_sigmoid(v_threshold: int, sharpness: float) -> SigmoidTable:
    """Return the table of a sigmoid's derivative: membrane units, sharpness in 1 / Vth."""
    return SigmoidTable(v_threshold, sharpness)


@functools.lru_cache(maxsize=64)
def cached_fast_sigmoid(v_threshold: int, slope: float) -> FastSigmoidTable:
    """Return the table of a fast sigmoid's derivative: membrane units, slope in 1 / Vth."""
    return FastSigmoidTable(v_threshold, slope)


def integer_width(v_threshold: int, parameter: float) -> int:
    """Return the width of a rectangle or triangle in membrane units, at least 1, of one in Vth."""
    return max(1, round(parameter * v_threshold))


FIXED_SURROGATES: dict[
    str, tuple[Callable[[Array, int, float], Array], Callable[[float], float]]
] = {
    "rectangle": (
        lambda u, vth, width: fixed_rectangle(u, vth, integer_width(vth, width)),
        lambda width: 1 / width,
    ),
    "triangle": (
        lambda u, vth, width: fixed_triangle(u, vth, integer_width(vth, width)),
        lambda width: 1 / width,
    ),
    "sigmoid": (
        lambda u, vth, sharpness: cached_sigmoid(vth, sharpness).derivative(u),
        lambda sharpness: sharpness / 4,
    ),
    "fast_sigmoid": (
        lambda u, vth, slope: cached_fast_sigmoid(vth, slope).derivative(u),
        lambda slope: 1.0,
    ),
}
"""Name -> (derivative 0..127 at u, Vth and parameter; its peak in z)."""
