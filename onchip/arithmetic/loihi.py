"""Loihi 2's integers: widths, decays, saturation, traces and split errors, all in NumPy int64.

Each quantity is a plain integer array whose width is named below; scales (what one integer is
worth) belong to the caller. "Lava" is lava-nc 0.10.0, whose `fixed_pt` models are the public
reference; a constant's comment names its place there.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any, NamedTuple

import numpy as np

from onchip.checks import require_between

Array = np.ndarray

# Learning: lava.magma.core.learning.constants, unless another place is named.
TRACE_BITS = 7
"""x1, x2, y1, y2, y3, unsigned: 0..127 (W_TRACE; Davies et al. 2018)."""
WEIGHT_BITS = 8
"""Weights, plus a sign: -256..255 (W_WEIGHTS_U)."""
TAG_BITS = 8
"""Tags, plus a sign (W_TAG_1_U)."""
ACCUMULATOR_BITS = 15
"""The accumulator of a learning rule, plus a sign (W_ACCUMULATOR_U)."""
MANTISSA_BITS = 4
"""Signed mantissa of a product's scale: -8..7 (W_S_MANT; product_series.py checks the range)."""
EXPONENT_MIN, EXPONENT_MAX = -7, 8
"""Exponent of a product's scale. We know of no public paper that gives the range; product_series.py
accepts these and no other (its message says "-7 and 9"), sixteen values stored as exponent + 7."""
EPOCH_BITS = 6
"""Spike times within a learning epoch, which lasts at most 63 steps (W_EPOCH_TIME)."""
IMPULSE_BITS = 7
"""Trace impulses, unsigned: more than 127 cannot be told from it, since the trace saturates there
(the learning connection's Var has 8 bits, which nothing checks)."""

# Neurons: lava.proc.lif.models, AbstractPyLifModelFixed.
MEMBRANE_BITS = 24
"""Membrane potential, with its sign (uv_bitwidth)."""
DECAY_BITS = 12
"""Decays, unsigned: u keeps (4096 - decay) / 4096 of itself (decay_shift)."""
ALIGNMENT_BITS = 6
"""Synaptic input and threshold lie this many bits up in the membrane (act_shift, vth_shift)."""
THRESHOLD_BITS = 17
"""Mantissa of a threshold, unsigned (vth)."""
BIAS_BITS, BIAS_EXPONENT_MAX = 13, 7
"""Signed mantissa of a bias and the most of its 3-bit exponent (bias_mant, bias_exp)."""
WEIGHT_EXPONENT_MIN, WEIGHT_EXPONENT_MAX = -8, 7
"""Exponent of a layer's weights, 4 bits (Davies et al. 2018; Lava's Dense takes any)."""

TRACE_MAX = 2**TRACE_BITS - 1
_TRACES = np.arange(TRACE_MAX + 1)
EPOCH_MAX = 2**EPOCH_BITS - 1
DECAY_UNITY = 2**DECAY_BITS
WEIGHT_LIMITS = (-(2**WEIGHT_BITS), 2**WEIGHT_BITS - 1)
THRESHOLD_MAX = 2**THRESHOLD_BITS - 1
BIAS_MANTISSA_LIMITS = (-(2 ** (BIAS_BITS - 1)), 2 ** (BIAS_BITS - 1) - 1)
MEMBRANE_MAX = 2 ** (MEMBRANE_BITS - 1) - 1
"""Potentials saturate at +-(2^23 - 1), as Lava's; -2^23 itself is not used."""


def stochastic_round(values: Array, random: float) -> Array:
    """floor(v), plus one where `random` < v - floor(v): int64, any shape, any sign.

    `random` in [0, 1) is one number for all values, as in Lava; over uniform numbers the mean is v.
    """
    floor = np.floor(values)
    return floor.astype(np.int64) + (random < values - floor)


class QuantizedDecay(NamedTuple):
    """A 12-bit decay: `integer` for the chip, and the lambda it `realised`."""

    integer: int
    realised: float


def quantize_decay(decay: float) -> QuantizedDecay:
    """The 12-bit decay nearest to lambda = `decay` in (0, 1]: round(4096 (1 - lambda)).

    The realised lambda (4096 - integer) / 4096 is within 1/8192 of the wanted one, except below
    1/8192, where a ValueError says that the chip would need a decay of 4096.
    """
    require_between("decay", decay, 0, 1, open_low=True)
    integer = round(DECAY_UNITY * (1 - Fraction(float(decay))))
    if integer >= DECAY_UNITY:
        raise ValueError(
            f"decay {decay} is below 1/8192, the least that {DECAY_BITS} bits hold; "
            "use a larger decay or a readout without memory"
        )
    return QuantizedDecay(integer, (DECAY_UNITY - integer) / DECAY_UNITY)


