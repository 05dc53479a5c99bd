"""The part of a network file that lava-dl's netx reads: inference, in the group /layer.

`lava.lib.dl.netx.hdf5.Network(net_config=path, reset_interval=T, reset_offset=1)` of lava-dl 0.6.0
then does what `onchip.engine.engine.Engine.run` does, on Lava's `fixed_pt` models:
layer l = 0, 1, ... answers step n = 0, 1, ... of sample k in Lava step k T + n + l + 2. (Without
the two arguments the first sample alone is right, and only without biases: those drive a layer
before its first input arrives.) Input spikes are flat in C order, or [width, height, channels] into
a convolution. A spiking readout's spikes are at `network.out`. A readout that does not spike is a
LIF of the largest threshold, 131071 2^6, so `network.out` stays silent and its output is
`network.layers[-1].neuron.v`; a spike there says that the membrane has left its 24 bits.

    /layer/0            type "input", shape
    /layer/1 ...        type "dense", "conv" or "flatten", shape, weight, bias / 2^6 (and for
                        convolutions stride, padding, dilation, groups); all of them datasets
    /layer/1/neuron     type "CUBA", iDecay 4096 (no memory of the current), vDecay, vThMant

What netx cannot express is refused: soft reset, recurrent weights (they would carry spikes from one
sample into the next), thresholds other than 64 m + 1 (its LIF fires above vThMant 2^6), weight
exponents that do not fold into the weights' 8 bits and a sign, biases that are no multiple of 64,
dense layers without a positive weight (netx scales them wrongly), sums that could overflow the
current, which wraps around. Learning is never part of it; the weights are the present ones.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.arithmetic.loihi import (
    ALIGNMENT_BITS,
    BIAS_MANTISSA_LIMITS,
    DECAY_UNITY,
    THRESHOLD_MAX,
    drop_lowest_bit,
)
from onchip.arithmetic.membrane import decay_integer
from onchip.deploy.files.tree import INTEGERS, Node, text
from onchip.network.spec import is_convolution
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LinearReadout
from onchip.program.integer_layer_spec import FixedLayerSpec
from onchip.program.integer_spec import FixedNetworkSpec

GROUP = "layer"
"""Name of the group that netx reads; without it, netx fails on the file."""

REFUSED = "netx_refused"
"""Attribute of the root that says why there is no such group."""

WEIGHT_RANGE = (-256, 254)
"""Weights of mixed sign, 8 bits and a sign without the lowest bit."""

SUM_MAX = 2**17 - 1
"""Largest sum of weights whose 2^6-fold the 24-bit current holds."""

GEOMETRY_MAX = 63
"""Lava computes with strides, paddings and kernel sizes in signed bytes, and doubles some."""


def add_netx(root: Node, spec: FixedNetworkSpec) -> None:
    """Add the group /layer to the root of a file, or the attribute that says why there is none."""
    try:
        root.children[GROUP] = netx_tree(spec)
    except ValueError as error:
        root.attributes[REFUSED] = str(error)


def netx_tree(spec: FixedNetworkSpec) -> Node:
    """The group /layer of a network; ValueError, naming the layer, for what netx cannot express."""
    group = Node(f"/{GROUP}")
    first = _add(group, "input")
    first.arrays["shape"] = _integers(spec.input_shape)
    flat = True
    for layer in spec.layers:
        if not flat and not is_convolution(layer):
            _add(group, "flatten")
        _check_expressible(layer)
        _write_layer(layer, _add(group, "conv" if is_convolution(layer) else "dense"))
        flat = not is_convolution(layer)
    return group


def _add(group: Node, kind: str) -> Node:
    node = group.add(str(len(group.children)))
    node.arrays["type"] = text(kind)
    return node


def _integers(values: object) -> np.ndarray:
    return np.array(values, dtype=INTEGERS)


def _write_layer(layer: Any, node: Node) -> None:
    weight = _fold(layer, layer.weight)
    _check_weight(layer, weight)
    node.arrays |= {"shape": _integers(layer.output_shape), "weight": _integers(weight)}
    bias = _bias(layer)
    if bias is not None:
        node.arrays["bias"] = _integers(bias)
    if is_convolution(layer):
        node.arrays |= {
            "stride": _integers(layer.stride),
            "padding": _integers(layer.padding),
            "dilation": _integers((1, 1)),
            "groups": _integers(1),
        }
    _write_neuron(layer.neuron, node.add("neuron"))


def _write_neuron(neuron: Neuron, node: Node) -> None:
    threshold = int(neuron.v_threshold) >> ALIGNMENT_BITS if isinstance(neuron, LIF) else None
    decay = DECAY_UNITY if isinstance(neuron, LinearReadout) else decay_integer(neuron.decay)
    node.arrays |= {
        "type": text("CUBA"),
        "iDecay": _integers(DECAY_UNITY),
        "vDecay": _integers(decay),
        "vThMant": _integers(THRESHOLD_MAX if threshold is None else threshold),
    }


def _where(layer: FixedLayerSpec) -> str:
    return f"layer {layer.name!r:.60}"


def _check_expressible(layer: FixedLayerSpec) -> None:
    """Refuse what the layer's neurons and connections cannot be in netx."""
    where, neuron = _where(layer), layer.neuron
    if isinstance(neuron, LIF) and neuron.reset != "hard":
        raise ValueError(
            f"{where} has {neuron.reset} reset, but netx's neurons reset to 0; "
            "train it with hard reset"
        )
    if isinstance(neuron, LIF) and neuron.v_threshold % 2**ALIGNMENT_BITS != 1:
        raise ValueError(
            f"{where}: threshold {neuron.v_threshold} is not of the form 64 m + 1, which netx's "
            "neurons have; quantize it so"
        )
    if layer.recurrent_weight is not None:
        raise ValueError(
            f"{where} has recurrent weights, whose last spikes netx would carry into the next "
            "sample; leave them out"
        )
    if is_convolution(layer):
        _check_geometry(layer)


