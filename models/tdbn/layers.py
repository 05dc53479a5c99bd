"""Layers that see a whole sample: normalized convolutions, residual blocks, dense layers.

Everything between two layers is a tensor of spikes [T, batch, ...] of 0 and 1 (the first layer's
input may be real). A layer is called with `learning`, which chooses the batch's statistics.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from onchip.models.networks.attributes import Declared
from onchip.models.tdbn.neurons import LIFLayer
from onchip.models.tdbn.normalization import CHAIN, SUM, TdBN
from onchip.neurons.lif import LIF


class Geometry(NamedTuple):
    """Channels in and out of a convolution, side of its kernel (odd, padded by half), stride."""

    pre: int
    post: int
    kernel: int = 3
    stride: int = 1


NORMALIZATIONS = ("tdbn", "bias", "none")
"""What follows a convolution: tdBN, only a bias, nothing. The last two are controls; a fused
network has biases."""


RATE = 0.2
"""Features that the first weights of a dense layer are made for: rates of about 0.2."""


class Sheet(NamedTuple):
    """What the convolutions of a network share: their `neuron`, one of `NORMALIZATIONS`."""

    neuron: LIF
    normalization: str


class NormalizedConvolution(Declared, nn.Module):
    """A convolution and what `sheet.normalization` says: tdBN with `alpha`, a bias, or nothing.

    Weights start as normal numbers of variance 2 / (post kernel^2) (He et al. 2015, fan-out), a
    bias at 0.
    """

    def __init__(self, geometry: Geometry, sheet: Sheet, alpha: float) -> None:
        super().__init__()
        pre, post, kernel, stride = geometry
        self.convolution = nn.Conv2d(
            pre, post, kernel, stride, kernel // 2, bias=sheet.normalization == "bias"
        )
        self.normalization = None
        if sheet.normalization == "tdbn":
            self.normalization = TdBN(post, alpha, sheet.neuron.v_threshold)
        nn.init.kaiming_normal_(self.convolution.weight, mode="fan_out", nonlinearity="relu")
        if self.convolution.bias is not None:
            nn.init.zeros_(self.convolution.bias)

    def forward(self, x: Tensor, learning: bool = False) -> Tensor:
        """Currents [T, batch, post, h', w'] of spikes [T, batch, pre, h, w]."""
        currents = self.convolution(x.flatten(0, 1)).unflatten(0, x.shape[:2])
        if self.normalization is None:
            return currents
        return self.normalization(currents, learning)


class ConvolutionLayer(Declared, nn.Module):
    """A convolution and its neurons, for a chain."""

    def __init__(self, name: str, geometry: Geometry, sheet: Sheet) -> None:
        super().__init__()
        self.name = name
        self.currents = NormalizedConvolution(geometry, sheet, CHAIN)
        self.neurons = LIFLayer(sheet.neuron)

    def forward(self, x: Tensor, learning: bool = False) -> Tensor:
        """Spikes of this layer."""
        return self.neurons(self.currents(x, learning))


class SkipBlock(Declared, nn.Module):
    """A residual block: LIF(second(LIF(first(x))) + shortcut(x)).

    The shortcut is the spikes x themselves or, where size or channels change, a 1 x 1 convolution
    of its own. tdBN has alpha 1 in `first`, 1/sqrt(2) in `second` and in the shortcut's
    convolution.
    """

    def __init__(self, name: str, geometry: Geometry, sheet: Sheet) -> None:
        super().__init__()
        self.name = name
        pre, post, kernel, stride = geometry
        self.first = NormalizedConvolution(geometry, sheet, CHAIN)
        self.inner = LIFLayer(sheet.neuron)
        self.second = NormalizedConvolution(Geometry(post, post, kernel), sheet, SUM)
        self.shortcut = None
        if stride > 1 or pre != post:
            one = Geometry(pre, post, 1, stride)
            self.shortcut = NormalizedConvolution(one, sheet, SUM)
        self.neurons = LIFLayer(sheet.neuron)

    def forward(self, x: Tensor, learning: bool = False) -> Tensor:
        """Spikes behind the sum."""
        y = self.second(self.inner(self.first(x, learning)), learning)
        passed = x if self.shortcut is None else self.shortcut(x, learning)
        return self.neurons(y + passed)


class DenseLayer(Declared, nn.Module):
    """W x + b on features [T, batch, pre], and neurons; without a `neuron` the currents themselves.

    W and b of a readout start as torch's `nn.Linear`. Neurons have no tdBN here, so W starts with
    deviation Vth / (`RATE` sqrt(pre)) and b at 0: features of about that size drive currents of
    deviation Vth, as tdBN would, where torch's W leaves the neurons silent at the start.
    """

    def __init__(self, name: str, pre: int, post: int, neuron: LIF | None) -> None:
        super().__init__()
        self.name = name
        self.connection = nn.Linear(pre, post)
        self.neurons = None
        if neuron is not None:
            self.neurons = LIFLayer(neuron)
            deviation = neuron.v_threshold / (RATE * math.sqrt(pre))
            nn.init.normal_(self.connection.weight, std=deviation)
            nn.init.zeros_(self.connection.bias)

    def forward(self, x: Tensor, learning: bool = False) -> Tensor:
        """Spikes, or currents; there is nothing here that `learning` changes."""
        currents = self.connection(x)
        return currents if self.neurons is None else self.neurons(currents)


def pooled(spikes: Tensor) -> Tensor:
    """Mean over each map: [T, batch, channels, h, w] -> [T, batch, channels]."""
    return torch.mean(spikes, (-2, -1))
