"""OTTT of convolutional networks, written out: an oracle that shares no code with the package.

Potentials, spikes and traces are tensors in an explicit loop over time; torch's autograd works only
within a step, where it gives the factors g[n] = dL[n]/dI[n]. The parameters' gradients are then
those of sum(g[n] * (W' a[n])) and g[n] c[n].
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F


def soft_spike(u: Tensor) -> Tensor:
    """A hard spike with the derivative of sigmoid(4 (u - 1)), by the straight-through trick."""
    soft = torch.sigmoid(4 * (u - 1))
    return (u >= 1).to(u.dtype) + soft - soft.detach()


def loss_of(output: Tensor, targets: Tensor, time_steps: int, alpha: float) -> Tensor:
    """L[n], mean over the batch."""
    entropy = -(targets * torch.log_softmax(output, dim=1)).sum(1)
    squared = ((output - targets) ** 2).mean(1)
    return ((1 - alpha) * entropy + alpha * squared).mean() / time_steps


def plain(connection) -> Tensor:
    """W', written channel by channel."""
    if connection.gain is None:
        return connection.weight
    rows = []
    for row, gain in zip(connection.weight, connection.gain, strict=True):
        centred = row - row.mean()
        variance = (centred**2).sum() / (row.numel() - 1)
        rows.append(gain * centred / torch.sqrt(variance * row.numel() + 1e-4))
    return torch.stack(rows)


def current_of(connection, x: Tensor, weight: Tensor) -> Tensor:
    """W x without the bias."""
    if weight.ndim == 4:
        return F.conv2d(x, weight, stride=connection.stride, padding=connection.padding)
    return x.flatten(1) @ weight.T


def broadcast(bias: Tensor, like: Tensor) -> Tensor:
    return bias.view(1, -1, *(1,) * (like.ndim - 2))


class Unrolled:
    """The values of one step after another; `through_time` leaves the past in the graph.

    `published` is the feedback of the published VGG-F, W up(y) + b, otherwise up(W y).
    """

    def __init__(self, model, *, through_time: bool = False, published: bool = False) -> None:
        self.layers, self.path = list(model.layers), getattr(model, "path", None)
        self.through_time, self.published = through_time, published
        self.u, self.s = [0.0] * len(self.layers), [0.0] * len(self.layers)
        self.inputs, self.probes, self.fed_back = [], [], None

    def step(self, x: Tensor) -> Tensor:
        """One frame -> the output; `inputs` and `probes` (zeros added to I) are this step's."""
        last = None if self.path is None else self.s[self.path.source]
        self.inputs, self.probes, self.fed_back = [], [], None
        if torch.is_tensor(last):
            scaled = self.layers[self.path.source].scale * last
            self.fed_back = scaled if self.through_time else scaled.detach()
        for k, layer in enumerate(self.layers):
            self.inputs.append(x)
            x = self._layer_step(k, layer, x)
        return x

    def _layer_step(self, k: int, layer, x: Tensor) -> Tensor:
        connection = layer.connection
        current = current_of(connection, x, plain(connection))
        current = current + broadcast(connection.bias, current)
        if self.fed_back is not None and k == self.path.target:
            current = current + self.feedback(self.fed_back)
            if self.published:
                current = current + broadcast(self.path.connection.bias, current)
        self.probes.append(torch.zeros_like(current, requires_grad=True))
        current = current + self.probes[-1]
        if type(layer.neuron).__name__ == "LinearReadout":
            return current
        spiking = type(layer.neuron).__name__ == "LIF"
        past = self.u[k] - (self.s[k].detach() if torch.is_tensor(self.s[k]) else 0.0)
        past = past if spiking else self.u[k]
        if torch.is_tensor(past) and not self.through_time:
            past = past.detach()
        u = layer.neuron.decay * past + current
        self.u[k] = u
        if not spiking:
            return u
        self.s[k] = soft_spike(u)
        sent = layer.scale * self.s[k]
        return F.avg_pool2d(sent, layer.pool) if layer.pool > 1 else sent

    def feedback(self, y: Tensor) -> Tensor:
        """The current that y [batch, channels, h, w] of the last map gives, without the bias."""
        if self.published:
            return F.conv2d(self.enlarged(y), self.path.connection.weight, padding=1)
        return self.enlarged(F.conv2d(y, plain(self.path.connection), padding=1))

    def enlarged(self, values: Tensor) -> Tensor:
        """Each value over the square that all pools between target and source took together."""
        side = 1
        for layer in self.layers[self.path.target : self.path.source]:
            side *= layer.pool
        return values.repeat_interleave(side, 2).repeat_interleave(side, 3)


