"""The scale of a layer: what one integer of its membrane and of its weights is worth.

One integer weight is worth `weight_step` = 2^(6 + e) membrane_unit. The threshold is 64 m + 1
membrane integers, the only form that a chip's LIF can have (it fires above 64 m, we at the
threshold), so m and the exponent e choose the scale. For frozen layers it is searched for the least
squared error of the weights: a few clipped outliers cost less than coarse steps for all others.
Plastic layers are not clipped; their largest weight stays `headroom` below the limit.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from onchip.arithmetic.loihi import (
    ALIGNMENT_BITS,
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_LIMITS,
    THRESHOLD_MAX,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
)
from onchip.network.layer_spec import DenseSpec, LayerSpec
from onchip.neurons.lif import LIF
from onchip.program.integer_layer_spec import split_bias
from onchip.program.integer_spec import FixedNetworkSpec

WEIGHT_MAX = 254
"""Largest weight of mixed sign: even, so 7 bits and a sign."""

THRESHOLD_RANGE = (16, 4096)
"""Mantissas m that are looked for: a threshold of 1024 integers is fine enough for the decay, and
at 262,144 the membrane holds 32 of them."""

READOUT_RANGE = (16, 1024)
"""The same for a readout, whose reference is an output of 1: its membrane holds 128 of them."""

CLIPPING = np.linspace(1.0, 2.0, 21)
"""Scales that are tried, as multiples of the largest one without clipping."""

BIAS_MAX = BIAS_MANTISSA_LIMITS[1] << BIAS_EXPONENT_MAX
"""Largest bias in membrane integers."""


class Scale(NamedTuple):
    """What a layer's integers are worth; `threshold` 64 m + 1 is that of a LIF."""

    membrane_unit: float
    weight_exponent: int
    threshold: int


def find_scale(layer: LayerSpec, headroom: float, netx: bool = False) -> Scale:
    """The scale of a float layer; `netx` allows no exponent, which lava-dl's reader ignores.

    Raises ValueError for a layer of zeros, and for weights or biases that are too large or too
    small beside the threshold for any scale.
    """
    weights = _all_weights(layer)
    largest = float(np.abs(weights).max())
    if largest == 0:
        raise ValueError("all its weights are 0, so it has no scale; train it, or leave it out")
    spiking = isinstance(layer.neuron, LIF)
    reference = layer.neuron.v_threshold if isinstance(layer.neuron, LIF) else 1.0
    bias = 0.0 if layer.bias is None else float(np.abs(layer.bias).max()) / reference
    _check_bias(bias, largest / reference)
    per_unit = _per_unit(layer, weights, headroom)
    if not math.isfinite(per_unit * reference):
        raise ValueError(_too_small(largest / reference))
    allowed = THRESHOLD_RANGE if spiking else READOUT_RANGE
    exponent = 0 if netx else _exponent(per_unit * reference, allowed, bias)
    mantissa = per_unit * reference * 2.0**exponent
    _check_mantissa(mantissa, largest / reference, bias)
    threshold = (round(mantissa) << ALIGNMENT_BITS) + 1
    return Scale(reference / threshold, exponent, threshold)


def scale_like(layer: LayerSpec, like: FixedNetworkSpec) -> Scale:
    """The scale of the layer of that name in an earlier quantization; ValueError without one."""
    found = next((kept for kept in like.layers if kept.name == layer.name), None)
    if found is None or found.neuron.spiking != layer.neuron.spiking:
        names = ", ".join(kept.name for kept in like.layers)
        raise ValueError(
            f"the earlier quantization (layers {names}) has no such layer with its kind of "
            "neurons; quantize without it"
        )
    threshold = int(found.neuron.v_threshold) if isinstance(found.neuron, LIF) else 1
    return Scale(found.membrane_unit, found.weight_exponent, threshold)


def best_scale(weights: np.ndarray) -> float:
    """Integers per unit of weight with the least squared error after rounding and clipping."""
    unit = 2.0 ** np.frexp(np.abs(weights).max())[1]  # a power of 2, so that no digit is lost
    weights = weights / unit
    scales = CLIPPING * WEIGHT_MAX / np.abs(weights).max()
    errors = [float(((round_even(weights * s) / s - weights) ** 2).sum()) for s in scales]
    return float(scales[int(np.argmin(errors))]) / unit


def round_even(values: np.ndarray) -> np.ndarray:
    """The nearest even integers in -254..254: int64, any shape."""
    return np.clip(2 * np.rint(values / 2), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int64)


