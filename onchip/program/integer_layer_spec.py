"""Integer layers: weights, biases and scales of one layer each, as `onchip.network.layer_spec`."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import (
    ALIGNMENT_BITS,
    BIAS_EXPONENT_MAX,
    BIAS_MANTISSA_LIMITS,
    IMPULSE_BITS,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
    WEIGHT_LIMITS,
    require_integer,
)
from onchip.arithmetic.membrane import require_held
from onchip.checks import require_between
from onchip.network.arrays import integers
from onchip.network.layer_spec import ConvShape, DenseShape, conv_output_shape, equal_fields
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.table import CHAIN_NEURONS
from onchip.program.integer_traces import FixedFilter
from onchip.program.rates import FixedRate


@dataclass(frozen=True)
class FixedPlasticity:
    """How one layer's synapses learn: trace `impulse` 1..127 per spike, `rate` of the rule.

    The impulse is that of x1, whose time constant follows from the neuron's decay and the schedule;
    `second` is that of x2, the faster of two exponentials whose difference is the trace of a
    current-based neuron, None for others; `filter` is that of eligibilities that are filtered.
    """

    impulse: int
    rate: FixedRate
    second: int | None = None
    filter: FixedFilter | None = None

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_integer("plasticity: impulse", self.impulse, 1, 2**IMPULSE_BITS - 1)
        if self.second is not None:
            require_integer("plasticity: second", self.second, 1, 2**IMPULSE_BITS - 1)


@dataclass(frozen=True, eq=False)
class FixedDenseSpec(DenseShape):
    """A dense layer of integers: I[n] = (W s_in[n] 2^exponent + R s_own[n-1] 2^exponent) 2^6 + b.

    `weight` [post, pre], `recurrent_weight` [post, post] or None and `bias_weight` [post] or None
    (synapses of an always-on unit, which a plastic layer learns) hold integers in -256..255;
    `bias` [post] or None is added to the membrane, each a 13-bit mantissa times 2^0..7;
    `weight_exponent` in -8..7 shifts each connection's sum (a negative one floors it);
    `membrane_unit` is one membrane integer in the float network's unit; `plasticity` is None for
    frozen layers. Synapses of mixed sign have no lowest bit: an execution drops it when it loads
    the weights (see `onchip.engine.loihi_synapses.initial_state`). Raises ValueError outside of
    these ranges.
    """

    name: str
    weight: np.ndarray
    neuron: Neuron
    membrane_unit: float
    weight_exponent: int = 0
    bias: np.ndarray | None = None
    bias_weight: np.ndarray | None = None
    recurrent_weight: np.ndarray | None = None
    plasticity: FixedPlasticity | None = None

    def __post_init__(self) -> None:
        """Copy the arrays to read-only int64 and check shapes and ranges."""
        where = f"layer {self.name!r}"
        _check_common(self, where)
        freeze_integers(self, "weight", where, 2, WEIGHT_LIMITS)
        post = self.weight.shape[0]
        freeze_integers(self, "bias_weight", where, 1, WEIGHT_LIMITS, (post,))
        freeze_integers(self, "recurrent_weight", where, 2, WEIGHT_LIMITS, (post, post))
        _freeze_bias(self, where, post)
        if self.recurrent_weight is not None and not isinstance(self.neuron, LIF):
            raise ValueError(f"{where}: recurrent_weight needs LIF neurons")
        if self.bias_weight is not None and self.plasticity is None:
            raise ValueError(f"{where}: bias_weight is for plastic layers; use bias")

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def plastic(self) -> bool:
        """Whether the layer learns."""
        return self.plasticity is not None

    @property
    def weight_step(self) -> float:
        """One integer weight in the float network's unit."""
        return weight_step(self.membrane_unit, self.weight_exponent)


@dataclass(frozen=True, eq=False)
class FixedConvSpec(ConvShape):
    """A frozen convolution of integers; the fields of `ConvSpec` and `FixedDenseSpec`.

    `weight` [out, in, kernel_h, kernel_w], `bias` [out] or None, `input_shape` (in, height, width),
    `stride` and `padding` (vertical, horizontal).
    """

    name: str
    weight: np.ndarray
    neuron: LIF
    membrane_unit: float
    input_shape: tuple[int, int, int]
    weight_exponent: int = 0
    bias: np.ndarray | None = None
    stride: tuple[int, int] = (1, 1)
    padding: tuple[int, int] = (0, 0)

    plastic = False
    plasticity = None
    bias_weight = None
    recurrent_weight = None

    def __post_init__(self) -> None:
        """Copy the arrays to read-only int64 and check shapes and ranges."""
        where = f"layer {self.name!r}"
        _check_common(self, where)
        if not isinstance(self.neuron, LIF):
            raise ValueError(f"{where}: a convolution needs LIF neurons")
        freeze_integers(self, "weight", where, 4, WEIGHT_LIMITS)
        for attribute, count in (("input_shape", 3), ("stride", 2), ("padding", 2)):
            values = integers(f"{where}: {attribute}", getattr(self, attribute), count)
            object.__setattr__(self, attribute, values)
        _freeze_bias(self, where, self.weight.shape[0])
        conv_output_shape(self, where)

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]

    @property
    def weight_step(self) -> float:
        """One integer weight in the float network's unit."""
        return weight_step(self.membrane_unit, self.weight_exponent)


