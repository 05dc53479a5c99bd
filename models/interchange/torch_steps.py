"""What each module of torch does to currents, one row each."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from torch import nn

from onchip.models.describing.folding import plain_array
from onchip.network.composition import dilated, grouped, pool
from onchip.network.convolution import Convolution
from onchip.network.currents import Currents
from onchip.network.transforms import Dense, OneToOne

Step = Callable[[Any, Currents], Currents]


def step_of(module: nn.Module) -> Step | None:
    """Return what a linear module does, None for a module that is none of the table's."""
    return next((step for kind, step in STEPS.items() if isinstance(module, kind)), None)


def refusal_of(module: nn.Module) -> str | None:
    """Return why a module of torch is not taken, and what to do; None for all others."""
    for kinds, reason in REFUSED.items():
        if isinstance(module, kinds):
            return reason
    return None


def _linear(module: nn.Linear, currents: Currents) -> Currents:
    return currents.through(Dense(plain_array(module.weight)), plain_array(module.bias))


def _convolution(module: nn.Conv2d, currents: Currents) -> Currents:
    if module.padding_mode != "zeros" and module.padding not in (0, (0, 0), "valid"):
        raise ValueError(f"padding_mode {module.padding_mode!r} is not zeros; train it with zeros")
    dilation, stride = _pair(module.dilation), _pair(module.stride)
    weight = dilated(grouped(plain_array(module.weight), module.groups), dilation)
    padding: Any = module.padding
    if padding == "valid":
        padding = (0, 0)
    if padding == "same":
        if any(side % 2 == 0 for side in weight.shape[2:]):
            raise ValueError("padding 'same' of an even kernel pads one side more; give numbers")
        padding = tuple(side // 2 for side in weight.shape[2:])
    transform = Convolution(weight, _maps(currents), stride, _pair(padding))
    return currents.through(transform, plain_array(module.bias))


def _normalization(module: Any, currents: Currents) -> Currents:
    """The running statistics: (x - mean) / sqrt(var + eps) gamma + beta."""
    if module.running_mean is None:
        raise ValueError(
            "it keeps no running statistics, so it differs from batch to batch; train it with "
            "track_running_stats=True"
        )
    scale = 1 / np.sqrt(plain_array(module.running_var) + module.eps)
    if module.affine:
        scale = scale * plain_array(module.weight)
    bias = -plain_array(module.running_mean) * scale
    if module.affine:
        bias = bias + plain_array(module.bias)
    if len(scale) != currents.shape[0]:
        raise ValueError(f"it has {len(scale)} channels, but what comes in has {currents.shape}")
    channels = scale.reshape(-1, *[1] * (len(currents.shape) - 1))
    return currents.through(OneToOne(np.broadcast_to(channels, currents.shape)), bias)


def _average(module: nn.AvgPool2d, currents: Currents) -> Currents:
    kernel, stride, padding = (
        _pair(value) for value in (module.kernel_size, module.stride, module.padding)
    )
    shape = _maps(currents)
    whole = all((s + 2 * p - k) % t == 0 for s, k, t, p in zip(shape[1:], kernel, stride, padding))  # noqa: B905
    if module.ceil_mode and not whole:
        raise ValueError("ceil_mode averages over a part of the map at its edge; leave it out")
    if module.divisor_override is not None or (any(padding) and not module.count_include_pad):
        raise ValueError(
            "divisor_override and count_include_pad=False do not divide by the kernel's size; "
            "leave them out"
        )
    return currents.through(pool(shape, kernel, stride, padding, average=True))


def _adaptive(module: nn.AdaptiveAvgPool2d, currents: Currents) -> Currents:
    shape = _maps(currents)
    wanted = (
        module.output_size if isinstance(module.output_size, tuple) else (module.output_size,) * 2
    )
    sides = [s if w is None else w for s, w in zip(shape[1:], wanted, strict=True)]
    if any(size % side for size, side in zip(shape[1:], sides, strict=True)):
        raise ValueError(
            f"its output of {tuple(sides)} does not divide the map {shape[1:]}; use an AvgPool2d"
        )
    kernel: Any = tuple(size // side for size, side in zip(shape[1:], sides, strict=True))
    return currents.through(pool(shape, kernel, kernel, (0, 0), average=True))


def _flatten(module: nn.Flatten, currents: Currents) -> Currents:
    if module.start_dim not in (1, -len(currents.shape)) or module.end_dim not in (
        -1,
        len(currents.shape),
    ):
        raise ValueError("it does not flatten all but the batch; use nn.Flatten()")
    return currents.reshaped((int(np.prod(currents.shape)),))


def _unchanged(module: nn.Module, currents: Currents) -> Currents:
    return currents


STEPS: dict[type[nn.Module], Step] = {
    nn.Linear: _linear,
    nn.Conv2d: _convolution,
    nn.BatchNorm1d: _normalization,
    nn.BatchNorm2d: _normalization,
    nn.AvgPool2d: _average,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.Flatten: _flatten,
    nn.Dropout: _unchanged,
    nn.Dropout1d: _unchanged,
    nn.Dropout2d: _unchanged,
    nn.Identity: _unchanged,
}
"""Module of torch, and its subclasses -> what it does at evaluation."""

NAMED = (nn.Linear, nn.Conv2d)
"""Modules that lend a population their name."""

REFUSED: dict[type | tuple[type, ...], str] = {
    (nn.MaxPool2d, nn.AdaptiveMaxPool2d): "a maximum of spikes is no sum of them, so it cannot "
    "become weights; train with nn.AvgPool2d or a convolution with stride",
    (nn.ReLU, nn.Sigmoid, nn.Tanh, nn.GELU, nn.LeakyReLU, nn.SiLU): "an activation is no neuron; "
    "train with neurons, or say in neurons={NAME: ...} which take its place",
    (nn.LayerNorm, nn.GroupNorm, nn.InstanceNorm2d): "it normalizes each sample by itself, which "
    "no weights do; train with nn.BatchNorm2d",
    (nn.ConvTranspose2d, nn.Conv1d, nn.Conv3d): "no such connection is deployed; use nn.Conv2d or "
    "nn.Linear",
    (nn.RNNBase,): "its gates are no spiking neurons; train a recurrent spiking layer",
}


def _pair(value: Any) -> tuple[int, int]:
    first, second = value if isinstance(value, (tuple, list)) else (value, value)
    return int(first), int(second)


def _maps(currents: Currents) -> tuple[int, int, int]:
    if len(currents.shape) != 3:
        raise ValueError(f"it reads maps (channels, height, width), not {currents.shape}")
    channels, height, width = currents.shape
    return channels, height, width
