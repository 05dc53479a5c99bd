"""Spikes and connections whose backward pass is the three-factor rule.

OTTT's gradient of a weight is g[n] a[n]^T: the postsynaptic factor of this step times the
presynaptic *trace*, while the forward pass of the step uses the presynaptic *spikes*. The functions
here make torch's backward pass say exactly that, so that one forward pass of one step is enough and
nothing of it outlives the step. Source: Xiao et al. 2022, Eq. 5 and 6.

Under `torch.autocast`, products of matrices and convolutions are computed in its type, forward and
backward (`onchip.models.networks.precision`); all else stays in the type of the weights.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from onchip.models.networks.precision import cast, compute_dtype, scaled, unscaled
from onchip.neurons.lif import LIF, RESETS


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
        return surrogate_gradient(grads[0], u, ctx.neuron), None, None


class DetachedLIF(torch.autograd.Function):
    """One step of a LIF neuron whose past carries no gradient: `onchip.neurons.lif.LIF`."""

    @staticmethod
    def forward(
        ctx: Any, current: Tensor, u: Tensor, spikes: Tensor, neuron: LIF
    ) -> tuple[Tensor, Tensor]:
        """Current I[n], u[n-1] and s[n-1] of one shape (or scalar zeros) -> s[n], u[n]."""
        fired, new = kernels.advance(current, u, spikes, neuron)
        ctx.mark_non_differentiable(new)
        ctx.save_for_backward(new)
        ctx.neuron = neuron
        return fired, new

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """dL/dI = dL/ds sigma'(u - Vth)."""
        (u,) = ctx.saved_tensors
        return kernels.surrogate_gradient(grads[0], u, ctx.neuron), None, None, None


def advance_lif(current: Tensor, u: Tensor, spikes: Tensor, neuron: LIF) -> tuple[Tensor, Tensor]:
    """s[n] and u[n] in three passes over the memory, which is what they cost in large layers."""
    if neuron.reset == "soft":
        past = torch.sub(u, spikes, alpha=neuron.v_threshold)
    else:
        past = RESETS[neuron.reset](u, spikes, neuron.v_threshold)
    new = torch.add(current, past, alpha=neuron.decay)
    return torch.ge(new, neuron.v_threshold, out=torch.empty_like(new)), new


def surrogate_gradient(gradient: Tensor, u: Tensor, neuron: LIF) -> Tensor:
    """`gradient` times sigma'(u - Vth); the sigmoid's in few passes over the memory."""
    surrogate, threshold = neuron.surrogate, neuron.v_threshold
    if surrogate.name != "sigmoid":
        return gradient * surrogate.derivative(u, threshold)
    sharpness = float(surrogate.parameter or 0.0) / threshold
    rising = torch.mul(u, sharpness).sub_(sharpness * threshold).sigmoid_()
    torch.ops.aten.sigmoid_backward.grad_input(gradient, rising, grad_input=rising)
    return rising.mul_(sharpness)


class NeuronKernels(NamedTuple):
    """How `DetachedLIF` computes: s[n], u[n] by `advance`, dL/du by `surrogate_gradient`."""

    advance: Callable[[Tensor, Tensor, Tensor, LIF], tuple[Tensor, Tensor]]
    surrogate_gradient: Callable[[Tensor, Tensor, LIF], Tensor]


