"""Spiking layers: a connection and its neurons; state is passed in and out.

A layer does one time step; the caller owns the time loop. Two ways to step: `step` for OTTT, where
everything that comes from the past is detached and weight gradients use presynaptic traces, and
`step_through_time` for the BPTT baseline, where the graph reaches into the past. The connections
are in `onchip.models.networks.connections` and can be imported from here.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onchip.arithmetic.real import REAL
from onchip.models.networks.attributes import Declared
from onchip.models.networks.autograd import DetachedLIF, SurrogateSpike
from onchip.models.networks.connections import Connection as Connection
from onchip.models.networks.connections import OTTTConv2d as OTTTConv2d
from onchip.models.networks.connections import OTTTLinear as OTTTLinear
from onchip.models.networks.connections import TraceState as TraceState
from onchip.neurons.base import Neuron, NeuronState
from onchip.neurons.lif import LIF


class LayerState(NamedTuple):
    """State of one layer; scalar zeros at the start stand for zeros of any shape.

    `mask` holds the factor on the spikes of this sequence where dropout is at work, else nothing.
    """

    neuron: NeuronState
    inputs: TraceState
    recurrent: TraceState
    mask: tuple[Tensor, ...] = ()


def naming_misfits(step: Callable[..., Any]) -> Callable[..., Any]:
    """Decorate a layer's step: torch's complaints of shapes become a ValueError with its name."""

    @functools.wraps(step)
    def named(self: SpikingLayer, x: Tensor, *rest: Any, **options: Any) -> Any:
        try:
            return step(self, x, *rest, **options)
        except RuntimeError as error:
            text = str(error).splitlines()[0]
            if not any(word in text for word in ("shape", "size", "channels", "dimension")):
                raise
            raise ValueError(
                f"layer {self.name!r}: its input {list(x.shape[1:])} does not fit its weights "
                f"{list(self.connection.weight.shape)}, its pool of {self.pool} or what it is "
                f"added to ({text}); change the frames or the layer's sizes"
            ) from error

    return named


class SpikingLayer(Declared, nn.Module):
    """A connection, its neurons, and what happens to their spikes on the way out.

        I[n] = W x[n] + b + R s[n-1],    output = scale * average pool (s[n])

    `neuron` is an `onchip` neuron (LIF, or a readout: LeakyIntegrator, LinearReadout), whose decay
    is that of the connections' traces; `recurrent` is R, an `OTTTLinear` without bias, or None;
    `pool` is the side of a square average pool, 1 for none; `scale` multiplies the output (2.74
    with standardized weights), not what R receives.
    `dropout` is the share of a layer's neurons whose spikes, but not whose reset, are left out in
    training: drawn once for every sample, the same at all of its steps. The others' spikes are
    multiplied by 1 / (1 - dropout). Where no gradient is wanted nothing is left out.
    Raises ValueError for a connection that was given another decay than the neuron's.
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
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        self.name, self.pool, self.scale, self.dropout = name, pool, scale, dropout
        self.connection = connection
        self.recurrent = recurrent
        for given in (connection, recurrent):
            _require_decay(name, given, neuron)
        self.neuron = neuron

    @property
    def neuron(self) -> Neuron:
        """The neurons; where they are exchanged, the connections' traces decay as the new ones."""
        return self._neuron

    @neuron.setter
    def neuron(self, neuron: Neuron) -> None:
        self._neuron = neuron
        for connection in (self.connection, self.recurrent):
            if connection is not None:
                connection.take_decay(neuron.decay)

    def initial_state(self) -> LayerState:
        """Membrane, spikes and traces at zero."""
        traces = self.connection.initial_state()
        return LayerState(NeuronState(traces.trace, traces.trace), traces, traces)

    @naming_misfits
    def step(
        self, x: Tensor, state: LayerState, extra: Tensor | None = None
    ) -> tuple[Tensor, LayerState]:
        """One step by OTTT: input [batch, *pre] -> (output [batch, ...], detached state).

        `extra` is a current that comes from elsewhere.
        """
        decay = self.neuron.decay
        current, inputs = self.connection.step(x, state.inputs, decay)
        current = current if extra is None else current + extra
        recurrent = state.recurrent
        if self.recurrent is not None:
            last = _fill(state.neuron.spikes, current)
            back, recurrent = self.recurrent.step(last, recurrent, decay)
            current = current + back
        spikes, past = detached_step(current, state.neuron, self.neuron)
        mask = state.mask or self._draw_mask(spikes)
        return self._send(spikes, mask), LayerState(past, inputs, recurrent, mask)

    @naming_misfits
    def step_through_time(
        self,
        x: Tensor,
        state: LayerState,
        *,
        detach_reset: bool = True,
        extra: Tensor | None = None,
    ) -> tuple[Tensor, LayerState]:
        """One step for BPTT: as `step`, but gradients flow into the past through the state.

        `detach_reset` keeps them out of the reset path, as OTTT's derivation assumes.
        """
        current = self.connection(x)
        current = current if extra is None else current + extra
        if self.recurrent is not None:
            current = current + self.recurrent(_fill(state.neuron.spikes, current))
        u, spikes = state.neuron
        before = NeuronState(u, spikes.detach() if detach_reset else spikes)
        spikes, neuron = neuron_step(current, before, self.neuron)
        mask = state.mask or self._draw_mask(spikes)
        return self._send(spikes, mask), state._replace(neuron=neuron, mask=mask)

    def scaled(self, spikes: Tensor, mask: tuple[Tensor, ...]) -> Tensor:
        """What leaves the neurons: their spikes times scale and mask, before the pool."""
        if mask:
            return spikes * mask[0]
        return spikes if self.scale == 1.0 else self.scale * spikes

    def _draw_mask(self, spikes: Tensor) -> tuple[Tensor, ...]:
        """The factor on each neuron's spikes: 0, or scale / (1 - dropout)."""
        if not (self.dropout and self.training and torch.is_grad_enabled()):
            return ()
        kept = torch.rand_like(spikes) >= self.dropout
        return (kept.to(spikes.dtype) * (self.scale / (1 - self.dropout)),)

    def _send(self, spikes: Tensor, mask: tuple[Tensor, ...]) -> Tensor:
        if self.pool == 1:
            return self.scaled(spikes, mask)
        if mask:
            return F.avg_pool2d(spikes * mask[0], self.pool)
        pooled = F.avg_pool2d(spikes, self.pool)
        return pooled if self.scale == 1.0 else self.scale * pooled


