"""Networks with tdBN, written again step by step from the published equations, for comparison.

Reads weights by their names in a `state_dict`; shares nothing with the code under test. Everything
is torch with autograd, so that its gradients are those of backpropagation through time.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional as F


class Box(torch.autograd.Function):
    """1 where u >= threshold; the derivative is 1 / (2 a) where |u - threshold| < a."""

    @staticmethod
    def forward(ctx, u, threshold, a):
        ctx.save_for_backward(u)
        ctx.threshold, ctx.a = threshold, a
        return (u >= threshold).to(u.dtype)

    @staticmethod
    def backward(ctx, gradient):
        (u,) = ctx.saved_tensors
        near = ((u - ctx.threshold).abs() < ctx.a).to(u.dtype)
        return gradient * near / (2 * ctx.a), None, None


def lif(currents, config):
    """A list of currents, one a step -> a list of spikes."""
    u = s = torch.zeros_like(currents[0])
    spikes = []
    for current in currents:
        u = config.decay * u * (1 - s) + current
        s = Box.apply(u, config.v_threshold, config.half_width)
        spikes.append(s)
    return spikes


def convolve(spikes, state, name, stride):
    weight = state[f"{name}.convolution.weight"]
    bias = state.get(f"{name}.convolution.bias")
    pad = weight.shape[-1] // 2
    return [F.conv2d(s, weight, bias, stride, pad) for s in spikes]


def normalize(currents, state, name, alpha, config, learning):
    """tdBN where the state has it; the statistics of a batch are taken over a list of steps."""
    if f"{name}.normalization.weight" not in state:
        return currents
    own = {
        key: state[f"{name}.normalization.{key}"]
        for key in ("weight", "bias", "running_mean", "running_var")
    }
    mean, var = own["running_mean"], own["running_var"]
    if learning:
        columns = torch.cat([c.transpose(0, 1).flatten(1) for c in currents], dim=1)
        mean = columns.sum(1) / columns.shape[1]
        var = ((columns - mean[:, None]) ** 2).sum(1) / columns.shape[1]
    shape = (1, -1, 1, 1)
    normal = [(c - mean.view(shape)) / (var.view(shape) + 1e-5).sqrt() for c in currents]
    gain = own["weight"] * alpha * config.v_threshold
    return [gain.view(shape) * x + own["bias"].view(shape) for x in normal]


def currents_of(spikes, state, name, alpha, stride, config, learning):
    return normalize(convolve(spikes, state, name, stride), state, name, alpha, config, learning)


def outputs(state, config, frames, learning=False):
    """(outputs [batch, T, classes], spikes by layer as lists of steps)."""
    half, seen = 1 / math.sqrt(2), {}
    x = [frames[:, n].to(state["readout.connection.weight"].dtype) for n in range(frames.shape[1])]
    args = (config, learning)
    seen["stem"] = x = lif(
        currents_of(x, state, "features.0.currents", 1.0, config.stem_stride, *args), config
    )
    index = 0
    strides = [
        2 if stage and not block else 1
        for stage, count in enumerate(config.blocks)
        for block in range(count)
    ]
    for number, stride in enumerate(strides, 1):
        if config.skip:
            name = f"features.{number}"
            inner = lif(currents_of(x, state, f"{name}.first", 1.0, stride, *args), config)
            branch = currents_of(inner, state, f"{name}.second", half, 1, *args)
            passed = x
            if f"{name}.shortcut.convolution.weight" in state:
                passed = currents_of(x, state, f"{name}.shortcut", half, stride, *args)
            x = lif([b + p for b, p in zip(branch, passed, strict=True)], config)
            seen[f"block{number}.inner"], seen[f"block{number}"] = inner, x
            continue
        for own in (stride, 1):
            index += 1
            name = f"features.{index}.currents"
            x = lif(currents_of(x, state, name, 1.0, own, *args), config)
            seen[f"conv{index}"] = x
    x = [s.sum((2, 3)) / (s.shape[2] * s.shape[3]) for s in x]
    for number in range(len(config.hidden)):
        weight, bias = (state[f"dense.{number}.connection.{k}"] for k in ("weight", "bias"))
        seen[f"fc{number + 1}"] = x = lif([s @ weight.T + bias for s in x], config)
    weight, bias = state["readout.connection.weight"], state["readout.connection.bias"]
    return torch.stack([s @ weight.T + bias for s in x], dim=1), seen
