"""Networks that lava-dl wrote (.net): what its netx would run, as integers here.

The layout is that of `onchip.deploy.files.netx`; slayer writes floats that are integers, one more
dimension in some kernels and layers with three dimensions. A layer without neurons, and a last one
whose threshold is the largest, 131071, is a readout. What netx's neurons do and no integers here do
is refused: currents that remember (iDecay below 4096), delays, refractory times above 1, graded
spikes, sigma-delta and resonate-and-fire neurons, pools, recurrent layers.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from onchip.arithmetic.loihi import ALIGNMENT_BITS, DECAY_UNITY, THRESHOLD_MAX
from onchip.arithmetic.membrane import decay_of
from onchip.deploy.files.hdf5 import Bundle
from onchip.deploy.files.netx import GROUP
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.spec import NetworkSpec
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec, FixedLayerSpec
from onchip.program.integer_spec import FixedNetworkSpec

KINDS = ("CUBA", "LOIHI")
"""Types of neurons that are leaky integrate-and-fire neurons."""

TRACE_DECAY = 0.5
"""Of a readout without memory, whose learning has a trace all the same."""


def read_netx(path: str | Path, *, time_steps: int, skip_input_neurons: bool = False) -> Bundle:
    """Return the integers of a file of lava-dl, and the float network that they are worth.

    Spikes of the integers are netx's, of `reset_interval=time_steps` and `reset_offset=1`. An input
    layer may have neurons that turn numbers into spikes: `skip_input_neurons` takes the spikes as
    the input. Raises FileNotFoundError where there is no file and ValueError, naming the layer, for
    what is no such file and for what integers here cannot do.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"lava-dl file {path} does not exist; name one of export_hdf5")
    try:
        with h5py.File(path, "r") as file:
            group = file.get(GROUP)
            layers = [] if group is None else [group[name] for name in sorted(group, key=int)]
            return _bundle(layers, time_steps, skip_input_neurons)
    except (OSError, KeyError, TypeError, RuntimeError, AttributeError) as error:
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"lava-dl file {path}: it is damaged or of another program ({reason}); export it again"
        ) from None
    except ValueError as error:
        raise ValueError(f"lava-dl file {path}: {error}") from None


def _bundle(groups: list[Any], time_steps: int, skip_input_neurons: bool) -> Bundle:
    if len(groups) < 2 or _text(groups[0]["type"]) != "input":
        raise ValueError("it has no group /layer that begins with an input; export it again")
    if "neuron" in groups[0] and not skip_input_neurons:
        raise ValueError(
            "layer 0: its input has neurons that turn numbers into spikes; pass "
            "skip_input_neurons=True and give their spikes as frames"
        )
    shape = tuple(int(side) for side in groups[0]["shape"][()])
    input_shape, layers = shape, list[FixedLayerSpec]()
    for index, group in enumerate(groups[1:], 1):
        kind = _text(group["type"])
        if kind == "flatten":
            shape = (int(np.prod(shape)),)
            continue
        if kind not in _READERS:
            raise ValueError(
                f"layer {index}: type {kind!r} is not read here; known are "
                f"{', '.join(_READERS)}, input and flatten"
            )
        last = index == len(groups) - 1
        layers.append(_READERS[kind](group, f"layer{index}", shape, last))
        shape = layers[-1].output_shape
    fixed = FixedNetworkSpec(tuple(layers), input_shape, time_steps)
    return Bundle(_float_twin(fixed), fixed)


def _dense(group: Any, name: str, shape: tuple[int, ...], last: bool) -> FixedDenseSpec:
    weight = _integers(group["weight"][()], f"{name}: weight")
    weight = weight.reshape(-1, int(np.prod(shape)))
    neuron, exponent = _neuron(group, name, last)
    bias = _bias(group, name)
    return FixedDenseSpec(name, weight, neuron, _unit(neuron), exponent, bias)


def _convolution(group: Any, name: str, shape: tuple[int, ...], last: bool) -> FixedConvSpec:
    weight = _integers(group["weight"][()], f"{name}: weight")
    weight = weight.reshape(weight.shape[:4])  # slayer's have a fifth side of 1, time
    pairs = {key: tuple(int(v) for v in np.ravel(group[key][()])) for key in ("stride", "padding")}
    dilation = np.ravel(group["dilation"][()]) if "dilation" in group else np.ones(2)
    if "groups" in group and int(np.ravel(group["groups"][()])[0]) != 1:
        raise ValueError(f"{name}: it has groups, and integers here have none; train it with 1")
    if (dilation != 1).any():
        raise ValueError(f"{name}: it has dilation, and integers here have none; train it with 1")
    neuron, exponent = _neuron(group, name, last)
    if not isinstance(neuron, LIF):
        raise ValueError(f"{name}: a convolution without spiking neurons is no readout here")
    return FixedConvSpec(
        name,
        weight,
        neuron,
        _unit(neuron),
        shape,  # type: ignore[arg-type]
        exponent,
        _bias(group, name),
        pairs["stride"],  # type: ignore[arg-type]
        pairs["padding"],  # type: ignore[arg-type]
    )


