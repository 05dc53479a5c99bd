"""The normalizer-free ResNet-34 of the paper's ImageNet experiments, with spiking neurons.

A pre-activation block adds to the currents x that pass it, and nothing spikes on the way past:

    x' = skip(x) + alpha W2 * s2,    s2 = 2.74 LIF(W1 * s1 + b1),    s1 = 2.74 LIF(x / beta)

beta^2 is the variance that x has at the start of training: 1 behind the stem, alpha^2 more behind
each block. skip(x) = x, except where the size changes: there skip = W3 * average pool (s1), W3 a
1 x 1 kernel, and the variance starts anew at 1 + alpha^2. All convolutions have standardized
weights. The stem is a convolution without neurons of its own; behind the last block come LIF
neurons, the average of each map and the readout. Sources: Xiao et al. 2022 (NF-ResNet-34); Brock et
al. 2021, "Characterizing signal propagation to close the performance gap in unnormalized ResNets"
(alpha, beta; alpha = 0.2). The stem's pool is an average here, as all pools of these networks are.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from onchip.checks import require_between
from onchip.models.networks.layers import (
    OTTTConv2d,
    OTTTLinear,
    SpikingLayer,
    TraceState,
    detached_step,
    neuron_step,
)
from onchip.models.networks.network import NetworkConfig, positive_tuple
from onchip.neurons.base import NeuronState
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LinearReadout


@dataclass(frozen=True)
class ResNetConfig(NetworkConfig):
    """`NetworkConfig` with stages of residual blocks; the default is ResNet-34.

    `blocks` and `widths`: number of blocks and their channels, stage by stage; each stage but the
    first halves the map. `stem_kernel` (odd), `stem_stride` and `stem_pool` of the first
    convolution; `alpha` of the blocks. `paper_code` and `readout=None` as in `VGGConfig`.
    """

    readout: str | None = None  # type: ignore[assignment]
    blocks: tuple[int, ...] = (3, 4, 6, 3)
    widths: tuple[int, ...] = (64, 128, 256, 512)
    stem_kernel: int = 7
    stem_stride: int = 2
    stem_pool: int = 2
    alpha: float = 0.2
    paper_code: bool = False

    def __post_init__(self) -> None:
        """Check the values and that the frame is large enough."""
        if self.readout is None:
            object.__setattr__(self, "readout", "linear" if self.paper_code else "leaky")
        super().__post_init__()
        for name in ("blocks", "widths"):
            object.__setattr__(self, name, positive_tuple(name, getattr(self, name)))
        positive_tuple("stem", (self.stem_kernel, self.stem_stride, self.stem_pool))
        require_between("resnet: alpha", self.alpha, 0, 10)
        if self.paper_code and self.readout != "linear":
            raise ValueError(
                f"resnet: paper_code has a linear readout, not {self.readout!r}; leave readout out"
            )
        if len(self.blocks) != len(self.widths) or not self.blocks:
            raise ValueError(
                f"resnet: blocks {self.blocks} and widths {self.widths} must have one entry each "
                "for every stage"
            )
        _check_map(self)


class BlockState(NamedTuple):
    """State of a residual block: two sheets of neurons, three connections' traces."""

    outer: NeuronState
    inner: NeuronState
    first: TraceState
    second: TraceState
    skip: TraceState


class ResidualBlock(nn.Module):
    """One block: currents [batch, pre, h, w] -> [batch, post, h / stride, w / stride]."""

    def __init__(
        self, name: str, config: ResNetConfig, channels: tuple[int, int], stride: int, beta: float
    ) -> None:
        super().__init__()
        pre, post = channels
        self.name, self.neuron, self.scale = name, config.neuron, config.output_scale
        self.alpha, self.beta, self.stride = config.alpha, beta, stride
        self.first = _convolution(config, (pre, post), 3, stride)
        self.second = _convolution(config, (post, post), 3)
        changes = stride > 1 or pre != post
        self.skip = _convolution(config, (pre, post), 1) if changes else None

    def initial_state(self) -> BlockState:
        """Everything at zero."""
        first, second = self.first.initial_state(), self.second.initial_state()
        rest = NeuronState(first.trace, first.trace)
        return BlockState(rest, rest, first, second, first)

    def step(self, x: Tensor, state: BlockState) -> tuple[Tensor, BlockState]:
        """One step by OTTT: currents x[n] -> (x'[n], detached state)."""
        spikes, outer = detached_step(x / self.beta, state.outer, self.neuron)
        sent, skip, decay = self.scale * spikes, state.skip, self.neuron.decay
        if self.skip is not None:
            x, skip = self.skip.step(self.shrink(sent), skip, decay)
        current, first = self.first.step(sent, state.first, decay)
        spikes, inner = detached_step(current, state.inner, self.neuron)
        current, second = self.second.step(self.scale * spikes, state.second, decay)
        x = x.add(current, alpha=self.alpha)
        return x, BlockState(outer, inner, first, second, skip)

    def step_through_time(
        self, x: Tensor, state: BlockState, *, detach_reset: bool = True
    ) -> tuple[Tensor, BlockState]:
        """One step for BPTT: as `step`, with the past in the graph."""
        spikes, outer = _attached_step(x / self.beta, state.outer, self.neuron, detach_reset)
        sent = self.scale * spikes
        x = x if self.skip is None else self.skip(self.shrink(sent))
        spikes, inner = _attached_step(self.first(sent), state.inner, self.neuron, detach_reset)
        x = x.add(self.second(self.scale * spikes), alpha=self.alpha)
        return x, state._replace(outer=outer, inner=inner)

    def shrink(self, sent: Tensor) -> Tensor:
        """What the skip connection reads of what the outer neurons send: averaged by the stride."""
        return F.avg_pool2d(sent, self.stride) if self.stride > 1 else sent


