"""What of an integer layer Loihi 2 cannot hold: weights, thresholds, biases, potentials."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from onchip.arithmetic.loihi import (
    ALIGNMENT_BITS,
    BIAS_MANTISSA_LIMITS,
    WEIGHT_LIMITS,
    shift_activation,
)
from onchip.arithmetic.membrane import decay_integer
from onchip.deploy.checks.findings import Finding, compare, demand, layer_name
from onchip.deploy.checks.limits import DENSE_MODEL, LIF_MODEL
from onchip.deploy.quantization.scales import WEIGHT_MAX
from onchip.neurons.lif import LIF
from onchip.program.integer_layer_spec import FixedLayerSpec, split_bias

AT_LIMIT_SHARE = 0.05
"""A larger share of weights at the limit is warned of."""

THRESHOLD_STEP = 2**ALIGNMENT_BITS


def integer_layer_findings(layer: FixedLayerSpec) -> Iterator[Finding]:
    """Findings about the weights, the neurons and the bias of one layer."""
    where, arrays = layer_name(layer), _arrays(layer)
    yield compare("weight", where, worst_of(arrays))
    yield compare("weight exponent", where, layer.weight_exponent)
    yield odd_weights(where, "odd weights", arrays)
    yield weights_at_limit(where, arrays)
    yield demand(
        bool(np.any(layer.weight)),
        "error",
        where,
        "integer weights",
        "not all 0" if np.any(layer.weight) else "all 0",
        "at least one that is not 0",
        "quantize the layer again, or leave it out",
    )
    yield compare("input of one step", where, largest_input(layer), "warning")
    yield compare("integer decay", where, decay_integer(layer.neuron.decay))
    if isinstance(layer.neuron, LIF):
        yield from threshold_findings(where, int(layer.neuron.v_threshold))
    if layer.bias is not None:
        yield from bias_findings(where, layer.bias)


def _arrays(layer: FixedLayerSpec) -> list[np.ndarray]:
    """All synaptic weights of a layer."""
    arrays = (layer.weight, layer.recurrent_weight, layer.bias_weight)
    return [array for array in arrays if array is not None]


def worst_of(arrays: Sequence[np.ndarray], limits: tuple[int, int] = WEIGHT_LIMITS) -> int:
    """The least value where it is below the limits, else the largest one."""
    least = min(int(array.min()) for array in arrays)
    return least if least < limits[0] else max(int(array.max()) for array in arrays)


def odd_weights(where: str, quantity: str, arrays: Sequence[np.ndarray]) -> Finding:
    """Synapses of mixed sign, which all executions here use, have no lowest bit."""
    odd = sum(int((array & 1).sum()) for array in arrays)
    return demand(
        odd == 0,
        "warning",
        where,
        quantity,
        odd,
        "even in synapses of mixed sign",
        "quantize again, or accept that they lose the lowest bit when they are loaded",
        DENSE_MODEL,
    )


def weights_at_limit(where: str, arrays: Sequence[np.ndarray]) -> Finding:
    """Clipped weights lost their differences; those that learn cannot grow any more."""
    size = sum(array.size for array in arrays)
    share = sum(int((np.abs(array) >= WEIGHT_MAX).sum()) for array in arrays) / size
    return demand(
        share <= AT_LIMIT_SHARE,
        "warning",
        where,
        "weights at the limit",
        share,
        f"at most {AT_LIMIT_SHARE:.0%} of them",
        "quantize with more headroom, or lower the largest weights",
    )


def largest_input(layer: FixedLayerSpec) -> int:
    """|I| of one step, at most: all inputs whose weights have one sign spike, and the bias helps.

    Membrane integers; weights as they are now, without what learning may add.
    """
    bias = np.zeros(1, np.int64) if layer.bias is None else layer.bias
    return max(_largest(layer, bias, sign) for sign in (1, -1))


def _largest(layer: FixedLayerSpec, bias: np.ndarray, sign: int) -> int:
    total = np.zeros(layer.weight.shape[0], np.int64)
    for array in _arrays(layer):
        total += np.maximum(sign * array, 0).reshape(len(array), -1).sum(axis=1)
    activation = np.abs(shift_activation(sign * total, layer.weight_exponent))
    return int(((activation << ALIGNMENT_BITS) + np.maximum(sign * bias, 0)).max())


def threshold_findings(where: str, threshold: int) -> Iterator[Finding]:
    """Ours fires at u >= Vth; a chip's at u > 64 m, which is the same where Vth = 64 m + 1."""
    mantissa = (threshold - 1) >> ALIGNMENT_BITS
    yield compare("threshold mantissa", where, mantissa)
    nearest = max(0, round((threshold - 1) / THRESHOLD_STEP)) * THRESHOLD_STEP + 1
    yield demand(
        (threshold - 1) % THRESHOLD_STEP == 0,
        "warning",
        where,
        "threshold form",
        threshold,
        f"{THRESHOLD_STEP} m + 1 (fires above {THRESHOLD_STEP} m)",
        f"use {nearest}, or run the neuron as microcode",
        LIF_MODEL,
    )


def bias_findings(where: str, bias: np.ndarray) -> Iterator[Finding]:
    """The bias as a mantissa and the least exponent that holds it; no bit may be left over."""
    _, exponents = split_bias(bias)
    mantissas = bias >> exponents
    yield compare("bias mantissa", where, worst_of([mantissas], BIAS_MANTISSA_LIMITS))
    lost = bias[mantissas << exponents != bias]
    yield demand(
        lost.size == 0,
        "error",
        where,
        "bias",
        int(lost[0]) if lost.size else int(np.abs(bias).max()),
        "13 bits times 2^0..7",
        "round the bias to 13 bits times a power of two",
        LIF_MODEL,
    )
