"""Connections: weights, their presynaptic traces, and the gradients these two give.

A module holds parameters, its state is passed in and out; `step` does one time step of OTTT,
`forward` is the same current for torch's own backward pass.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onchip.models.networks.attributes import Declared
from onchip.models.networks.autograd import TracedConv2d, TracedLinear
from onchip.models.networks.normalization import (
    Standardized,
    StandardizedWeight,
    keep_standardized,
    standardize,
)
from onchip.models.networks.precision import full_precision
from onchip.rules.traces import trace_step


class TraceState(NamedTuple):
    """Presynaptic trace a[n] [batch, ...] and the bias's trace c[n]; a scalar zero at the start.

    `kept` is the standardized weight of the steps since the last update, None where there is none.
    """

    trace: Tensor
    bias_trace: float
    kept: Standardized | None = None


class Connection(Declared, nn.Module, ABC):
    """Weights W and bias b, and the traces of what they transmit.

    The traces decay as the *postsynaptic* membrane does, in (0, 1] per step. That decay belongs to
    the neuron: a `SpikingLayer` gives it to its connections and passes it to `step`. `decay` is for
    a connection that is used without a layer; given for one in a layer it must be the neuron's.
    `normalised` learns W and a gain
    and transmits with the standardized weight. `feedback`, a tensor set by
    `onchip.models.training.feedback`, replaces the weight on the error's way back; None is the live
    weight. `weight_transform`, set by `onchip.models.training.fake_quantization` and in no
    checkpoint, is the last thing that the weight goes through. `traced=False` takes the present
    spikes in the place of their trace in the weight's gradient, `bias_traced=False` ones in the
    place of c in the bias's.
    """

    def __init__(
        self,
        weight_shape: tuple[int, ...],
        decay: float | None = None,
        *,
        bias: bool = True,
        normalised: bool = False,
        weight_gain: float = 1.0,
        traced: bool = True,
        bias_traced: bool = True,
    ) -> None:
        super().__init__()
        self._decay, self._traced, self._bias_traced = decay, traced, bias_traced
        fan_in = math.prod(weight_shape[1:])
        spread = weight_gain / math.sqrt(fan_in)
        self.weight = nn.Parameter(torch.randn(weight_shape) * spread)
        self.bias = nn.Parameter(torch.zeros(weight_shape[0])) if bias else None
        self.gain = nn.Parameter(torch.ones(weight_shape[0])) if normalised else None
        self.register_buffer("feedback", None, persistent=False)
        self.weight_transform: Callable[[Tensor], Tensor] | None = None
        self._collecting: Standardized | None = None

    @property
    def decay(self) -> float | None:
        """The neurons' decay, None before there are any and where none was given."""
        return self._decay

    def take_decay(self, decay: float) -> None:
        """Let the traces decay as the neurons do that this connection leads to."""
        self._decay = decay

    @property
    def trace_decay(self) -> float | None:
        """Decay of a[n]: `decay`, or 0 where the weight learns by the present spikes."""
        return self._decay if self._traced else 0.0

    @property
    def bias_trace_decay(self) -> float | None:
        """Decay of c[n]: `decay`, or 0 where the bias learns by ones."""
        return self._decay if self._bias_traced else 0.0

    def plain_weight(self, kept: Standardized | None = None) -> Tensor:
        """The weight that spikes see: W or its standardized form, transformed; differentiable.

        `kept` is the standardized weight where it is known already. Its gradients are collected
        and reach W and the gain by `collect_gradients`.
        """
        weight: Tensor = self.weight
        if self.gain is not None:
            if kept is None:
                weight = standardize(self.weight, self.gain)
            else:
                weight, self._collecting = kept.weight, kept
        return weight if self.weight_transform is None else self.weight_transform(weight)

    def collect_gradients(self) -> None:
        """Turn the gradient of W', summed over steps, into those of W and of the gain."""
        kept, self._collecting = self._collecting, None
        if kept is None or kept.weight.grad is None:
            return
        gradient, kept.weight.grad = kept.weight.grad, None
        with full_precision(gradient.device):
            StandardizedWeight.apply(self.weight, self.gain, kept).backward(gradient)

    def initial_state(self) -> TraceState:
        """Zero traces."""
        return TraceState(torch.zeros((), dtype=self.weight.dtype, device=self.weight.device), 0.0)

    def step(
        self, spikes: Tensor, state: TraceState, decay: float | None = None
    ) -> tuple[Tensor, TraceState]:
        """One step by OTTT: spikes s[n] [batch, *pre] -> (current [batch, *post], new traces).

        `decay` is the neurons', None the connection's own. The traces are kept only where a
        parameter learns; otherwise they stay zero.
        """
        if self.gain is not None:
            state = state._replace(kept=keep_standardized(self.weight, self.gain, state.kept))
        if not torch.is_grad_enabled():
            return self.transmit(spikes, self.plain_weight(state.kept)), state
        if any(p.requires_grad for p in self.parameters(recurse=False)):
            decay = self._decay if decay is None else decay
            if decay is None:
                raise ValueError("connection: it has no decay; put it into a layer, or give it one")
            traces = self._traces(spikes.detach(), state, decay)
            state = TraceState(*traces, state.kept)
        return self.traced(spikes, state), state

    def forward(self, spikes: Tensor) -> Tensor:
        """W s + b for torch's own backward pass."""
        return self.transmit(spikes, self.plain_weight())

    @abstractmethod
    def transmit(self, spikes: Tensor, weight: Tensor) -> Tensor:
        """The current of `spikes` through `weight`, with the bias, in the weight's type."""

    @abstractmethod
    def traced(self, spikes: Tensor, state: TraceState) -> Tensor:
        """The current W s + b whose backward pass uses the trace."""

    def _traces(self, spikes: Tensor, state: TraceState, decay: float) -> tuple[Tensor, float]:
        """a[n] and c[n] of `onchip.rules.traces.trace_step`, a[n] in one pass over the memory."""
        bias = trace_step(state.bias_trace, 1.0, decay if self._bias_traced else 0.0)
        if not self._traced or decay == 0:
            return spikes, float(bias)
        return torch.add(spikes, state.trace, alpha=decay), float(bias)