def decay_membrane(u: Array, decay: int) -> Array:
    """u (4096 - decay) / 4096, truncated towards zero: int64, any shape."""
    u = np.asarray(u, dtype=np.int64)
    return np.sign(u) * ((np.abs(u) * (DECAY_UNITY - decay)) >> DECAY_BITS)


def saturate_membrane(u: Array) -> Array:
    """`u` clipped to 24 bits, +-(2^23 - 1); it never wraps around (Lava's *current* does)."""
    # For a layer's few potentials np.clip takes several times as long as these two.
    return np.minimum(np.maximum(u, -MEMBRANE_MAX), MEMBRANE_MAX)


def largest_impulse(decay: float) -> int:
    """floor(127 (1 - lambda)): the largest impulse whose trace never saturates at one spike a step.

    `decay` is lambda per algorithmic step. ValueError above 126/127, where nothing is left of it.
    """
    require_between("trace: decay", decay, 0, 1, open_low=True)
    impulse = math.floor(TRACE_MAX * (1 - Fraction(float(decay))))
    if impulse < 1:
        raise ValueError(
            f"trace: decay {decay} leaves an impulse of 0 in {TRACE_BITS} bits; "
            f"use a decay of at most {TRACE_MAX - 1}/{TRACE_MAX}"
        )
    return impulse


def decay_trace(trace: Array, tau: float, random: float) -> Array:
    """exp(-1 / tau) x, stochastically rounded with one `random` for all: int64, any shape."""
    return stochastic_round(np.exp(-1 / np.array([tau])) * trace, random)


def decay_powers(tau: float, random: float, steps: int) -> Array:
    """Every trace 0..127 after 0, 1, ... `steps` of `decay_trace` with one `random`: [steps + 1,
    128] int32.

    A table is exact because each step depends on the trace's 128 values alone.
    """
    powers = np.empty((steps + 1, TRACE_MAX + 1), np.int32)
    powers[0] = _TRACES
    whole, rest = _decayed_traces(float(tau))
    step = whole + (random < rest)
    for count in range(steps):
        powers[count + 1] = step.take(powers[count])
    return powers


def advance_trace(values: Array, times: Array, spiking: Any, impulse: int, powers: Array) -> Array:
    """A trace at an epoch's end: K decays, with the impulse after as many as its spike's step says.

    `values` 0..127 and `times`, the step 1..K of the epoch's last spike (0 without one), integers
    of one shape; `spiking`, the indices of the times that are not 0, and of no others; `powers` of
    `decay_powers` for K. The result is a new array, int32.
    """
    advanced: Array = powers[-1].take(values)
    steps = times[spiking]
    arrived = powers[steps, values[spiking]] + impulse
    advanced[spiking] = powers[len(powers) - 1 - steps, np.minimum(arrived, TRACE_MAX)]
    return advanced


@functools.lru_cache(maxsize=64)
def _decayed_traces(tau: float) -> tuple[Array, Array]:
    """exp(-1 / tau) x of each trace x in 0..127: its floor and what is left of it."""
    decayed = np.exp(-1 / np.array([tau])) * _TRACES
    floor = np.floor(decayed)
    whole, rest = floor.astype(np.int32), decayed - floor
    whole.flags.writeable = rest.flags.writeable = False  # they are kept for the next call
    return whole, rest


def add_impulse(trace: Array, impulse: int) -> Array:
    """x + impulse, saturated at 127."""
    return np.clip(trace + impulse, 0, TRACE_MAX)


def split_error(values: Array, scale: float) -> tuple[Array, Array]:
    """Real `values` v as two unsigned 7-bit factors: positive and negative part of round(scale v).

    At most one of the two is not zero, and their difference is round(scale v) (ties to even)
    saturated at +-127. `scale` > 0 is integers per unit. Any shape, two int64 arrays. Raises
    ValueError for a bad scale and for values that are NaN or infinite.
    """
    require_between("error scale", scale, 0, 1e30, open_low=True)
    values = np.asarray(values, dtype=np.float64)
    if not np.isfinite(values).all():
        raise ValueError("errors hold NaN or infinite values; learning diverged, lower the rate")
    limit = TRACE_MAX / scale
    whole = np.rint(scale * np.clip(values, -limit, limit)).astype(np.int64)
    return np.maximum(whole, 0), np.maximum(-whole, 0)


def require_integer(name: str, value: object, low: int, high: int) -> None:
    """Raise ValueError unless `value` is an integer (not a bool) in low..high."""
    whole = isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if not whole or not low <= int(value) <= high:  # type: ignore[call-overload]
        raise ValueError(f"{name} is {value!r}; it must be an integer in {low}..{high}")


def drop_lowest_bit(weights: Array) -> Array:
    """Weights as synapses of mixed sign hold them: even, rounded downwards."""
    return (weights >> 1) << 1


def shift_activation(values: Array, exponent: int) -> Array:
    """W s 2^exponent, floored for negative exponents: int64, any shape."""
    return values << exponent if exponent > 0 else values >> -exponent
