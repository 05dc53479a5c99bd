"""Threshold-dependent batch normalization over time, batch and space.

    y = gamma alpha Vth (x - mean) / sqrt(variance + 1e-5) + beta

One mean and one (biased) variance a channel, of all steps, samples and places of a batch together.
alpha Vth is a fixed factor beside gamma, not gamma's first value: a rate or decay on gamma acts on
a number around 1 whatever the threshold is. Without it currents of variance 1 would meet a
threshold that is not 1. Source: Zheng et al. 2021 (arXiv 2011.05280), section "Threshold-dependent
batch normalization".
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from onchip.checks import require_between
from onchip.models.networks.attributes import Declared

EPSILON = 1e-5
"""Added to the variance."""
MOMENTUM = 0.1
"""Share of a batch in the running statistics."""
CHAIN = 1.0
"""alpha where a convolution alone drives the neurons."""
SUM = 1 / math.sqrt(2)
"""alpha of each branch where two are summed, so that the sum has the variance of a chain."""


class Affine(NamedTuple):
    """What a normalization does for inference: `factor` x + `offset`, both [channels]."""

    factor: Tensor
    offset: Tensor


class TdBN(Declared, nn.Module):
    """Normalization of currents [T, batch, channels, ...] of convolutions.

    `alpha` is `CHAIN` or `SUM`, `v_threshold` that of the neurons. gamma (`weight`, at first 1) and
    beta (`bias`, at first 0) are trained. `running_mean` and `running_var`, the latter of unbiased
    variances, are for inference. Raises ValueError for an alpha or a threshold that is not
    positive.
    """

    def __init__(self, channels: int, alpha: float, v_threshold: float) -> None:
        super().__init__()
        require_between("tdbn: alpha", alpha, 0, 1e6, open_low=True)
        require_between("tdbn: v_threshold", v_threshold, 0, 1e9, open_low=True)
        self.alpha, self.v_threshold = alpha, v_threshold
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, currents: Tensor, learning: bool = False) -> Tensor:
        """Normalize by the running statistics, or (`learning`) by the batch's, which join them."""
        normal = functional.batch_norm(
            currents.flatten(0, 1),
            self.running_mean,
            self.running_var,
            self._gain(),
            self.bias,
            training=learning,
            momentum=MOMENTUM,
            eps=EPSILON,
        )
        return normal.view_as(currents)

    def affine(self) -> Affine:
        """Factor and offset that inference comes to, detached."""
        factor = (self._gain() / torch.sqrt(self.running_var + EPSILON)).detach()
        return Affine(factor, (self.bias - factor * self.running_mean).detach())

    def _gain(self) -> Tensor:
        """Gamma alpha Vth."""
        return self.weight * (self.alpha * self.v_threshold)