class NeuronLayer(nn.Module):
    """LIF neurons on the currents of the last block: x / beta -> the average of each spike map."""

    def __init__(self, name: str, config: ResNetConfig, beta: float) -> None:
        super().__init__()
        self.name, self.neuron, self.scale = name, config.neuron, config.output_scale
        self.beta = beta
        self.register_buffer("rest", torch.zeros(()), persistent=False)

    def initial_state(self) -> NeuronState:
        """Scalar zeros."""
        return NeuronState(self.rest, self.rest)

    def step(self, x: Tensor, state: NeuronState) -> tuple[Tensor, NeuronState]:
        """One step by OTTT: currents [batch, channels, h, w] -> ([batch, channels], new state)."""
        spikes, state = detached_step(x / self.beta, state, self.neuron)
        return self.scale * spikes.mean((2, 3)), state

    def step_through_time(
        self, x: Tensor, state: NeuronState, *, detach_reset: bool = True
    ) -> tuple[Tensor, NeuronState]:
        """One step for BPTT."""
        spikes, state = _attached_step(x / self.beta, state, self.neuron, detach_reset)
        return self.scale * spikes.mean((2, 3)), state


def resnet_layers(config: ResNetConfig) -> list[Any]:
    """The stem, block1, block2, ..., the neurons `features` and the readout."""
    stem = _convolution(
        config,
        (config.input_shape[0], config.widths[0]),
        config.stem_kernel,
        config.stem_stride,
        traced=not config.paper_code,
    )
    layers: list[Any] = [
        SpikingLayer("stem", stem, LinearReadout(config.decay), pool=config.stem_pool)
    ]
    variance, pre = 1.0, config.widths[0]
    for stage, (count, width) in enumerate(zip(config.blocks, config.widths, strict=True)):
        for index in range(count):
            stride = 2 if stage > 0 and index == 0 else 1
            name, beta = f"block{len(layers)}", math.sqrt(variance)
            block = ResidualBlock(name, config, (pre, width), stride, beta)
            layers.append(block)
            variance = config.alpha**2 + (variance if block.skip is None else 1.0)
            pre = width
    neuron = config.readout_neuron()
    readout = OTTTLinear(
        pre, config.classes, neuron.decay, bias=config.bias, bias_traced=not config.paper_code
    )
    layers.append(NeuronLayer("features", config, math.sqrt(variance)))
    return [*layers, SpikingLayer("readout", readout, neuron)]


def _convolution(
    config: ResNetConfig,
    channels: tuple[int, int],
    kernel: int,
    stride: int = 1,
    *,
    traced: bool = True,
) -> OTTTConv2d:
    return OTTTConv2d(
        channels,
        (kernel, kernel),
        config.decay,
        (stride, stride),
        (kernel // 2, kernel // 2),
        bias=config.bias,
        normalised=config.normalised,
        weight_gain=config.weight_gain,
        traced=traced,
        bias_traced=not config.paper_code,
    )


def _attached_step(
    current: Tensor, state: NeuronState, neuron: LIF, detach_reset: bool
) -> tuple[Tensor, NeuronState]:
    past = state.spikes.detach() if detach_reset else state.spikes
    return neuron_step(current, NeuronState(state.u, past), neuron)


def _check_map(config: ResNetConfig) -> None:
    shape, shrinks = config.input_shape, 2 ** (len(config.blocks) - 1)
    total = config.stem_stride * config.stem_pool * shrinks
    if len(shape) != 3 or shape[1] % total or shape[2] % total or config.stem_kernel % 2 == 0:
        raise ValueError(
            f"resnet: input_shape {shape} must be (channels, height, width) with sides that the "
            f"strides and pools, {total} in all, divide, and stem_kernel {config.stem_kernel} odd"
        )