FixedLayerSpec = FixedDenseSpec | FixedConvSpec


def weight_step(membrane_unit: float, weight_exponent: int) -> float:
    """membrane_unit 2^(6 + weight_exponent): one integer weight in the float network's unit."""
    return float(membrane_unit * 2.0 ** (ALIGNMENT_BITS + weight_exponent))


def _check_common(layer: FixedLayerSpec, where: str) -> None:
    if type(layer.neuron) not in CHAIN_NEURONS:
        valid = ", ".join(kind.__name__ for kind in CHAIN_NEURONS)
        raise ValueError(f"{where} has {type(layer.neuron).__name__} neurons; it needs {valid}")
    require_held(where, layer.neuron)
    require_between(f"{where}: membrane_unit", layer.membrane_unit, 0, 1e30, open_low=True)
    require_integer(
        f"{where}: weight exponent", layer.weight_exponent, WEIGHT_EXPONENT_MIN, WEIGHT_EXPONENT_MAX
    )


def freeze_integers(
    owner: Any,
    attribute: str,
    where: str,
    ndim: int,
    limits: tuple[int, int],
    shape: tuple[int, ...] | None = None,
) -> None:
    """Replace the attribute by a read-only int64 copy, checked; None stays (but for weights)."""
    value = getattr(owner, attribute)
    if value is None and attribute != "weight":
        return
    array = np.asarray(value)
    name = f"{where}: {attribute}"
    if not np.issubdtype(array.dtype, np.integer) or array.ndim != ndim or array.size == 0:
        raise ValueError(
            f"{name} has type {array.dtype} and shape {array.shape}; it needs {ndim} dimensions of "
            "integers, none of them empty"
        )
    if shape is not None and array.shape != shape:
        raise ValueError(f"{name} has shape {array.shape}; the weight needs {shape}")
    low, high = limits
    if array.min() < low or array.max() > high:
        worst = array.min() if array.min() < low else array.max()
        raise ValueError(f"{name} holds {worst}; it must lie in {low}..{high}, rescale the layer")
    array = np.array(array, dtype=np.int64, order="C")
    array.setflags(write=False)
    object.__setattr__(owner, attribute, array)


def _freeze_bias(layer: FixedLayerSpec, where: str, post: int) -> None:
    low, high = (limit << BIAS_EXPONENT_MAX for limit in BIAS_MANTISSA_LIMITS)
    freeze_integers(layer, "bias", where, 1, (low, high), (post,))
    if layer.bias is not None:
        mantissas, exponents = split_bias(layer.bias)
        wrong = layer.bias[mantissas << exponents != layer.bias]
        if wrong.size:
            raise ValueError(
                f"{where}: bias {wrong[0]} is no 13-bit mantissa times a power of two; round it"
            )


def split_bias(bias: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(mantissas, exponents 0..7) of integer biases, the smallest exponent that holds each."""
    low, high = BIAS_MANTISSA_LIMITS
    exponents = np.zeros(bias.shape, np.int64)
    for _ in range(BIAS_EXPONENT_MAX):
        mantissas = bias >> exponents
        exponents += (mantissas < low) | (mantissas > high)
    return np.clip(bias >> exponents, low, high), exponents


def with_bias(spec: FixedDenseSpec) -> np.ndarray:
    """Weights [post, pre], those of the always-on unit (if there is one) as a last column."""
    if spec.bias_weight is None:
        return spec.weight
    return np.concatenate((spec.weight, spec.bias_weight[:, np.newaxis]), axis=1)


def with_weights(
    spec: FixedDenseSpec, weights: np.ndarray, recurrent: np.ndarray | None
) -> FixedDenseSpec:
    """The layer with learned weights, laid out as `with_bias` does."""
    if spec.bias_weight is None:
        return replace(spec, weight=weights, recurrent_weight=recurrent)
    return replace(
        spec, weight=weights[:, :-1], bias_weight=weights[:, -1], recurrent_weight=recurrent
    )
