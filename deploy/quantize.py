"""From a float network to Loihi's integers: scale and threshold per layer, biases, feedback, rates.

One integer weight of a layer is worth `weight_step` = 2^(6 + e) membrane_unit. The threshold is 64
m + 1 membrane integers, the only form that a chip's LIF can have (it fires above 64 m, we at the
threshold), so m and the exponent e choose the scale. It is searched for the least squared error of
the weights: a few clipped outliers cost less than coarse steps for all others.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from deploy.quantize_learning import quantize_learning
from onchip.checks import require_between
from onchip.fixed_point.arithmetic import (
    ALIGNMENT_BITS,
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_LIMITS,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
    quantise_decay,
)
from onchip.fixed_point.neurons import FixedIntegrator, FixedLIF, FixedLinear, FixedNeuron
from onchip.fixed_point.spec import (
    FixedConvSpec,
    FixedDenseSpec,
    FixedLayerSpec,
    FixedNetworkSpec,
    split_bias,
    weight_step,
)
from onchip.layer_spec import ConvSpec, DenseSpec, LayerSpec
from onchip.neurons import LIF, LinearReadout, Neuron
from onchip.spec import NetworkSpec

WEIGHT_MAX = 254
"""Largest weight of mixed sign: even, so 7 bits and a sign."""

THRESHOLD_RANGE = (16, 4096)
"""Mantissas m that are looked for: a threshold of 1024 integers is fine enough for the decay, and
at 262,144 the membrane holds 32 of them."""

READOUT_RANGE = (16, 1024)
"""The same for a readout, whose reference is an output of 1: its membrane holds 128 of them."""

CLIPPING = np.linspace(1.0, 2.0, 21)
"""Scales that are tried, as multiples of the largest one without clipping."""


@dataclass(frozen=True)
class Quantisation:
    """How to quantise.

    `schedule` on which the network will learn; `headroom` >= 1: how far a plastic layer's largest
    weight stays below the integers' limit, so that learning has room (its steps are as many times
    coarser, but learning rounds stochastically); `seed` of the learning's roundings.
    """

    schedule: str = "sequenced"
    headroom: float = 1.5
    seed: int = 0

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("quantisation: headroom", self.headroom, 1, 64)


def quantize(spec: NetworkSpec, settings: Quantisation | None = None) -> FixedNetworkSpec:
    """The integer network of a float one, learning section included.

    Raises ValueError, naming the layer, for what integers cannot hold: a decay below 1/8192, a
    layer of zeros, a surrogate without an integer form where the layer needs one, a learning rate
    out of reach.
    """
    settings = settings or Quantisation()
    layers = tuple(_layer(layer, settings) for layer in spec.layers)
    fixed = FixedNetworkSpec(
        tuple(replace(layer, plasticity=None, bias_weight=None) for layer in layers),  # type: ignore[arg-type]
        spec.input_shape,
        spec.time_steps,
        metadata=spec.metadata,
    )
    if spec.learning is None:
        return fixed
    return quantize_learning(spec, fixed, settings.schedule, settings.seed)


def _layer(layer: LayerSpec, settings: Quantisation) -> FixedLayerSpec:
    """The layer in integers, without its learning."""
    try:
        headroom = settings.headroom if layer.plastic else 1.0
        unit, exponent, neuron = _scale(layer, headroom)
        step = weight_step(unit, exponent)
        bias = None if layer.bias is None else round_bias(layer.bias / unit)
        if isinstance(layer, ConvSpec):
            return _conv(layer, unit, exponent, neuron, bias)
        recurrent = layer.recurrent_weight
        return FixedDenseSpec(
            layer.name,
            round_even(layer.weight / step),
            neuron,
            unit,
            exponent,
            bias,
            recurrent_weight=None if recurrent is None else round_even(recurrent / step),
        )
    except ValueError as error:
        text = str(error)
        raise ValueError(text if layer.name in text else f"layer {layer.name!r}: {text}") from None


def _conv(
    layer: ConvSpec, unit: float, exponent: int, neuron: FixedNeuron, bias: np.ndarray | None
) -> FixedConvSpec:
    assert isinstance(neuron, FixedLIF)
    return FixedConvSpec(
        layer.name,
        round_even(layer.weight / weight_step(unit, exponent)),
        neuron,
        unit,
        layer.input_shape,
        exponent,
        bias,
        layer.stride,
        layer.padding,
    )


def round_even(values: np.ndarray) -> np.ndarray:
    """The nearest even integers in -254..254: int64, any shape."""
    return np.clip(2 * np.rint(values / 2), -WEIGHT_MAX, WEIGHT_MAX).astype(np.int64)


def round_bias(values: np.ndarray) -> np.ndarray:
    """The nearest integers that are a 13-bit mantissa times 2^0..7: int64 [post]."""
    low, high = (limit << BIAS_EXPONENT_MAX for limit in BIAS_MANTISSA_LIMITS)
    whole = np.clip(np.rint(values), low, high).astype(np.int64)
    _, exponents = split_bias(whole)
    rounded = np.rint(values / 2.0**exponents)
    mantissas = np.clip(rounded, *BIAS_MANTISSA_LIMITS).astype(np.int64)
    return mantissas << exponents


def _scale(layer: LayerSpec, headroom: float) -> tuple[float, int, FixedNeuron]:
    """(membrane_unit, weight_exponent, neuron) of a layer."""
    weights = _all_weights(layer)
    largest = float(np.abs(weights).max())
    if largest == 0:
        raise ValueError("all its weights are 0, so it has no scale; train it, or leave it out")
    per_unit = best_scale(weights) / headroom
    reference = layer.neuron.v_threshold if isinstance(layer.neuron, LIF) else 1.0
    bias = 0.0 if layer.bias is None else float(np.abs(layer.bias).max()) / reference
    allowed = THRESHOLD_RANGE if isinstance(layer.neuron, LIF) else READOUT_RANGE
    exponent = _exponent(per_unit * reference, allowed, bias)
    mantissa = max(1, round(per_unit * reference * 2.0**exponent))
    threshold = (mantissa << ALIGNMENT_BITS) + 1
    return reference / threshold, -exponent, _neuron(layer.neuron, threshold)


def best_scale(weights: np.ndarray) -> float:
    """Integers per unit of weight with the least squared error after rounding and clipping."""
    largest = np.abs(weights).max()
    scales = CLIPPING * WEIGHT_MAX / largest
    errors = [float(((round_even(weights * s) / s - weights) ** 2).sum()) for s in scales]
    return float(scales[int(np.argmin(errors))])


def _exponent(mantissa: float, allowed: tuple[int, int], bias: float) -> int:
    """k for which the mantissa 2^k is allowed, as near to 0 as possible.

    A bias of `bias` thresholds must also fit: 64 times bias times the mantissa below 4096 2^7.
    """
    low, high = allowed
    if bias > 0:
        high = min(high, BIAS_MANTISSA_LIMITS[1] * 2 ** (BIAS_EXPONENT_MAX - ALIGNMENT_BITS) / bias)
    found = 0
    while mantissa * 2.0**found > high and found > -WEIGHT_EXPONENT_MAX:
        found -= 1
    while mantissa * 2.0**found < low and found < -WEIGHT_EXPONENT_MIN:
        found += 1
    return found


def _neuron(neuron: Neuron, threshold: int) -> FixedNeuron:
    decay = quantise_decay(neuron.decay).integer
    if isinstance(neuron, LIF):
        return FixedLIF(decay, threshold, neuron.reset, neuron.surrogate)
    return FixedLinear(decay) if isinstance(neuron, LinearReadout) else FixedIntegrator(decay)


def _all_weights(layer: LayerSpec) -> np.ndarray:
    if isinstance(layer, DenseSpec) and layer.recurrent_weight is not None:
        return np.concatenate([layer.weight.ravel(), layer.recurrent_weight.ravel()])
    return layer.weight.ravel()


def dequantize(fixed: FixedNetworkSpec, spec: NetworkSpec) -> NetworkSpec:
    """The float network that the integers are worth: weights and biases, the rest as in `spec`.

    `spec` is the network that `fixed` was quantised from.
    """
    pairs = zip(spec.layers, fixed.layers, strict=True)
    return replace(spec, layers=tuple(_float_layer(*pair) for pair in pairs))


def _float_layer(layer: LayerSpec, fixed: FixedLayerSpec) -> LayerSpec:
    step, bias = fixed.weight_step, None
    if layer.bias is not None:
        bias = np.zeros(len(layer.bias)) if fixed.bias is None else fixed.bias * fixed.membrane_unit
        if fixed.bias_weight is not None:
            bias = bias + fixed.bias_weight * step
    changes: dict[str, Any] = {"weight": fixed.weight * step, "bias": bias}
    if isinstance(fixed, FixedDenseSpec) and fixed.recurrent_weight is not None:
        changes["recurrent_weight"] = fixed.recurrent_weight * step
    return replace(layer, **changes)