def round_bias(values: np.ndarray, netx: bool = False) -> np.ndarray:
    """The nearest integers that are a 13-bit mantissa times 2^0..7: int64 [post].

    With `netx` they are multiples of 64 as well: lava-dl's reader aligns biases as weights. Raises
    ValueError for biases beyond the largest.
    """
    largest = float(np.abs(values).max())
    if largest > 1.01 * BIAS_MAX:
        raise ValueError(
            f"its largest bias is {largest:.3g} membrane integers, more than {BIAS_MAX}; quantize "
            "it with a scale of its own, or lower it"
        )
    if netx:
        limit = BIAS_MAX >> ALIGNMENT_BITS
        whole = np.clip(np.rint(values / 2**ALIGNMENT_BITS), -limit, limit).astype(np.int64)
        return whole << ALIGNMENT_BITS
    low, high = BIAS_MANTISSA_LIMITS
    whole = np.clip(np.rint(values), low << BIAS_EXPONENT_MAX, BIAS_MAX).astype(np.int64)
    _, exponents = split_bias(whole)
    exponents += (np.rint(values / 2.0**exponents) > high) & (exponents < BIAS_EXPONENT_MAX)
    mantissas = np.clip(np.rint(values / 2.0**exponents), low, high).astype(np.int64)
    return mantissas << exponents


def _exponent(mantissa: float, allowed: tuple[int, int], bias: float) -> int:
    """e for which the mantissa 2^e is allowed, as near to 0 as possible.

    A bias of `bias` thresholds must also fit: 64 times bias times the mantissa within `BIAS_MAX`.
    """
    low, high = allowed
    if bias > 0:
        high = min(high, (BIAS_MAX >> ALIGNMENT_BITS) / bias)
    found = 0
    while mantissa * 2.0**found > high and found > WEIGHT_EXPONENT_MIN:
        found -= 1
    while mantissa * 2.0**found < min(low, high / 2) and found < WEIGHT_EXPONENT_MAX:
        found += 1
    return found


def _per_unit(layer: LayerSpec, weights: np.ndarray, headroom: float) -> float:
    """Integers per unit of weight; infinite where that is beyond what floating point holds."""
    largest = np.abs(weights).max()
    with np.errstate(over="ignore", divide="ignore"):
        if layer.plastic:
            return float(WEIGHT_MAX / largest / headroom)
        return best_scale(weights)


def _check_bias(bias: float, largest: float) -> None:
    """Before anything else: what no scale can hold must not be taken for the weights' fault."""
    limit = BIAS_MAX >> ALIGNMENT_BITS
    if bias > 1.01 * limit:
        raise ValueError(
            f"its largest bias is {bias:.3g} thresholds, {_ratio(bias, largest)} its largest "
            f"weight, more than the {limit} thresholds that integers hold; fold the bias elsewhere "
            "or lower it"
        )


def _ratio(bias: float, largest: float) -> str:
    times = bias / largest if largest else math.inf
    return f"{times:.3g} times" if math.isfinite(times) else "far more than"


def _too_small(largest: float) -> str:
    return (
        f"its largest weight is {largest:.3g} thresholds, less than integers hold; lower the "
        "threshold or scale the weights up"
    )


def _check_mantissa(mantissa: float, largest: float, bias: float) -> None:
    if mantissa < 1 and bias > largest:
        raise ValueError(_bias_beside(bias, largest))
    if mantissa < 1:
        raise ValueError(
            f"its largest weight is {largest:.3g} thresholds, more than integers hold; raise the "
            "threshold or scale the weights down"
        )
    if round(mantissa) > THRESHOLD_MAX:
        raise ValueError(_too_small(largest))
    if round(mantissa) * bias * 2**ALIGNMENT_BITS > BIAS_MAX * 1.01:
        raise ValueError(_bias_beside(bias, largest))


def _bias_beside(bias: float, largest: float) -> str:
    return (
        f"its largest bias is {bias:.3g} thresholds, {_ratio(bias, largest)} its largest weight, "
        "more than integers hold beside it; fold the bias elsewhere or lower it"
    )


def _all_weights(layer: LayerSpec) -> np.ndarray:
    if isinstance(layer, DenseSpec) and layer.recurrent_weight is not None:
        return np.concatenate([layer.weight.ravel(), layer.recurrent_weight.ravel()])
    return layer.weight.ravel()