def _require_decay(name: str, connection: Connection | None, neuron: Neuron) -> None:
    """The decay has one home, the neuron: a connection may repeat it, but not have another."""
    decay = None if connection is None else connection.decay
    if decay is not None and decay != neuron.decay:
        raise ValueError(
            f"layer {name!r}: its connection has decay {decay} and its neurons {neuron.decay}; "
            "leave the connection's out, the traces decay as the neurons do"
        )


def detached_step(
    current: Tensor, state: NeuronState, neuron: Neuron
) -> tuple[Tensor, NeuronState]:
    """As `neuron_step`, with a detached new state; gradients reach `current` only."""
    if isinstance(neuron, LIF):
        spikes, u = DetachedLIF.apply(current, state.u, state.spikes, neuron)
        return spikes, NeuronState(u, spikes.detach())
    output, new = neuron.step(current, state, REAL)
    return output, NeuronState(new.u.detach(), new.spikes.detach())


def neuron_step(current: Tensor, state: NeuronState, neuron: Neuron) -> tuple[Tensor, NeuronState]:
    """One step of a neuron of `onchip.neurons`; spikes get the surrogate derivative."""
    output, new = neuron.step(current, state, REAL)
    if not isinstance(neuron, LIF):
        return output, new
    spikes = SurrogateSpike.apply(new.u, output, neuron)
    return spikes, NeuronState(new.u, spikes)


def _fill(spikes: Tensor, like: Tensor) -> Tensor:
    """The scalar zero of an initial state, as zeros of the shape of `like`."""
    return spikes if spikes.ndim else spikes.expand_as(like)
