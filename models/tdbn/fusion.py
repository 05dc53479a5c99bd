"""tdBN moved into the convolution before it: nothing of it is left for inference.

    W' = gamma alpha Vth W / sqrt(variance + 1e-5)
    b' = gamma alpha Vth (b - mean) / sqrt(variance + 1e-5) + beta

with the running statistics, one factor a channel. The same for the 1 x 1 convolutions of shortcuts;
a shortcut that passes spikes on has nothing to fuse.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import torch
from torch import Tensor

from onchip.models.tdbn.layers import NormalizedConvolution
from onchip.models.tdbn.networks import TdBNNetwork


class FusedWeights(NamedTuple):
    """Of one convolution: `weight` [post, pre, kernel, kernel] and `bias` [post]."""

    weight: Tensor
    bias: Tensor


def fused_weights(layer: NormalizedConvolution) -> FusedWeights:
    """Weight and bias of the convolution that does what `layer` does in inference, detached."""
    weight, bias = layer.convolution.weight.detach(), layer.convolution.bias
    bias = weight.new_zeros(len(weight)) if bias is None else bias.detach()
    if layer.normalization is None:
        return FusedWeights(weight.clone(), bias.clone())
    factor, offset = layer.normalization.affine()
    return FusedWeights(weight * factor[:, None, None, None], factor * bias + offset)


@torch.no_grad()
def fuse(network: TdBNNetwork) -> TdBNNetwork:
    """A network of plain convolutions with bias that has the same spikes in inference.

    The given one stays as it is. Up to rounding: a membrane within a rounding error of the
    threshold may fall on the other side, which in float64 is not seen (tests) and in float32 is
    rare.
    """
    place = network.readout.connection.weight
    fused = TdBNNetwork(replace(network.config, normalization="bias")).to(place)
    theirs = dict(fused.named_modules())
    for name, module in network.named_modules():
        if isinstance(module, NormalizedConvolution):
            weights = fused_weights(module)
            theirs[name].convolution.weight.copy_(weights.weight)
            theirs[name].convolution.bias.copy_(weights.bias)
    for ours, layer in zip((*fused.dense, fused.readout), _dense(network), strict=True):
        ours.load_state_dict(layer.state_dict())
    return fused


def _dense(network: TdBNNetwork) -> tuple[torch.nn.Module, ...]:
    return (*network.dense, network.readout)
