"""Connections and spiking layers: a module holds parameters, its state is passed in and out.

A layer does one time step; the caller owns the time loop. Two ways to step: `step` for OTTT, where
everything that comes from the past is detached and weight gradients use presynaptic traces, and
`step_through_time` for the BPTT baseline, where the graph reaches into the past.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from models.autograd import SurrogateSpike, TracedConv2d, TracedLinear
from models.normalisation import standardise
from onchip.neurons import LIF, STEPS, Neuron, NeuronState
from onchip.traces import trace_step


class TraceState(NamedTuple):
    """Presynaptic trace a[n] [batch, ...] and the bias's trace c[n]; a scalar zero at the start."""

    trace: Tensor
    bias_trace: float


class LayerState(NamedTuple):
    """State of one layer; scalar zeros at the start stand for zeros of any shape."""

    neuron: NeuronState
    inputs: TraceState
    recurrent: TraceState


class Connection(nn.Module, ABC):
    """Weights W, bias b and the membrane decay of the neurons they lead to.

    `decay` is the *postsynaptic* membrane's, in (0, 1] per step. `normalised` learns W and a gain
    and transmits with the standardised weight. `feedback`, a tensor set by `models.feedback`,
    replaces the weight on the error's way back; None is the live weight. `weight_transform`, set by
    `models.fake_quantization` and in no checkpoint, is the last thing that the weight goes through.
    """

    def __init__(
        self,
        weight_shape: tuple[int, ...],
        decay: float,
        *,
        bias: bool = True,
        normalised: bool = False,
        weight_gain: float = 1.0,
    ) -> None:
        super().__init__()
        self.decay = decay
        fan_in = math.prod(weight_shape[1:])
        spread = weight_gain / math.sqrt(fan_in)
        self.weight = nn.Parameter(torch.randn(weight_shape) * spread)
        self.bias = nn.Parameter(torch.zeros(weight_shape[0])) if bias else None
        self.gain = nn.Parameter(torch.ones(weight_shape[0])) if normalised else None
        self.register_buffer("feedback", None, persistent=False)
        self.weight_transform: Callable[[Tensor], Tensor] | None = None

    def plain_weight(self) -> Tensor:
        """The weight that spikes see: W or its standardised form, transformed; differentiable."""
        weight = self.weight if self.gain is None else standardise(self.weight, self.gain)
        return weight if self.weight_transform is None else self.weight_transform(weight)

    def initial_state(self) -> TraceState:
        """Zero traces."""
        return TraceState(torch.zeros((), dtype=self.weight.dtype, device=self.weight.device), 0.0)

    def step(self, spikes: Tensor, state: TraceState) -> tuple[Tensor, TraceState]:
        """One step by OTTT: spikes s[n] [batch, *pre] -> (current [batch, *post], new traces).

        The traces are kept only where a parameter learns; otherwise they stay zero.
        """
        if not torch.is_grad_enabled():
            return self(spikes), state
        if any(p.requires_grad for p in self.parameters(recurse=False)):
            trace = trace_step(state.trace, spikes.detach(), self.decay)
            state = TraceState(trace, float(trace_step(state.bias_trace, 1.0, self.decay)))
        return self.traced(spikes, state), state

    @abstractmethod
    def traced(self, spikes: Tensor, state: TraceState) -> Tensor:
        """The current W s + b whose backward pass uses the trace."""


class OTTTLinear(Connection):
    """All-to-all connection: `weight` [post, pre]; spikes are flattened to [batch, pre]."""

    def __init__(self, pre: int, post: int, decay: float, **options: bool | float) -> None:
        super().__init__((post, pre), decay, **options)  # type: ignore[arg-type]

    def step(self, spikes: Tensor, state: TraceState) -> tuple[Tensor, TraceState]:
        """As `Connection.step`, on flattened spikes."""
        return super().step(spikes.flatten(1), state)

    def traced(self, spikes: Tensor, state: TraceState) -> Tensor:
        """W s + b with gradients g a^T and g c."""
        return TracedLinear.apply(
            spikes, self.plain_weight(), self.bias, state.trace, state.bias_trace, self.feedback
        )

    def forward(self, spikes: Tensor) -> Tensor:
        """W s + b for torch's own backward pass."""
        return F.linear(spikes.flatten(1), self.plain_weight(), self.bias)


