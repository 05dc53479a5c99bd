"""Scaled weight standardization, the normalisation that OTTT networks use in place of batch norm.

    W' = gain (W - mean) / sqrt(var_unbiased * fan_in + 1e-4)          per output channel

It needs no statistics of activities, so it is online by construction, and it folds into plain
weights for deployment. Each neuron's output is scaled by 2.74 = 1/sqrt(p (1-p)), p = 1 - Phi(1),
the inverse standard deviation of a spike of a standard normal potential. Source: Brock et al. 2021
(NF-ResNet), as used by Xiao et al. 2022, section 5.

W' changes only when W or the gain does: once per batch in OTTT_A, once per step in OTTT_O. What a
step needs of it is therefore kept in the state of a sequence and made anew only after an update,
and the gradients of W' are summed over the steps before they become those of W and the gain.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.optim.optimizer import register_optimizer_step_post_hook

from onchip.models.networks.precision import full_precision

EPSILON = 1e-4
OUTPUT_SCALE = 2.74
_optimizer_steps = [0]


def _count_optimizer_step(*_: Any) -> None:
    _optimizer_steps[0] += 1


# Fused optimizers write to parameters without raising torch's version counters.
register_optimizer_step_post_hook(_count_optimizer_step)


def standardize(weight: Tensor, gain: Tensor) -> Tensor:
    """W' for `weight` [post, ...] and `gain` [post]; differentiable in both."""
    with full_precision(weight.device):
        return _standardize(weight, gain)[0]


class Standardized(NamedTuple):
    """W' as a leaf that collects gradients, the rows' `mean` and inverse `deviation` [post, 1].

    `versions` are torch's counters of in-place writes to W and to the gain, and the number of
    optimizer steps in this process.
    """

    weight: Tensor
    mean: Tensor
    deviation: Tensor
    versions: tuple[int, int, int]


def keep_standardized(weight: Tensor, gain: Tensor, kept: Standardized | None) -> Standardized:
    """`kept` while it is that of the present weight and gain, a new one after an update."""
    versions = (weight._version, gain._version, _optimizer_steps[0])
    if kept is not None and kept.versions == versions:
        return kept
    with torch.no_grad(), full_precision(weight.device):
        plain, mean, deviation = _standardize(weight, gain)
    if plain.ndim == 4:  # as the maps are, or every convolution would copy it
        plain = plain.contiguous(memory_format=torch.channels_last)
    plain.requires_grad_(weight.requires_grad or gain.requires_grad)
    return Standardized(plain, mean, deviation, versions)


class StandardizedWeight(torch.autograd.Function):
    """The kept W' in the forward pass, the gradients of W and of the gain in the backward pass.

    With y = (W - mean) r, r = 1/sqrt(var fan_in + 1e-4), K the fan-in and G = dL/dW', row by row:

        dL/dgain = <G, y>,    dL/dW = gain r (G - mean G - K/(K-1) <G, y> y)
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, gain: Tensor, kept: Standardized) -> Tensor:
        """`weight` [post, ...], `gain` [post] -> W' [post, ...], not computed again."""
        ctx.save_for_backward(weight, gain, kept.mean, kept.deviation)
        return kept.weight.view_as(kept.weight)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Two passes over W for the row sums and two for the result."""
        weight, gain, mean, deviation = ctx.saved_tensors
        flat, gradient = weight.flatten(1), grads[0].flatten(1)
        fan_in = flat.shape[1]
        total = gradient.sum(1, keepdim=True)
        along = deviation * (torch.einsum("pk,pk->p", gradient, flat)[:, None] - mean * total)
        needs_weight, needs_gain = ctx.needs_input_grad[:2]
        found = None
        if needs_weight:
            scale = gain[:, None] * deviation
            slope = scale * deviation * along * fan_in / max(fan_in - 1, 1)
            found = torch.addcmul(slope * mean - scale * total / fan_in, gradient, scale)
            found = found.addcmul_(flat, slope, value=-1).view_as(weight)
        return found, along[:, 0] if needs_gain else None, None


def _standardize(weight: Tensor, gain: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """W', the rows' means and inverse deviations r [post, 1]."""
    flat = weight.flatten(1)
    mean = flat.mean(1, keepdim=True)
    centered = flat - mean
    squares = torch.einsum("pk,pk->p", centered, centered)[:, None]
    fan_in = flat.shape[1]
    deviation = torch.rsqrt(squares * (fan_in / max(fan_in - 1, 1)) + EPSILON)
    return (centered * (gain[:, None] * deviation)).view_as(weight), mean, deviation