kernels = NeuronKernels(advance_lif, surrogate_gradient)
"""Those in use, by all threads (backward passes of a GPU have their own):
`onchip.models.networks.acceleration`."""


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
        ctx.bias_trace, ctx.dtype = bias_trace, compute_dtype(weight)
        s, w, b = cast(ctx.dtype, spikes, weight, bias)
        return F.linear(s, w, b).to(weight.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of spikes, weight and bias for the factor g[n] [batch, post]."""
        trace, back = ctx.saved_tensors
        own = back.dtype
        factor, scale = scaled(ctx.dtype, grads[0])
        trace, back = cast(ctx.dtype, trace, back)
        needs_spikes, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        spikes = unscaled(own, factor @ back, scale) if needs_spikes else None
        weight = unscaled(own, factor.T @ trace, scale) if needs_weight else None
        bias = grads[0].sum(0) * ctx.bias_trace if needs_bias else None
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
        ctx.input_shape, ctx.dtype = spikes.shape, compute_dtype(weight)
        s, w, b = cast(ctx.dtype, spikes, weight, bias)
        return F.conv2d(s, w, b, stride, padding).to(weight.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> tuple[Tensor | None, ...]:
        """Gradients of spikes, kernel and bias for the factor [batch, out, out_h, out_w]."""
        trace, back = ctx.saved_tensors
        own = back.dtype
        factor, scale = scaled(ctx.dtype, grads[0])
        trace, back = cast(ctx.dtype, trace, back)
        needs_spikes, needs_weight, needs_bias = ctx.needs_input_grad[:3]
        spikes = weight = bias = None
        if needs_spikes:
            blank = torch.empty_like(trace).expand(ctx.input_shape)
            spikes = _convolution_gradients(ctx, factor, blank, back, spikes=True)[0]
            spikes = unscaled(own, spikes, scale)
        if needs_weight:
            weight = unscaled(own, _kernel_gradient(ctx, factor, trace, back), scale)
        if needs_bias:
            bias = grads[0].sum((0, 2, 3)) * ctx.bias_trace
        return spikes, weight, bias, None, None, None, None, None


def _kernel_gradient(ctx: Any, factor: Tensor, trace: Tensor, weight: Tensor) -> Tensor:
    """sum over samples and places of g a^T, [out, in, kh, kw]; `weight` gives its shape.

    On the CPU one of two ways, chosen by sizes alone: a choice by measured time would change from
    run to run, and with it the last bits of the weights. Measured on maps of 2 to 48 squared and 1
    to 128 samples, the library's kernel is the faster one on large maps if all tensors, the blank
    one too, have their channels last, and takes up to three times as long on small ones.
    """
    if factor.device.type == "cpu":
        if 2 * factor[0, 0].numel() <= trace.shape[1]:
            return patch_product(factor, trace, weight.shape, ctx.stride, ctx.padding)
        last = torch.channels_last
        factor, trace = (x.contiguous(memory_format=last) for x in (factor, trace))
        weight = torch.empty(weight.shape, dtype=factor.dtype, memory_format=last)
    return _convolution_gradients(ctx, factor, trace, weight, spikes=False)[1]


def patch_product(
    factor: Tensor,
    trace: Tensor,
    shape: torch.Size,
    stride: tuple[int, int],
    padding: tuple[int, int],
) -> Tensor:
    """The kernel's gradient as one product of g with the patches of the trace that it meets."""
    post, pre, rows, columns = shape
    above, beside = padding
    padded = F.pad(trace.permute(0, 2, 3, 1), (0, 0, beside, beside, above, above))
    patches = padded.unfold(1, rows, stride[0]).unfold(2, columns, stride[1])
    patches = patches.permute(0, 1, 2, 4, 5, 3).reshape(-1, rows * columns * pre)
    product = factor.permute(0, 2, 3, 1).reshape(-1, post).T @ patches
    return product.view(post, rows, columns, pre).permute(0, 3, 1, 2)


def _convolution_gradients(
    ctx: Any, factor: Tensor, presynaptic: Tensor, weight: Tensor, *, spikes: bool
) -> tuple[Tensor, ...]:
    """(gradient of the input, gradient of the kernel, None), one of the two.

    Of the tensor whose gradient is wanted, only shape and layout matter: it may be blank.
    """
    return torch.ops.aten.convolution_backward(
        factor,
        presynaptic,
        weight,
        None,
        ctx.stride,
        ctx.padding,
        (1, 1),
        False,
        (0, 0),
        1,
        (spikes, not spikes, False),
    )
