"""The weights of a graph's connection in torch, its traces and its eligibility."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import conv2d

from onchip.engine.state import check_state
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import Connection
from onchip.network.shares import weight_shares
from onchip.network.transform import Transform
from onchip.rules.eligibility import Eligibility
from onchip.rules.filtered import Instantaneous


class TorchSynapses:
    """The weights of a connection, its traces and its eligibility."""

    def __init__(
        self,
        network: Network,
        name: str,
        connection: Connection,
        tensor: Callable[[np.ndarray], Tensor],
    ) -> None:
        shares = weight_shares(network, name, connection)
        self._shares = None if shares is None else tensor(shares)
        self.connection, self.weight = connection, tensor(connection.transform.weight)
        neuron, rule = network.population(connection.target).neuron, connection.rule
        self.kind: Eligibility = Instantaneous() if rule is None else rule.kind
        self._traces = () if rule is None else self.kind.traces(neuron)
        self._tensor = tensor

    def reset(self, batch: int) -> None:
        """Empty traces for a batch of samples."""
        transform = self.connection.transform
        zeros = self._tensor(np.zeros((batch, transform.inputs)))
        self._exponentials = [zeros for _ in self._traces]
        shape = (batch, *transform.weight.shape)
        kept = (self._tensor(np.zeros(shape)) for _ in self.kind.variables)
        self._kept: tuple[Tensor, ...] = tuple(kept)

    def transmit(self, spikes: Tensor, weight: Tensor) -> Tensor:
        """The current [batch, ...]."""
        return transmitted(self.connection.transform, spikes, weight)

    def advance(self, spikes: Tensor) -> None:
        """The traces of this step."""
        flat = spikes.flatten(1)
        pairs = zip(self._traces, self._exponentials, strict=True)
        self._exponentials = [decay * trace + flat for (_, decay), trace in pairs]

    def hear(self, told: tuple[Tensor, ...]) -> None:
        """Advance the eligibility by what the neurons tell of a step, [batch, *target shape]."""
        self._told = told
        if self.kind.variables:
            transform = self.connection.transform
            spread = tuple(transform.of_outputs(values) for values in told)
            trace = transform.of_inputs(self._trace())
            self._now, self._kept = self.kind.step(self._kept, trace, spread)

    def gradient(self, signal: Tensor | None) -> Tensor:
        """The mean gradient over the batch of a signal [batch, *target shape], times the shares."""
        found = self._gradient(signal)
        return found if self._shares is None else found * self._shares

    def _gradient(self, signal: Tensor | None) -> Tensor:
        transform, derivative = self.connection.transform, self._told[0]
        signal = torch.zeros_like(derivative) if signal is None else signal
        if self.kind.variables:
            weighted: Tensor = transform.of_outputs(signal) * self._now
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


def plastic_weights(synapses: Mapping[str, TorchSynapses]) -> dict[str, np.ndarray]:
    """Return copies of the weights that learn, by the connections' names."""
    plastic = {name: s for name, s in synapses.items() if s.connection.plastic}
    return {name: s.weight.numpy().copy() for name, s in plastic.items()}


def restore_weights(synapses: Mapping[str, TorchSynapses], state: Mapping[str, np.ndarray]) -> None:
    """Set the weights that learn; ValueError, before any change, for others than those."""
    present = plastic_weights(synapses)
    check_state(state, present, ())
    for name in present:
        synapses[name].weight = torch.from_numpy(np.array(state[name]))


def _kernel_gradient(transform: Convolution, trace: Tensor, factor: Tensor) -> Tensor:
    """The mean over the batch of trace x factor, summed over positions, by torch's own backward."""
    weight = torch.zeros(transform.weight.shape, dtype=trace.dtype, requires_grad=True)
    with torch.enable_grad():
        current = transmitted(transform, trace.detach(), weight)
        (gradient,) = torch.autograd.grad((current * factor.detach()).sum(), weight)
    return gradient / len(trace)


def added(left: Tensor | None, right: Tensor | None) -> Tensor | None:
    """The sum of two gradients; None of frozen weights."""
    return None if left is None or right is None else left + right