class OTTTConv2d(Connection):
    """Convolution with zero padding: `weight` [out, in, kernel_h, kernel_w]."""

    def __init__(
        self,
        channels: tuple[int, int],
        kernel: tuple[int, int],
        decay: float,
        stride: tuple[int, int] = (1, 1),
        padding: tuple[int, int] = (0, 0),
        **options: bool | float,
    ) -> None:
        super().__init__((channels[1], channels[0], *kernel), decay, **options)  # type: ignore[arg-type]
        self.stride, self.padding = tuple(stride), tuple(padding)

    def step(self, spikes: Tensor, state: TraceState) -> tuple[Tensor, TraceState]:
        """As `Connection.step`, channels last in memory: convolutions and pools are faster so."""
        return super().step(spikes.contiguous(memory_format=torch.channels_last), state)

    def traced(self, spikes: Tensor, state: TraceState) -> Tensor:
        """W * s + b with the kernel's gradient taken on the trace."""
        return TracedConv2d.apply(
            spikes,
            self.plain_weight(),
            self.bias,
            state.trace,
            state.bias_trace,
            self.feedback,
            self.stride,
            self.padding,
        )

    def forward(self, spikes: Tensor) -> Tensor:
        """W * s + b for torch's own backward pass."""
        return F.conv2d(spikes, self.plain_weight(), self.bias, self.stride, self.padding)


class SpikingLayer(nn.Module):
    """A connection, its neurons, and what happens to their spikes on the way out.

        I[n] = W x[n] + b + R s[n-1],    output = average pool (scale * s[n])

    `neuron` is an `onchip` neuron (LIF, or a readout: LeakyIntegrator, LinearReadout); `recurrent`
    is R, an `OTTTLinear` without bias, or None; `pool` is the side of a square average pool, 1 for
    none; `scale` multiplies the output (2.74 with standardised weights), not what R receives.
    """

    def __init__(
        self,
        name: str,
        connection: Connection,
        neuron: Neuron,
        *,
        recurrent: OTTTLinear | None = None,
        pool: int = 1,
        scale: float = 1.0,
    ) -> None:
        super().__init__()
        self.name, self.neuron, self.pool, self.scale = name, neuron, pool, scale
        self.connection = connection
        self.recurrent = recurrent

    def initial_state(self) -> LayerState:
        """Membrane, spikes and traces at zero."""
        traces = self.connection.initial_state()
        return LayerState(NeuronState(traces.trace, traces.trace), traces, traces)

    def step(self, x: Tensor, state: LayerState) -> tuple[Tensor, LayerState]:
        """One step by OTTT: input [batch, *pre] -> (output [batch, ...], detached state)."""
        current, inputs = self.connection.step(x, state.inputs)
        recurrent = state.recurrent
        if self.recurrent is not None:
            last = _fill(state.neuron.spikes, current)
            back, recurrent = self.recurrent.step(last, recurrent)
            current = current + back
        spikes, neuron = neuron_step(current, state.neuron, self.neuron)
        past = NeuronState(neuron.u.detach(), neuron.spikes.detach())
        return self._send(spikes), LayerState(past, inputs, recurrent)

    def step_through_time(
        self, x: Tensor, state: LayerState, *, detach_reset: bool = True
    ) -> tuple[Tensor, LayerState]:
        """One step for BPTT: as `step`, but gradients flow into the past through the state.

        `detach_reset` keeps them out of the reset path, as OTTT's derivation assumes.
        """
        current = self.connection(x)
        if self.recurrent is not None:
            current = current + self.recurrent(_fill(state.neuron.spikes, current))
        u, spikes = state.neuron
        before = NeuronState(u, spikes.detach() if detach_reset else spikes)
        spikes, neuron = neuron_step(current, before, self.neuron)
        return self._send(spikes), state._replace(neuron=neuron)

    def _send(self, spikes: Tensor) -> Tensor:
        scaled = spikes if self.scale == 1.0 else self.scale * spikes
        return scaled if self.pool == 1 else F.avg_pool2d(scaled, self.pool)


def neuron_step(current: Tensor, state: NeuronState, neuron: Neuron) -> tuple[Tensor, NeuronState]:
    """One step of a neuron of `onchip.neurons`; spikes get the surrogate derivative."""
    output, new = STEPS[type(neuron)](current, state, neuron)
    if not isinstance(neuron, LIF):
        return output, new
    spikes = SurrogateSpike.apply(new.u, output, neuron)
    return spikes, NeuronState(new.u, spikes)


def _fill(spikes: Tensor, like: Tensor) -> Tensor:
    """The scalar zero of an initial state, as zeros of the shape of `like`."""
    return spikes if spikes.ndim else spikes.expand_as(like)