def slow_gradients(
    model, frames: Tensor, targets: Tensor, alpha: float, *, paper_code: bool
) -> list[Tensor]:
    """OTTT's gradients of all parameters, in the order of `model.parameters()`."""
    found = {p: torch.zeros_like(p) for p in model.parameters()}
    unrolled = Unrolled(model, published=paper_code)
    traces, fed_trace, time_steps = [0.0] * len(model.layers), 0.0, frames.shape[1]
    for n in range(time_steps):
        output = unrolled.step(frames[:, n].double())
        loss = loss_of(output, targets, time_steps, alpha)
        factors = torch.autograd.grad(loss, unrolled.probes)
        for k, (layer, factor) in enumerate(zip(model.layers, factors, strict=True)):
            connection, decay = layer.connection, layer.neuron.decay
            untraced = paper_code and k == 0
            own = unrolled.inputs[k].detach()
            traces[k] = own if untraced else decay * traces[k] + own
            add(found, connection, factor, current_of(connection, traces[k], plain(connection)))
            ones = 1.0 if paper_code else sum(decay**m for m in range(n + 1))
            axes = [0, *range(2, factor.ndim)]
            found[connection.bias] += factor.sum(axes) * ones
        if unrolled.fed_back is not None:
            path = unrolled.path
            fed_trace = path.connection.decay * fed_trace + unrolled.fed_back
            factor = factors[path.target]
            add(found, path.connection, factor, unrolled.feedback(fed_trace))
            if paper_code:
                found[path.connection.bias] += factor.sum((0, 2, 3))
    return [found[p] for p in model.parameters()]


def add(found: dict, connection, factor: Tensor, current: Tensor) -> None:
    """The gradients of weight and gain for sum(factor * current)."""
    parameters = [p for p in (connection.weight, connection.gain) if p is not None]
    for p, gradient in zip(
        parameters, torch.autograd.grad((factor * current).sum(), parameters), strict=True
    ):
        found[p] += gradient


def bptt_gradients(
    model, frames: Tensor, targets: Tensor, alpha: float, *, paper_code: bool = False
) -> list[Tensor]:
    """Backpropagation through time with detached reset, by torch's autograd."""
    unrolled = Unrolled(model, through_time=True, published=paper_code)
    total, time_steps = 0.0, frames.shape[1]
    for n in range(time_steps):
        output = unrolled.step(frames[:, n].double())
        total = total + loss_of(output, targets, time_steps, alpha)
    return list(torch.autograd.grad(total, list(model.parameters())))


def gradients_of(method, model, frames: Tensor, targets: Tensor, alpha: float) -> list[Tensor]:
    """The gradients with which `method` updates: plain SGD with rate 1 reveals them."""
    from onchip.models.training.feedback import make_feedback
    from onchip.models.training.updates import Learner

    before = [p.detach().clone() for p in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
    method(Learner(model, optimizer, make_feedback(model, "exact"), alpha), frames, targets)
    with torch.no_grad():
        found = [old - p for old, p in zip(before, model.parameters(), strict=True)]
        for old, p in zip(before, model.parameters(), strict=True):
            p.copy_(old)
    return found


def largest_difference(left: list[Tensor], right: list[Tensor]) -> float:
    """The largest difference of two lists of tensors."""
    return max(float((a - b).abs().max()) for a, b in zip(left, right, strict=True))


def spread_parameters(model) -> None:
    """Biases and gains away from their initial constants, so that neurons fire and errors show."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "gain")):
                noise = torch.rand(parameter.shape, generator=generator, dtype=parameter.dtype)
                parameter += 0.3 * (noise - 0.5) + (0.7 if name.endswith("gain") else 0.2)


def spikes_and_targets(model, samples: int = 3, seed: int = 0) -> tuple[Tensor, Tensor]:
    """Binary frames [samples, T, ...] and one-hot targets for a network."""
    generator = torch.Generator().manual_seed(seed)
    shape = (samples, model.time_steps, *model.input_shape)
    frames = (torch.rand(shape, generator=generator) < 0.4).to(torch.uint8)
    labels = torch.arange(samples) % model.classes
    return frames, torch.eye(model.classes, dtype=model.dtype)[labels]
