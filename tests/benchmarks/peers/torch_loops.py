"""The task in PyTorch, float32: a plain loop, and by the parts of snnTorch and SpikingJelly."""

from __future__ import annotations

import numpy as np
import torch
from task import DECAY, SHARPNESS, Task
from torch import Tensor, nn


class ByTorch:
    """The equations as a loop, the updates in place, without autograd."""

    def __init__(self, task: Task) -> None:
        self._rate = task.rate
        self._weights = [_single(w) for w in task.weights]
        self._biases = [_single(b) for b in task.biases]

    @torch.no_grad()
    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        u = [torch.zeros_like(b) for b in self._biases]
        s = [torch.zeros_like(b) for b in self._biases]
        a = [torch.zeros(w.shape[1]) for w in self._weights]
        c, last = 0.0, len(u) - 1
        for x in torch.from_numpy(frames).float():
            c = DECAY * c + 1
            for i, (weight, bias) in enumerate(zip(self._weights, self._biases, strict=True)):
                a[i].mul_(DECAY).add_(x)
                u[i].sub_(s[i]).mul_(DECAY).add_(bias).addmv_(weight, x)
                if i < last:
                    s[i] = x = (u[i] >= 1).float()
            self._update(u, a, c, label, len(frames))

    def _update(self, u: list[Tensor], a: list[Tensor], c: float, label: int, steps: int) -> None:
        g = torch.softmax(u[-1], 0)
        g[label] -= 1
        g /= steps
        for i in reversed(range(len(u))):
            if i:
                rising = torch.sigmoid(SHARPNESS * (u[i - 1] - 1))
                below = (g @ self._weights[i]) * (SHARPNESS * rising * (1 - rising))
            self._weights[i].addr_(g, a[i], alpha=-self._rate)
            self._biases[i].add_(g, alpha=-self._rate * c)
            if i:
                g = below

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        return [w.numpy().copy() for w in self._weights]

    def close(self) -> None:
        """Nothing to end."""


class BySnnTorch:
    """snnTorch's neurons and surrogates, one step's graph at a time.

    Traces and updates are by hand, as it has no online rule with a trace, and so is the reset: its
    own, without a delay, resets a potential that is still above the threshold once more a step
    later, before it looks for a spike.
    """

    def __init__(self, task: Task) -> None:
        import snntorch
        from snntorch import surrogate

        options = {"spike_grad": surrogate.sigmoid(slope=SHARPNESS), "reset_mechanism": "none"}
        self._rate, self._layers = task.rate, _linear(task)
        self._neurons = [snntorch.Leaky(DECAY, **options) for _ in self._layers[:-1]]

    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        memory = [torch.zeros(1, layer.out_features) for layer in self._layers]
        a = [torch.zeros(1, layer.in_features) for layer in self._layers]
        c, target = 0.0, torch.tensor([label])
        for x in torch.from_numpy(frames).float()[:, None]:
            c = DECAY * c + 1
            currents = []
            for i, layer in enumerate(self._layers):
                a[i] = DECAY * a[i] + x.detach()
                currents.append(layer(x))
                if i < len(self._neurons):
                    x, u = self._neurons[i](currents[i], memory[i])
                    memory[i] = (u - x).detach()
            memory[-1] = DECAY * memory[-1].detach() + currents[-1]
            loss = nn.functional.cross_entropy(memory[-1], target) / len(frames)
            self._update(torch.autograd.grad(loss, currents), a, c)

    @torch.no_grad()
    def _update(self, factors: tuple[Tensor, ...], a: list[Tensor], c: float) -> None:
        for layer, g, trace in zip(self._layers, factors, a, strict=True):
            layer.weight.addr_(g[0], trace[0], alpha=-self._rate)
            layer.bias.add_(g[0], alpha=-self._rate * c)

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        return [layer.weight.detach().numpy().copy() for layer in self._layers]

    def close(self) -> None:
        """Nothing to end."""


class BySpikingJelly:
    """SpikingJelly's OTTT: its neurons with traces, and its two passes through each connection.

    The traces of the input and the leaky readout are by hand: its examples have neither. Its biases
    learn by g in the place of c g, which is made up for by their learning rates, one a step.
    """

    def __init__(self, task: Task) -> None:
        from spikingjelly.activation_based import layer, neuron, surrogate

        options = {"decay_input": False, "v_reset": None}
        make = lambda: neuron.OTTTLIFNode(  # noqa: E731
            tau=1 / (1 - DECAY), surrogate_function=surrogate.Sigmoid(SHARPNESS), **options
        )
        self._layers = _linear(task)
        self._traced = [layer.GradwithTrace(connection) for connection in self._layers]
        self._neurons = [make() for _ in self._layers[:-1]]
        groups = [{"params": [connection.weight]} for connection in self._layers]
        biases = {"params": [connection.bias for connection in self._layers]}
        self._optimizer = torch.optim.SGD([*groups, biases], lr=task.rate)
        self._rate = task.rate

    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        for one in self._neurons:
            one.reset()
        trace, output, target = 0.0, 0.0, torch.tensor([label])
        c = 0.0
        for x in torch.from_numpy(frames).float()[:, None]:
            c = DECAY * c + 1
            trace = DECAY * trace + x
            pair = [x, trace]
            for traced, one in zip(self._traced, self._neurons, strict=False):
                pair = one(traced(pair))
            output = DECAY * output + self._traced[-1](pair)
            loss = nn.functional.cross_entropy(output, target) / len(frames)
            loss.backward()
            self._optimizer.param_groups[-1]["lr"] = c * self._rate
            self._optimizer.step()
            self._optimizer.zero_grad()
            output = output.detach()

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        return [layer.weight.detach().numpy().copy() for layer in self._layers]

    def close(self) -> None:
        """Nothing to end."""


def _single(array: np.ndarray) -> Tensor:
    return torch.from_numpy(array.astype(np.float32))


def _linear(task: Task) -> list[nn.Linear]:
    made = []
    for weight, bias in zip(task.weights, task.biases, strict=True):
        layer = nn.Linear(weight.shape[1], weight.shape[0])
        layer.weight.data, layer.bias.data = _single(weight), _single(bias)
        made.append(layer)
    return made
