"""The spike time of a non-leaky integrate-and-fire neuron, and its gradients.

A spike at t_i through the weight w_i makes the current w_i exp(-(t - t_i)) for t >= t_i (time in
units of the synaptic time constant), which the membrane sums without a leak:

    V(t) = sum_{t_i <= t} w_i (1 - exp(-(t - t_i)))

The neuron fires once, when V reaches 1. With z = exp(t), and C the causal set (the smallest prefix
of the inputs in the order of their times that makes the neuron fire before the next input),

    z_out = sum_C w_i z_i / (sum_C w_i - 1),     sum_C w_i > 1 and z_out <= the next input's z
    dz_out/dw_p = (z_p - z_out) / (sum_C w - 1),   dz_out/dz_p = w_p / (sum_C w - 1)     for p in C

and never (z_out = infinity, all derivatives 0) if no prefix is one. The denominator sums over C,
not over all inputs. Source: Mostafa (2018), with threshold 1.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

NEVER = float("inf")
"""The z, and the time, of a spike that does not come."""


def spike_times_z(z: Tensor, weight: Tensor) -> Tensor:
    """First spikes z_out [batch, post] of inputs `z` [batch, pre] through `weight` [post, pre].

    All z are exp(time), infinity for "never". Derivatives are those of the module's docstring.
    """
    return _SpikeTimes.apply(z, weight)


class _SpikeTimes(torch.autograd.Function):
    """The closed form with its derivatives written by hand, so that infinity makes no NaN."""

    @staticmethod
    def forward(ctx: Any, z: Tensor, weight: Tensor) -> Tensor:
        """Find the causal set of every neuron by cumulative sums over the sorted inputs."""
        output, size, excess, order = causal_sets(z, weight)
        ctx.save_for_backward(z, weight, output, size, excess, order)
        return output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients of `z` [batch, pre] and `weight` [post, pre]."""
        z, weight, output, size, excess, order = ctx.saved_tensors
        fired = torch.isfinite(output)
        scaled = torch.where(fired, gradients[0] / excess, 0.0)
        rank = torch.argsort(order, dim=1)
        causal = rank[:, None, :] < size[:, :, None]
        into = causal * scaled[:, :, None]  # [batch, post, pre]
        of_z = (into * weight).sum(1)
        before = torch.where(torch.isfinite(z), z, 0.0)[:, None, :]
        after = torch.where(fired, output, 0.0)[:, :, None]
        return of_z, into.mul_(before - after).sum(0)


def causal_sets(z: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Outputs z_out, sizes of C and sum_C w - 1, all [batch, post], and the inputs' order.

    `order` [batch, pre] sorts each sample's inputs by time. For a neuron that never fires the size
    is 0 and the sum 1. Memory is batch x post x pre numbers, a few times.
    """
    ordered, order = torch.sort(z, dim=1)
    present = torch.isfinite(ordered)
    weights = weight.t()[order]  # [batch, pre, post]
    excess = weights.cumsum(1).sub_(1)
    drive = weights.mul_(torch.where(present, ordered, 0.0)[:, :, None]).cumsum(1)
    following = torch.nn.functional.pad(ordered[:, 1:], (0, 1), value=NEVER)[:, :, None]
    fires = (drive <= following * excess) & (excess > 0) & present[:, :, None]
    any_fires, first = fires.max(dim=1)  # the first of equal maxima
    at = first[:, None, :]
    excess = torch.where(any_fires, excess.gather(1, at)[:, 0], 1.0)
    output = torch.where(any_fires, drive.gather(1, at)[:, 0] / excess, NEVER)
    return output, torch.where(any_fires, first + 1, 0), excess, order
