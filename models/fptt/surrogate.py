"""The derivative that stands in for that of a spike: three Gaussians, negative at the flanks."""

from __future__ import annotations

import math

import torch
from torch import Tensor

NARROW = 0.3
"""Standard deviation of the Gaussian in the middle, and the distance of the flanks from it."""
WIDE = 1.8
"""Standard deviation of the Gaussians at the flanks: six times the narrow one."""
FLANK = 0.15
"""Weight h of a flank; the middle weighs 1 + h."""
GAIN = 0.5
"""Factor on the sum."""

_LOG2E = math.log2(math.e)


def multi_gaussian(x: Tensor) -> Tensor:
    """0.5 (1.15 N(x; 0, 0.3) - 0.15 N(x; 0.3, 1.8) - 0.15 N(x; -0.3, 1.8)).

    `x` is the membrane minus the threshold, of any shape; N(x; m, s) is the normalized Gaussian.
    Source: Yin et al. 2021, the surrogate of their published code.
    """
    total = _gaussian(x, 0.0, NARROW, GAIN * (1 + FLANK))
    total.sub_(_gaussian(x, NARROW, WIDE, GAIN * FLANK))
    return total.sub_(_gaussian(x, -NARROW, WIDE, GAIN * FLANK))


def _gaussian(x: Tensor, mean: float, deviation: float, weight: float) -> Tensor:
    """`weight` N(x; mean, deviation); powers of 2, which torch has faster than those of e."""
    square = (x - mean).square_() if mean else x.square()
    exponent = square.mul_(-_LOG2E / (2 * deviation**2))
    return exponent.exp2_().mul_(weight / (deviation * math.sqrt(2 * math.pi)))


class Spike(torch.autograd.Function):
    """1 where x > 0, else 0; its gradient is the incoming one times `multi_gaussian` of x."""

    @staticmethod
    def forward(ctx, x):
        """`x`: membrane minus threshold; the spikes have its type and shape."""
        ctx.save_for_backward(x)
        return (x > 0).to(x.dtype)

    @staticmethod
    def backward(ctx, gradient):
        """The gradient in `x`."""
        (x,) = ctx.saved_tensors
        return gradient * multi_gaussian(x)