def _check_geometry(layer: Any) -> None:
    largest = max(*layer.weight.shape[2:], *layer.stride, *layer.padding)
    if largest > GEOMETRY_MAX:
        raise ValueError(
            f"{_where(layer)}: kernel, stride or padding of {largest} is above netx's "
            f"{GEOMETRY_MAX}; use a smaller one"
        )


def _fold(layer: FixedLayerSpec, weight: np.ndarray) -> np.ndarray:
    """`weight` 2^exponent, as an execution loads it: int64, same shape."""
    weight, exponent = drop_lowest_bit(weight), layer.weight_exponent
    if exponent >= 0:
        return weight << exponent
    folded = weight >> -exponent
    if (folded << -exponent != weight).any():
        raise ValueError(
            f"{_where(layer)}: weight exponent {exponent} would round the sums of weights, and "
            "netx has no exponents; quantize it with exponent 0"
        )
    return folded


def _check_weight(layer: FixedLayerSpec, weight: np.ndarray) -> None:
    where, (low, high) = _where(layer), WEIGHT_RANGE
    if weight.min() < low or weight.max() > high:
        worst = weight.min() if weight.min() < low else weight.max()
        raise ValueError(
            f"{where}: weight {worst} (exponent {layer.weight_exponent} included) is outside of "
            f"netx's {low}..{high}; quantize it with exponent 0"
        )
    if not is_convolution(layer) and weight.max() <= 0:
        raise ValueError(
            f"{where} has no positive weight, and netx scales such layers wrongly; train it longer"
        )
    rows = weight.reshape(len(weight), -1)
    largest = max(rows.clip(min=0).sum(axis=1).max(), -rows.clip(max=0).sum(axis=1).min())
    if largest > SUM_MAX:
        raise ValueError(
            f"{where}: the weights of one neuron sum up to {largest}, beyond the {SUM_MAX} that "
            "netx's current holds; make the layer smaller"
        )


def _bias(layer: FixedLayerSpec) -> np.ndarray | None:
    """The bias / 2^6 [post], that of a plastic layer's always-on unit included, or None."""
    bias = None
    if layer.bias is not None and layer.bias.any():
        wrong = layer.bias[layer.bias % 2**ALIGNMENT_BITS != 0]
        if wrong.size:
            raise ValueError(
                f"{_where(layer)}: bias {wrong[0]} is no multiple of 64, the unit of netx's "
                "biases; round it so, or train the layer without biases"
            )
        bias = layer.bias >> ALIGNMENT_BITS
    if layer.bias_weight is not None:
        bias = _fold(layer, layer.bias_weight) + (0 if bias is None else bias)
    low, high = BIAS_MANTISSA_LIMITS
    if bias is not None and (bias.min() < low or bias.max() > high):
        raise ValueError(
            f"{_where(layer)}: a bias beyond {low}..{high} times 64 does not fit netx's neurons; "
            "rescale the layer"
        )
    return bias
