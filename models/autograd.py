"""Spikes and connections whose backward pass is the three-factor rule.

OTTT's gradient of a weight is g[n] a[n]^T: the postsynaptic factor of this step times the
presynaptic *trace*, while the forward pass of the step uses the presynaptic *spikes*. The functions
here make torch's backward pass say exactly that, so that one forward pass of one step is enough and
nothing of it outlives the step. Source: Xiao et al. 2022, Eq. 5 and 6.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F
from torch.nn import grad as conv_gradients

from onchip.neurons import LIF


class SurrogateSpike(torch.autograd.Function):
    """Passes spikes on; backward multiplies by the surrogate derivative at the potential."""

    @staticmethod
    def forward(ctx: Any, u: Tensor, spikes: Tensor, neuron: LIF) -> Tensor:
        """Potential `u` and the `spikes` computed from it, any shape -> `spikes`."""
        ctx.save_for_backward(u)
        ctx.neuron = neuron
        return spikes.view_as(spikes)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """dL/du = dL/ds sigma'(u - Vth)."""
        (u,) = ctx.saved_tensors
        return grads[0] * ctx.neuron.surrogate.derivative(u, ctx.neuron.v_threshold), None, None


class TracedLinear(torch.autograd.Function):
    """W s + b in the forward pass, g a^T, g c and W^T g (or B g) in the backward pass."""

    @staticmethod
    def forward(
        ctx: Any,
        spikes: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        trace: Tensor,
        bias_trace: float,
        feedback: Tensor | None,
    ) -> Tensor:
        """`spikes` and `trace` [batch, pre], `weight` [post, pre], `feedback` [pre, post] or None.

        `feedback=None` sends the gradient back through the live weight.
        """
        ctx.save_for_backward(trace, weight if feedback is None else feedback.T)
        ctx.bias_trace = bias_trace
        return F.linear(spikes, weight, bias)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of spikes, weight and bias for the factor g[n] [batch, post]."""
        factor = grads[0]
        trace, back = ctx.saved_tensors
        needs_spikes, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        spikes = factor @ back if needs_spikes else None
        weight = factor.T @ trace if needs_weight else None
        bias = factor.sum(0) * ctx.bias_trace if needs_bias else None
        return spikes, weight, bias, None, None, None


class TracedConv2d(torch.autograd.Function):
    """Convolution of spikes in the forward pass; its weight gradient taken on the trace."""

    @staticmethod
    def forward(
        ctx: Any,
        spikes: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        trace: Tensor,
        bias_trace: float,
        feedback: Tensor | None,
        stride: tuple[int, int],
        padding: tuple[int, int],
    ) -> Tensor:
        """`spikes`, `trace` [batch, in, h, w]; `weight` [out, in, kh, kw]; `feedback` like it."""
        ctx.save_for_backward(trace, weight if feedback is None else feedback)
        ctx.bias_trace, ctx.stride, ctx.padding = bias_trace, stride, padding
        ctx.input_shape = list(spikes.shape)
        return F.conv2d(spikes, weight, bias, stride, padding)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of spikes, kernel and bias for the factor [batch, out, out_h, out_w]."""
        factor = grads[0]
        trace, back = ctx.saved_tensors
        needs_spikes, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        spikes = weight = bias = None
        if needs_spikes:
            spikes = conv_gradients.conv2d_input(
                ctx.input_shape, back, factor, ctx.stride, ctx.padding
            )
        if needs_weight:
            weight = conv_gradients.conv2d_weight(
                trace, list(back.shape), factor, ctx.stride, ctx.padding
            )
        if needs_bias:
            bias = factor.sum((0, 2, 3)) * ctx.bias_trace
        return spikes, weight, bias, None, None, None, None, None
