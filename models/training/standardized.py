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
from onchip.models.networks.normalization import EPSILON
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
        self._inner = make_optimizer(config, learned, fused=True)
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
    """W = m + c gain y, y = (V - mean) r by row, r the inverse deviation; m, c [post, 1].

    The gradient is that of `onchip.models.networks.normalization.StandardizedWeight`, from the y
    that is at hand.
    """

    def __init__(self, weight: Tensor, spread: float) -> None:
        rows = weight.flatten(1)
        self._shape, self._fan_in = weight.shape, rows.shape[1]
        self._mean = rows.mean(1, keepdim=True)
        centered = rows - self._mean
        self._inner = centered / (spread * math.sqrt(self._fan_in))
        self._gain = rows.new_ones(len(rows), 1)
        self._standardize()
        self._factor = centered.norm(dim=1, keepdim=True) / self._y.norm(dim=1, keepdim=True)
        self.parameters = [self._inner, self._gain]

    def _standardize(self) -> None:
        centered = self._inner - self._inner.mean(1, keepdim=True)
        squares = centered.square().sum(1, keepdim=True)
        self._deviation = torch.rsqrt(squares * self._spare + EPSILON)
        self._y = centered.mul_(self._deviation)

    @property
    def _spare(self) -> float:
        """K / (K - 1), as the variance is an unbiased one."""
        return self._fan_in / max(self._fan_in - 1, 1)

    def receive(self, gradient: Tensor) -> None:
        """As `_Scaled.receive`."""
        found = gradient.flatten(1) * self._factor
        self._gain.grad = (found * self._y).sum(1, keepdim=True)
        found -= found.mean(1, keepdim=True)
        found.addcmul_(self._y, self._gain.grad, value=-self._spare)
        self._inner.grad = found.mul_(self._gain * self._deviation)

    def weight(self) -> Tensor:
        """As `_Scaled.weight`."""
        self._standardize()
        return torch.addcmul(self._mean, self._y, self._factor * self._gain).view(self._shape)


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
