"""The published implementation of OTTT as it is described, to measure and check against.

On the parameters of a network built with `paper_code=True`: at every step each operation runs
forward once on the spikes without a gradient and once on the traces with one, and the weights are
standardised for either.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional as F

from onchip.models.networks.network import SpikingNetwork

DECAY, SCALE, ALPHA = 0.5, 2.74, 0.05


class PastFreeSpike(torch.autograd.Function):
    """A spike with the derivative of sigmoid(4 (u - 1)) behind it."""

    @staticmethod
    def forward(ctx, u: Tensor) -> Tensor:
        ctx.save_for_backward(u)
        return (u >= 1).to(u.dtype)

    @staticmethod
    def backward(ctx, gradient: Tensor) -> Tensor:
        (u,) = ctx.saved_tensors
        soft = torch.sigmoid(4 * (u - 1))
        return gradient * 4 * soft * (1 - soft)


class SpikesOfTraces(torch.autograd.Function):
    """Shows the trace to the next operation and sends the gradient back to the spikes."""

    @staticmethod
    def forward(ctx, spikes: Tensor, trace: Tensor) -> Tensor:
        return trace.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class CurrentOfSpikes(torch.autograd.Function):
    """The current of the spikes' pass with the gradient of the traces' pass."""

    @staticmethod
    def forward(ctx, from_traces: Tensor, from_spikes: Tensor) -> Tensor:
        return from_spikes.clone()

    @staticmethod
    def backward(ctx, gradient: Tensor) -> tuple[Tensor, None]:
        return gradient, None


class TwoPassTrainer:
    """The baseline on the parameters of a network built with `paper_code=True`."""

    def __init__(self, model: SpikingNetwork, optimizer: torch.optim.Optimizer) -> None:
        self.parts = [
            (layer.connection.weight, layer.connection.gain, layer.connection.bias, layer.pool)
            for layer in model.layers
        ]
        self.optimizer = optimizer

    def gradients(self, frames: Tensor, targets: Tensor) -> None:
        """Add the gradients of all steps of a batch [batch, T, ...] to the parameters."""
        count = len(self.parts) - 1
        u, s, trace = [None] * count, [None] * count, [None] * count
        time_steps = frames.shape[1]
        for n in range(time_steps):
            spikes = shown = frames[:, n].to(self.parts[0][0].dtype)
            for k, (weight, gain, bias, pool) in enumerate(self.parts[:-1]):
                current = F.conv2d(shown, standardised(weight, gain), bias, padding=1)
                if k:  # the first convolution is not traced: one pass gives both
                    with torch.no_grad():
                        sent = F.conv2d(spikes, standardised(weight, gain), bias, padding=1)
                    current = CurrentOfSpikes.apply(current, sent)
                past = 0 if n == 0 else (DECAY * (u[k] - s[k])).detach()
                u[k] = past + current
                s[k] = PastFreeSpike.apply(u[k])
                fired = s[k].detach()
                trace[k] = fired if n == 0 else DECAY * trace[k] + fired
                shown = F.avg_pool2d(SCALE * SpikesOfTraces.apply(s[k], trace[k]), pool)
                with torch.no_grad():
                    spikes = F.avg_pool2d(SCALE * fired, pool)
            weight, _, bias, _ = self.parts[-1]
            with torch.no_grad():
                sent = F.linear(spikes.flatten(1), weight, bias)
            output = CurrentOfSpikes.apply(F.linear(shown.flatten(1), weight, bias), sent)
            entropy = F.cross_entropy(output, targets)
            loss = (1 - ALPHA) * entropy + ALPHA * F.mse_loss(output, targets)
            (loss / time_steps).backward()

    def learn(self, frames: Tensor, targets: Tensor) -> None:
        """One batch by OTTT_A."""
        self.gradients(frames, targets)
        self.update()

    def update(self) -> None:
        """Apply the gradients at hand."""
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


class Between:
    """Frames [batch, T, ...] that call `update` between two steps, as they are asked for."""

    def __init__(self, frames: Tensor, update: Callable[[], None]) -> None:
        self.frames, self.shape, self.update = frames, frames.shape, update

    def __getitem__(self, index: tuple[slice, int]) -> Tensor:
        if index[1] > 0:
            self.update()
        return self.frames[index]


class OnlineTwoPassTrainer(TwoPassTrainer):
    """The baseline by OTTT_O: as OTTT_A, but with an update after every step."""

    def learn(self, frames: Tensor, targets: Tensor) -> None:
        """One batch."""
        self.gradients(Between(frames, self.update), targets)  # type: ignore[arg-type]
        self.update()


TRAINERS = {"ottt_a": TwoPassTrainer, "ottt_o": OnlineTwoPassTrainer}
"""By the package's name of the method."""


def standardised(weight: Tensor, gain: Tensor) -> Tensor:
    """Scaled weight standardisation, by torch's autograd."""
    fan_in = weight[0].numel()
    mean = weight.mean((1, 2, 3), keepdim=True)
    variance = weight.var((1, 2, 3), keepdim=True)
    return gain.view(-1, 1, 1, 1) * (weight - mean) / (variance * fan_in + 1e-4).sqrt()
