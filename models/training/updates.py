"""How one batch changes the weights: OTTT_A, OTTT_O and BPTT, one function each.

All take the frames of a batch [batch, T, *input_shape] of any numeric type (one step at a time is
converted) and one-hot targets [batch, classes], and minimize the mean over the batch of sum_n L[n];
see `onchip.objectives.classification` for L[n].
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from onchip.models.networks.activity import Activity
from onchip.models.networks.connections import collect_gradients
from onchip.models.networks.network import NetworkState, SpikingNetwork
from onchip.models.networks.precision import full_precision
from onchip.models.training.distributed import ALONE, Processes
from onchip.models.training.feedback import Feedback, make_feedback
from onchip.objectives.classification import instantaneous_loss

Observer = Callable[[list[Tensor]], None]
"""Called with every layer's output at every step, before the step's gradients are applied."""


@dataclass
class Learner:
    """What an update needs: the model, its optimizer and feedback, and the loss's settings.

    `grad_clip` is the largest gradient norm of one update, 0 for none; `update_delay` (OTTT_O
    only) 0 or 1. On several `processes` the batch is this one's part of a joint batch, of which it
    is the `share` n_r / N; every update is that of the joint batch, norm included. `activity`,
    where there is one, sees the spikes of every step.
    """

    model: SpikingNetwork
    optimizer: torch.optim.Optimizer
    feedback: Feedback
    mse_weight: float = 0.05
    grad_clip: float = 0.0
    update_delay: int = 0
    processes: Processes = ALONE
    share: float = 1.0
    activity: Activity | None = None

    def see(self, state: NetworkState) -> None:
        """Show the state after a step to `activity`."""
        if self.activity is not None:
            self.activity.see(self.model, state)

    def loss(self, output: Tensor, targets: Tensor, time_steps: int) -> Tensor:
        """Mean over the batch of L[n]."""
        return instantaneous_loss(output, targets, time_steps, self.mse_weight).mean()

    def apply(self) -> None:
        """One update with the gradients at hand, which are then forgotten."""
        self.processes.add_gradients(self.model.parameters(), self.share)
        if self.grad_clip:
            nn.utils.clip_grad_norm_(self.model.parameters(), self.grad_clip)
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)


@dataclass(frozen=True)
class BatchResult:
    """`loss`: sum over steps, mean over the batch; `output`: sum_n o[n] [batch, classes]."""

    loss: float
    output: Tensor

    def correct(self, labels: Tensor) -> int:
        """How many of `labels` [batch] are the argmax of the output."""
        return int((self.output.argmax(1) == labels.to(self.output.device)).sum())


class StepResult(NamedTuple):
    """`loss` L[n], mean over the batch [], and `output` o[n] [batch, classes], or their sums.

    Both stay on the device: reading a number would wait for everything queued there.
    """

    loss: Tensor
    output: Tensor

    def plus(self, other: StepResult) -> StepResult:
        """The sum of two results."""
        return StepResult(self.loss + other.loss, self.output + other.output)

    def of_batch(self) -> BatchResult:
        """The sums of all steps, with the loss as a number: waits for the device."""
        return BatchResult(float(self.loss), self.output)


def ottt_step(
    learner: Learner,
    frame: Tensor,
    targets: Tensor,
    time_steps: int,
    state: NetworkState,
    observe: Observer | None = None,
) -> tuple[StepResult, NetworkState]:
    """One step forward and its gradients added to `.grad` -> (its result, detached state).

    Those of standardized weights are there after
    `onchip.models.networks.connections.collect_gradients`.
    """
    x = frame.to(targets.dtype)
    outputs, state = learner.model.step(x, state, cut=learner.feedback.cuts)
    learner.see(state)
    if observe is not None:
        observe(outputs)
    output = outputs[-1].detach().requires_grad_()
    loss = learner.loss(output, targets, time_steps)
    (error,) = torch.autograd.grad(loss, output)
    learner.feedback.backward(error, outputs)
    return StepResult(loss.detach(), output.detach()), state


def ottt_a(
    learner: Learner, frames: Tensor, targets: Tensor, observe: Observer | None = None
) -> BatchResult:
    """OTTT_A: gradients of all steps are summed, one update at the end.

    `targets` [batch, classes], or [batch, T, classes] where they change from step to step.
    """
    time_steps, total = frames.shape[1], _nothing(_of_step(targets, 0))
    state = learner.model.initial_state()
    for n in range(time_steps):
        now = _of_step(targets, n)
        result, state = ottt_step(learner, frames[:, n], now, time_steps, state, observe)
        total = total.plus(result)
    collect_gradients(learner.model)
    learner.apply()
    return total.of_batch()


def ottt_o(
    learner: Learner, frames: Tensor, targets: Tensor, observe: Observer | None = None
) -> BatchResult:
    """OTTT_O: an update after every step, or one step later with `update_delay`.

    `targets` as for `ottt_a`.
    """
    time_steps, total = frames.shape[1], _nothing(_of_step(targets, 0))
    state, pending = learner.model.initial_state(), None
    for n in range(time_steps):
        now = _of_step(targets, n)
        result, state = ottt_step(learner, frames[:, n], now, time_steps, state, observe)
        total = total.plus(result)
        collect_gradients(learner.model)
        if learner.update_delay:
            pending = _swap_gradients(learner, pending)
        if not learner.update_delay or n > 0:
            learner.apply()
    if pending is not None:
        _swap_gradients(learner, pending)
        learner.apply()
    return total.of_batch()


def bptt(learner: Learner, frames: Tensor, targets: Tensor) -> BatchResult:
    """BPTT with surrogate gradients and detached reset: the graph of all T steps, one update."""
    time_steps, output_sum = frames.shape[1], torch.zeros_like(targets)
    state, total = learner.model.initial_state(), targets.new_zeros(())
    for n in range(time_steps):
        output, state = learner.model.step_through_time(frames[:, n].to(targets.dtype), state)
        learner.see(state)
        total = total + learner.loss(output, targets, time_steps)
        output_sum += output.detach()
    with full_precision(targets.device):
        total.backward()
    learner.apply()
    return BatchResult(float(total.detach()), output_sum)


def feedback_on_device(model: SpikingNetwork, kind: str, seed: int) -> Feedback:
    """Feedback drawn on the CPU, so that a seed gives the same for a model on every device."""
    device = next(model.parameters()).device
    feedback = make_feedback(model.cpu(), kind, seed)
    model.to(device)
    return feedback if device.type == "cpu" else placed_feedback(model, kind, feedback.tensors)


def placed_feedback(model: SpikingNetwork, kind: str, tensors: Mapping[str, Tensor]) -> Feedback:
    """Feedback with its `tensors` on the model's device."""
    device = next(model.parameters()).device
    return Feedback(model, kind, {name: tensor.to(device) for name, tensor in tensors.items()})


UPDATES: dict[str, Callable[..., BatchResult]] = {"ottt_a": ottt_a, "ottt_o": ottt_o, "bptt": bptt}
"""Method -> the function that learns from one batch."""


def _of_step(targets: Tensor, n: int) -> Tensor:
    """The targets [batch, classes] of step n, of [batch, T, classes] or of a whole sample."""
    return targets[:, n] if targets.ndim == 3 else targets


def _nothing(targets: Tensor) -> StepResult:
    return StepResult(targets.new_zeros(()), torch.zeros_like(targets))


def _swap_gradients(learner: Learner, pending: Any) -> list[Tensor | None]:
    """Put `pending` in the place of the present gradients and return those."""
    parameters = list(learner.model.parameters())
    present = [parameter.grad for parameter in parameters]
    for parameter, gradient in zip(parameters, pending or [None] * len(present), strict=True):
        parameter.grad = gradient
    return present
