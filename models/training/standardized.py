"""What an optimizer moves in place of a graph's weights: standardized, or in units of a spread.

A rule gives the gradient of the weights W that spikes see. Here W is a function of others, as in
the networks of `onchip.models.networks.normalization`, and the chain rule hands the gradient on:

    into neurons that spike     W = m + c standardized(V, gain)     by row; V, gain learn
    into readouts, recurrences  W = c V                             V learns
    biases, gains of neurons    W                                   itself

V begins with a mean square of 1 / fan-in, which is what the rates of `recommended_training` are
for; c and m are such that W begins as it was. What is learned is W alone: nothing of this is in the
network that comes out.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from onchip.models.config import TrainingConfig, make_optimizer
from onchip.models.networks.normalization import StandardizedWeight, keep_standardized
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection
from onchip.network.transforms import Dense


class StandardizedOptimizer:
    """The optimizer of `config` behind a graph's plastic weights; for `TorchGraph`.

    `weights` are those of the plastic connections of `network`, in their order: a step takes their
    `grad` and writes the new weights into them.
    """

    def __init__(self, network: Network, config: TrainingConfig, weights: list[Tensor]) -> None:
        plastic = [c for c in network.connections if c.plastic]
        self._pairs = [
            (weight, _behind(network, connection, weight))
            for connection, weight in zip(plastic, weights, strict=True)
        ]
        learned = [p for _, behind in self._pairs for p in behind.parameters]
        self._inner = make_optimizer(config, learned)
        self.param_groups: list[dict[str, Any]] = self._inner.param_groups

    def step(self) -> None:
        """One update by the gradients of the weights."""
        for weight, behind in self._pairs:
            assert weight.grad is not None
            behind.receive(weight.grad)
        self._inner.step()
        for weight, behind in self._pairs:
            weight.copy_(behind.weight())


class _Scaled:
    """W = c V, c one number."""

    def __init__(self, weight: Tensor, factor: float) -> None:
        self._factor, self._inner = factor, weight / factor
        self.parameters = [self._inner]

    def receive(self, gradient: Tensor) -> None:
        """Hand the gradient of W on."""
        self._inner.grad = gradient * self._factor

    def weight(self) -> Tensor:
        """W."""
        return self._inner * self._factor


class _Standardized:
    """W = m + c standardized(V, gain); m, c [post, 1, ...]."""

    def __init__(self, weight: Tensor, spread: float) -> None:
        post, fan_in = len(weight), weight[0].numel()
        column = (post, *(1 for _ in weight.shape[1:]))
        self._mean = weight.flatten(1).mean(1).view(column)
        centered = weight - self._mean
        self._inner = (centered / (spread * math.sqrt(fan_in))).requires_grad_()
        self._gain = torch.ones(post, dtype=weight.dtype, requires_grad=True)
        self._kept = keep_standardized(self._inner, self._gain, None)
        norms = (t.detach().flatten(1).norm(dim=1) for t in (centered, self._kept.weight))
        self._factor = torch.div(*norms).view(column)
        self.parameters = [self._inner, self._gain]

    def receive(self, gradient: Tensor) -> None:
        """As `_Scaled.receive`."""
        self._inner.grad = self._gain.grad = None
        with torch.enable_grad():
            plain = StandardizedWeight.apply(self._inner, self._gain, self._kept)
            plain.backward(gradient * self._factor)

    def weight(self) -> Tensor:
        """As `_Scaled.weight`."""
        self._kept = keep_standardized(self._inner, self._gain, None)
        return torch.addcmul(self._mean, self._factor, self._kept.weight.detach())


def _behind(network: Network, connection: Connection, weight: Tensor) -> Any:
    if connection.source == ALWAYS_ON or weight.ndim < 2 or not weight.any():
        return _Scaled(weight, 1.0)
    rows = weight.flatten(1)
    apart = rows - rows.mean(1, keepdim=True)
    kernels = isinstance(connection.transform, Dense | Convolution)
    spiking = network.population(connection.target).neuron.spiking
    if kernels and spiking and not connection.delay and bool(apart.any(1).all()):
        return _Standardized(weight, float(apart.square().mean().sqrt()))
    return _Scaled(weight, float(rows.square().mean().sqrt()) * math.sqrt(rows.shape[1]))