def collect_gradients(model: nn.Module) -> None:
    """To be called after the steps of a sequence, before the parameters' `.grad` is read."""
    for module in model.modules():
        if isinstance(module, Connection):
            module.collect_gradients()


class OTTTLinear(Connection):
    """All-to-all connection: `weight` [post, pre]; spikes are flattened to [batch, pre]."""

    def __init__(
        self, pre: int, post: int, decay: float | None = None, **options: bool | float
    ) -> None:
        super().__init__((post, pre), decay, **options)  # type: ignore[arg-type]

    def step(
        self, spikes: Tensor, state: TraceState, decay: float | None = None
    ) -> tuple[Tensor, TraceState]:
        """As `Connection.step`, on flattened spikes."""
        return super().step(spikes.flatten(1), state, decay)

    def traced(self, spikes: Tensor, state: TraceState) -> Tensor:
        """W s + b with gradients g a^T and g c."""
        weight = self.plain_weight(state.kept)
        return TracedLinear.apply(
            spikes, weight, self.bias, state.trace, state.bias_trace, self.feedback
        )

    def transmit(self, spikes: Tensor, weight: Tensor) -> Tensor:
        """W s + b."""
        return F.linear(spikes.flatten(1), weight, self.bias).to(weight.dtype)


class OTTTConv2d(Connection):
    """Convolution with zero padding: `weight` [out, in, kernel_h, kernel_w]."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, int],
        decay: float | None = None,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        **options: bool | float,
    ) -> None:
        super().__init__((channels[1], channels[0], *kernel), decay, **options)  # type: ignore[arg-type]
        self.stride, self.padding = tuple(stride), tuple(padding)

    def step(
        self, spikes: Tensor, state: TraceState, decay: float | None = None
    ) -> tuple[Tensor, TraceState]:
        """As `Connection.step`, channels last in memory: convolutions and pools are faster so."""
        return super().step(spikes.contiguous(memory_format=torch.channels_last), state, decay)

    def traced(self, spikes: Tensor, state: TraceState) -> Tensor:
        """W * s + b with the kernel's gradient taken on the trace."""
        return TracedConv2d.apply(
            spikes,
            self.plain_weight(state.kept),
            self.bias,
            state.trace,
            state.bias_trace,
            self.feedback,
            self.stride,
            self.padding,
        )

    def transmit(self, spikes: Tensor, weight: Tensor) -> Tensor:
        """W * s + b."""
        return F.conv2d(spikes, weight, self.bias, self.stride, self.padding).to(weight.dtype)
