"""Scaled weight standardisation, the normalisation that OTTT networks use in place of batch norm.

    W' = gain (W - mean) / sqrt(var_unbiased * fan_in + 1e-4)          per output channel

It needs no statistics of activities, so it is online by construction, and it folds into plain
weights for deployment. Each neuron's output is scaled by 2.74 = 1/sqrt(p (1-p)), p = 1 - Phi(1),
the inverse standard deviation of a spike of a standard normal potential. Source: Brock et al. 2021
(NF-ResNet), as used by Xiao et al. 2022, section 5.
"""

from __future__ import annotations

import torch
from torch import Tensor

EPSILON = 1e-4
OUTPUT_SCALE = 2.74


def standardise(weight: Tensor, gain: Tensor) -> Tensor:
    """W' for `weight` [post, ...] and `gain` [post]; differentiable in both."""
    flat = weight.flatten(1)
    variance, mean = torch.var_mean(flat, dim=1, correction=1, keepdim=True)
    scale = gain[:, None] * torch.rsqrt(variance * flat.shape[1] + EPSILON)
    return ((flat - mean) * scale).view_as(weight)
