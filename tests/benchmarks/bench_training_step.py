"""Training-step time and memory of OTTT_A on the paper's VGG, written as JSON.

The baseline does what the published implementation is described to do, on the same parameters: at
every step each operation runs forward once on the spikes without a gradient and once on the traces
with one, and the weights are standardised for either. Its gradients must be those of the package.
It has the deviations of the published code, so the network is built with `paper_code=True`.

    OMP_NUM_THREADS=2 python tests/benchmarks/bench_training_step.py
"""

from __future__ import annotations

import argparse
from importlib.metadata import version
from pathlib import Path

import torch
from timing import RESULTS, Row, compare, write_rows
from torch import Tensor, nn
from torch.nn import functional as F

from onchip.models import build_model
from onchip.models.networks.network import SpikingNetwork
from onchip.models.training.feedback import make_feedback
from onchip.models.training.memory import training_peak_bytes
from onchip.models.training.updates import Learner, ottt_a

SHAPE, CLASSES, DECAY, SCALE, ALPHA, RATE = (2, 48, 48), 10, 0.5, 2.74, 0.05, 1e-3


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
            spikes = shown = frames[:, n].float()
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
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


def standardised(weight: Tensor, gain: Tensor) -> Tensor:
    """Scaled weight standardisation, by torch's autograd."""
    fan_in = weight[0].numel()
    mean = weight.mean((1, 2, 3), keepdim=True)
    variance = weight.var((1, 2, 3), keepdim=True)
    return gain.view(-1, 1, 1, 1) * (weight - mean) / (variance * fan_in + 1e-4).sqrt()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch-size", type=int, default=8)
    parser.add_argument("--time-steps", type=int, default=4)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-batch-size", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--out", type=Path, default=RESULTS / "training_step.json")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    difference = largest_difference(args.batch_size, args.time_steps)
    print(f"gradients differ from the baseline's by {difference:.1e} of the largest of a parameter")
    if not difference < 1e-4:
        raise SystemExit("the baseline and the package compute different gradients")
    write_rows(
        args.out,
        [step_times(args.batch_size, args.time_steps, args.repeats)],
        torch=version("torch"),
        threads=args.threads,
        input_shape=list(SHAPE),
        gradient_difference=difference,
        memory_batch_size=args.memory_batch_size,
        peak_bytes={n: peak_bytes(args.memory_batch_size, n) for n in (4, 64)},
        baseline_peak_bytes={4: baseline_peak_bytes(args.memory_batch_size, 4)},
    )


def step_times(size: int, time_steps: int, repeats: int) -> Row:
    """Both trainers on one batch, the update included."""
    frames, targets = batch(size, time_steps)
    ours, theirs = learner(time_steps), TwoPassTrainer(*network(time_steps))
    return compare(
        f"OTTT_A, VGG, batch {size}, T={time_steps}",
        lambda: ottt_a(ours, frames, targets),
        "two forward passes, one on spikes and one on traces",
        lambda: theirs.learn(frames, targets),
        repeats=repeats,
        warm_up=1,
    )


def network(time_steps: int) -> tuple[SpikingNetwork, torch.optim.Optimizer]:
    """The paper's VGG with the published code's deviations, and plain SGD with momentum."""
    model = build_model(
        "vgg", input_shape=SHAPE, classes=CLASSES, time_steps=time_steps, paper_code=True
    )
    return model, torch.optim.SGD(model.parameters(), lr=RATE, momentum=0.9)


def learner(time_steps: int) -> Learner:
    """The package's trainer."""
    model, optimizer = network(time_steps)
    return Learner(model, optimizer, make_feedback(model, "exact"), ALPHA)


def batch(size: int, time_steps: int) -> tuple[Tensor, Tensor]:
    """Binary frames [size, T, 2, 48, 48] and one-hot targets."""
    generator = torch.Generator().manual_seed(0)
    frames = (torch.rand((size, time_steps, *SHAPE), generator=generator) < 0.2).to(torch.uint8)
    return frames, torch.eye(CLASSES)[torch.arange(size) % CLASSES]


def largest_difference(size: int, time_steps: int) -> float:
    """Largest difference of the gradients, each relative to its parameter's largest one."""
    frames, targets = batch(size, time_steps)
    own = learner(time_steps)
    own.apply = lambda: None  # type: ignore[method-assign]
    ottt_a(own, frames, targets)
    model, optimizer = network(time_steps)
    TwoPassTrainer(model, optimizer).gradients(frames, targets)
    pairs = zip(own.model.parameters(), model.parameters(), strict=True)
    return max(relative_difference(p, q) for p, q in pairs)


def relative_difference(ours: nn.Parameter, theirs: nn.Parameter) -> float:
    """Largest difference of two parameters' gradients, in units of the largest gradient."""
    difference = (ours.grad - theirs.grad).abs().max()
    return float(difference / theirs.grad.abs().max())


def peak_bytes(size: int, time_steps: int) -> int:
    """Largest number of bytes of tensors alive in one batch."""
    trainer = learner(time_steps)
    peak = training_peak_bytes(lambda x, y: ottt_a(trainer, x, y), *batch(size, time_steps))
    print(f"T={time_steps}: peak of {peak / 2**20:.1f} MiB", flush=True)
    return peak


def baseline_peak_bytes(size: int, time_steps: int) -> int:
    """The same of the baseline."""
    trainer = TwoPassTrainer(*network(time_steps))
    peak = training_peak_bytes(trainer.learn, *batch(size, time_steps))
    print(f"T={time_steps}: the baseline's peak of {peak / 2**20:.1f} MiB", flush=True)
    return peak


if __name__ == "__main__":
    main()