_READERS: Mapping[str, Any] = {"dense": _dense, "conv": _convolution}


def _neuron(group: Any, name: str, last: bool) -> tuple[Neuron, int]:
    """(the neurons of a layer, its weight exponent)."""
    if "delay" in group and np.any(group["delay"][()]):
        raise ValueError(f"{name}: its spikes are delayed, and none here are; train it without")
    if "neuron" not in group:
        if not last:
            raise ValueError(f"{name}: it has no neurons, and layers follow; export it with some")
        return LinearReadout(TRACE_DECAY), 0
    values = {key: group["neuron"][key][()] for key in group["neuron"]}
    kind = _decoded(values.get("type"))
    if kind not in KINDS:
        raise ValueError(
            f"{name}: neurons {kind!r} are not read here; known are {', '.join(KINDS)}"
        )
    _check_constants(values, name)
    exponent = int(values.get("wgtExp", 0))
    v_decay, mantissa = int(values["vDecay"]), int(values["vThMant"])
    if last and mantissa == THRESHOLD_MAX:
        if v_decay == DECAY_UNITY:
            return LinearReadout(TRACE_DECAY), exponent
        return LeakyIntegrator(decay_of(v_decay)), exponent
    # Lava's LIF fires above its threshold, 2^6 times the mantissa.
    return LIF(decay_of(v_decay), (mantissa << ALIGNMENT_BITS) + 1, "hard"), exponent


def _check_constants(values: Mapping[str, Any], name: str) -> None:
    checks = {
        "iDecay": (DECAY_UNITY, "its current remembers, which no integers here do"),
        "refDelay": (1, "it rests after a spike, which no neuron here does"),
        "gradedSpike": (0, "its spikes are graded, and those here are 0 and 1"),
    }
    for key, (expected, reason) in checks.items():
        value = int(np.ravel(values.get(key, expected))[0])
        if value != expected:
            raise ValueError(f"{name}: {key} is {value}, not {expected}: {reason}; train it so")
    if np.size(values["vDecay"]) != 1 or np.size(values["vThMant"]) != 1:
        raise ValueError(f"{name}: its neurons differ, and a layer's are alike here; share them")


def _bias(group: Any, name: str) -> np.ndarray | None:
    if "bias" not in group:
        return None
    bias = np.atleast_1d(_integers(group["bias"][()], f"{name}: bias")) << ALIGNMENT_BITS
    return bias if bias.any() else None


def _integers(values: Any, where: str) -> np.ndarray:
    array = np.asarray(values, np.float64)
    if not np.isfinite(array).all() or (array != np.round(array)).any():
        raise ValueError(f"{where} holds fractions or NaN; export it with quantized weights")
    return array.astype(np.int64)


def _text(dataset: Any) -> str:
    return _decoded(np.ravel(dataset[()])[0])


def _decoded(value: Any) -> str:
    value = np.ravel(value)[0] if isinstance(value, np.ndarray) else value
    return value.decode("ascii", "replace") if isinstance(value, bytes) else str(value)


def _unit(neuron: Neuron) -> float:
    """What a membrane integer is worth: the threshold is 1."""
    return 1 / neuron.v_threshold if isinstance(neuron, LIF) else 2.0**-ALIGNMENT_BITS


def _float_twin(fixed: FixedNetworkSpec) -> NetworkSpec:
    """The real numbers that the integers are worth."""
    layers: list[Any] = []
    for layer in fixed.layers:
        weight = layer.weight * layer.weight_step
        bias = None if layer.bias is None else layer.bias * layer.membrane_unit
        neuron: Any = layer.neuron
        if isinstance(neuron, LIF):
            neuron = LIF(neuron.decay, neuron.v_threshold * layer.membrane_unit, neuron.reset)
        if isinstance(layer, FixedConvSpec):
            shape, geometry = layer.input_shape, (layer.stride, layer.padding)
            layers.append(ConvSpec(layer.name, weight, neuron, shape, bias, *geometry))
        else:
            layers.append(DenseSpec(layer.name, weight, neuron, bias))
    return NetworkSpec(tuple(layers), fixed.input_shape, fixed.time_steps)
