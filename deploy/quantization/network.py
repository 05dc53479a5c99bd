"""From a float network to Loihi's integers, layer by layer, learning section included.

`onchip.deploy.quantization.scales` finds what the integers are worth,
`onchip.deploy.quantization.learning` turns error, feedback and learning rates into integers.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from onchip.arithmetic.loihi import MEMBRANE_MAX, drop_lowest_bit, quantize_decay
from onchip.checks import require_between
from onchip.deploy.offline import refuse_offline
from onchip.deploy.quantization.graph import quantize_graph
from onchip.deploy.quantization.graph_factors import is_shared
from onchip.deploy.quantization.graph_worth import dequantize_graph
from onchip.deploy.quantization.learning import naming_layer, quantize_learning
from onchip.deploy.quantization.reach import lowered, reach, sums_of, warn_without_exponents
from onchip.deploy.quantization.scales import Scale, find_scale, round_bias, round_even, scale_like
from onchip.network.graph import Network
from onchip.network.layer_spec import ConvSpec, LayerSpec
from onchip.network.spec import NetworkSpec
from onchip.neurons.lif import LIF
from onchip.neurons.table import Neuron
from onchip.program.chip_network import ChipNetwork
from onchip.program.graphs import as_graph
from onchip.program.integer_layer_spec import (
    FixedConvSpec,
    FixedDenseSpec,
    FixedLayerSpec,
    weight_step,
)
from onchip.program.integer_spec import FixedNetworkSpec

USUAL_HEADROOM = 1.25

SHARED_HEADROOM = 0.6
"""Steps half as large as 1.25's: learning online by small updates is then about as good as in
floating point, for a few clipped weights (`tests/benchmarks/bench_plastic_depth.py`)."""


@dataclass(frozen=True)
class Quantization:
    """How to quantize.

    `schedule` on which the network will learn; `headroom` in 0.125..64: how many times the largest
    weight of a plastic layer fits below the integers' limit, so that learning has room; the steps
    of learning are as many times coarser, so a network that learns from scratch by small steps does
    better with less than 1, which clips its few largest weights; None takes `SHARED_HEADROOM`
    where shared weights learn, else `USUAL_HEADROOM`. `seed` of the learning's
    roundings; `netx`: only scales and biases that lava-dl's netx can read too (no weight exponents,
    coarser biases). `late_updates`: online updates of a graph on the sequenced schedule wait a step
    in the synapses' tags, which resolve them 32 times finer (the network then says
    `update_delay` 1); None does so where weights are shared, as those of a convolution, whose many
    small products are lost otherwise.
    """

    schedule: str = "sequenced"
    headroom: float | None = None
    seed: int = 0
    netx: bool = False
    late_updates: bool | None = None

    def __post_init__(self) -> None:
        """Check the range."""
        if self.headroom is not None:
            require_between("quantization: headroom", self.headroom, 0.125, 64)

    def headroom_of(self, spec: NetworkSpec | Network) -> float:
        """Return the headroom, or the default one for a network."""
        if self.headroom is not None:
            return self.headroom
        shared = isinstance(spec, Network) and any(
            c.plastic and is_shared(c) for c in spec.connections
        )
        return SHARED_HEADROOM if shared else USUAL_HEADROOM


@overload
def quantize(
    spec: Network, settings: Quantization | None = None, like: ChipNetwork | None = None
) -> ChipNetwork: ...


@overload
def quantize(
    spec: NetworkSpec, settings: Quantization | None = None, like: FixedNetworkSpec | None = None
) -> FixedNetworkSpec: ...


def quantize(
    spec: NetworkSpec | Network,
    settings: Quantization | None = None,
    like: FixedNetworkSpec | ChipNetwork | None = None,
) -> FixedNetworkSpec | ChipNetwork:
    """The integer network of a float one, learning section included.

    `like`, an earlier quantization of this network, lends its scales and thresholds: none is looked
    for. Raises ValueError, naming the layer, for what integers cannot hold: a decay below 1/8192, a
    layer of zeros, a surrogate without an integer form where the layer needs one, a learning rate
    out of reach.
    """
    refuse_offline(spec, "quantize")
    settings = settings or Quantization()
    if isinstance(spec, Network):
        earlier = like if isinstance(like, ChipNetwork) else None
        room = settings.headroom_of(spec)
        return quantize_graph(
            spec, settings.schedule, room, settings.seed, settings.late_updates, earlier
        )
    if settings.late_updates:
        raise ValueError(
            "quantize: late_updates is for graphs; make one with onchip.network.chain.graph_of"
        )
    given = None if isinstance(like, ChipNetwork) else like
    layers = tuple(_layer(layer, settings, given, spec.time_steps) for layer in spec.layers)
    fixed = FixedNetworkSpec(
        layers,
        spec.input_shape,
        spec.time_steps,
        metadata=spec.metadata,
    )
    if spec.learning is None:
        return fixed
    return quantize_learning(spec, fixed, settings.schedule, settings.seed)


def _layer(
    layer: LayerSpec, settings: Quantization, like: FixedNetworkSpec | None, steps: int
) -> FixedLayerSpec:
    """The layer in integers, without its learning."""
    with naming_layer(layer.name):
        if like is not None:
            return _scaled(layer, scale_like(layer, like), settings.netx)
        headroom = settings.headroom or USUAL_HEADROOM
        scale = find_scale(layer, headroom, settings.netx)
        found = _scaled(layer, scale, settings.netx)
        if layer.neuron.spiking:
            return found
        room = max(1.0, headroom) if layer.plastic else 1.0
        while (reaches := room * _reach(found, steps)) > MEMBRANE_MAX:
            if settings.netx:
                warn_without_exponents(layer.name, reaches)
                return found
            scale = lowered(scale, reaches)
            found = _scaled(layer, scale, settings.netx)
        return found


def _reach(readout: FixedLayerSpec, steps: int) -> float:
    sums = sums_of(readout.weight, readout.weight_exponent)
    return reach([sums], readout.bias, readout.neuron, steps)


def _scaled(layer: LayerSpec, scale: Scale, netx: bool) -> FixedLayerSpec:
    """The layer in integers of this scale."""
    neuron = _neuron(layer.neuron, scale.threshold)
    step = weight_step(scale.membrane_unit, scale.weight_exponent)
    bias = None if layer.bias is None else round_bias(layer.bias / scale.membrane_unit, netx)
    if isinstance(layer, ConvSpec):
        return _conv(layer, scale, neuron, bias)
    recurrent = layer.recurrent_weight
    return FixedDenseSpec(
        layer.name,
        round_even(layer.weight / step),
        neuron,
        scale.membrane_unit,
        scale.weight_exponent,
        bias,
        recurrent_weight=None if recurrent is None else round_even(recurrent / step),
    )


def _conv(layer: ConvSpec, scale: Scale, neuron: Neuron, bias: np.ndarray | None) -> FixedConvSpec:
    assert isinstance(neuron, LIF)
    step = weight_step(scale.membrane_unit, scale.weight_exponent)
    return FixedConvSpec(
        layer.name,
        round_even(layer.weight / step),
        neuron,
        scale.membrane_unit,
        layer.input_shape,
        scale.weight_exponent,
        bias,
        layer.stride,
        layer.padding,
    )


def _neuron(neuron: Neuron, threshold: int) -> Neuron:
    """The neuron with constants that the chip holds, its threshold in membrane integers."""
    held: dict[str, Any] = {"decay": quantize_decay(neuron.decay).realised}
    if isinstance(neuron, LIF):
        held["v_threshold"] = threshold
    return replace(neuron, **held)  # type: ignore[type-var]


@overload
def dequantize(fixed: ChipNetwork, spec: Network) -> Network: ...


@overload
def dequantize(fixed: FixedNetworkSpec, spec: NetworkSpec) -> NetworkSpec: ...


def dequantize(
    fixed: FixedNetworkSpec | ChipNetwork, spec: NetworkSpec | Network
) -> NetworkSpec | Network:
    """The float network that the integers are worth: weights, biases and the learning rate.

    All else is as in `spec`, the network that `fixed` was quantized from. Weights are worth what an
    execution makes of them: without their lowest bit (learned ones may be odd).
    """
    if isinstance(fixed, Network) or isinstance(spec, Network):
        chip: Any = as_graph(fixed)
        return dequantize_graph(chip, as_graph(spec))
    pairs = zip(spec.layers, fixed.layers, strict=True)
    layers = tuple(_float_layer(*pair) for pair in pairs)
    rates = {layer.plasticity.rate.wanted for layer in fixed.layers if layer.plasticity} - {0.0}
    learning = spec.learning
    if learning is not None and len(rates) == 1:
        learning = replace(learning, learning_rate=rates.pop())
    return replace(spec, layers=layers, learning=learning)


def _float_layer(layer: LayerSpec, fixed: FixedLayerSpec) -> LayerSpec:
    step, bias = fixed.weight_step, None
    if layer.bias is not None:
        bias = np.zeros(len(layer.bias)) if fixed.bias is None else fixed.bias * fixed.membrane_unit
        if fixed.bias_weight is not None:
            bias = bias + drop_lowest_bit(fixed.bias_weight) * step
    changes: dict[str, Any] = {"weight": drop_lowest_bit(fixed.weight) * step, "bias": bias}
    if fixed.recurrent_weight is not None:
        changes["recurrent_weight"] = drop_lowest_bit(fixed.recurrent_weight) * step
    return replace(layer, **changes)
