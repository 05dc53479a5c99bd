"""The weights of a graph's connection in torch, its traces and its eligibility."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import Connection
from onchip.network.transform import Transform


class TorchSynapses:
    """The weights of a connection, its traces and its eligibility."""

    def __init__(
        self, network: Network, connection: Connection, tensor: Callable[[np.ndarray], Tensor]
    ) -> None:
        self.connection, self.weight = connection, tensor(connection.transform.weight)
        neuron = network.population(connection.target).neuron
        self._traces = neuron.traces if connection.plastic else ()
        rule = connection.rule
        self._kappa = 0.0 if rule is None else rule.eligibility_decay
        self._tensor = tensor

    def reset(self, batch: int) -> None:
        """Empty traces for a batch of samples."""
        transform = self.connection.transform
        zeros = self._tensor(np.zeros((batch, transform.inputs)))
        self._exponentials = [zeros for _ in self._traces]
        if self._kappa:
            self._eligibility = self._tensor(np.zeros((batch, *transform.weight.shape)))

    def transmit(self, spikes: Tensor, weight: Tensor) -> Tensor:
        """The current [batch, ...]."""
        return transmitted(self.connection.transform, spikes, weight)

    def advance(self, spikes: Tensor) -> None:
        """The traces of this step."""
        flat = spikes.flatten(1)
        pairs = zip(self._traces, self._exponentials, strict=True)
        self._exponentials = [decay * trace + flat for (_, decay), trace in pairs]

    def filter(self, derivative: Tensor) -> None:
        """The eligibility of this step, where it is filtered."""
        if self._kappa:
            now = self.connection.transform.correlate(self._trace(), derivative)
            self._eligibility = self._kappa * self._eligibility + now

    def gradient(self, signal: Tensor | None, derivative: Tensor) -> Tensor:
        """The mean gradient over the batch of a signal [batch, *target shape]."""
        transform = self.connection.transform
        signal = torch.zeros_like(derivative) if signal is None else signal
        if self._kappa:
            weighted: Tensor = transform.of_outputs(signal) * self._eligibility
            return weighted.mean(0)
        if isinstance(transform, Convolution):
            return _kernel_gradient(transform, self._trace(), signal * derivative)
        mean: Tensor = transform.gradient(self._trace(), signal * derivative)
        return mean

    def _trace(self) -> Tensor:
        pairs = zip(self._traces, self._exponentials, strict=True)
        return torch.stack([amplitude * trace for (amplitude, _), trace in pairs]).sum(0)


def transmitted(transform: Transform, spikes: Tensor, weight: Tensor) -> Tensor:
    """The current [batch, ...] of spikes [batch, ...] through weights of a transform."""
    if isinstance(transform, Convolution):
        convolved: Tensor = transform.transmit_with(conv2d, spikes, weight)
        return convolved
    current: Tensor = transform.transmit(spikes, weight)
    return current


def _kernel_gradient(transform: Convolution, trace: Tensor, factor: Tensor) -> Tensor:
    """The mean over the batch of trace x factor, summed over positions, by torch's own backward."""
    weight = torch.zeros(transform.weight.shape, dtype=trace.dtype, requires_grad=True)
    with torch.enable_grad():
        current = transmitted(transform, trace.detach(), weight)
        (gradient,) = torch.autograd.grad((current * factor.detach()).sum(), weight)
    return gradient / len(trace)
