"""Learning from a batch of sequences: FPTT, part by part, and BPTT, through all steps.

Both take any module called as ``output, state = module(x, state)``, with `x` [steps, batch, ...]
and `state` None at the first step: a `LiquidNetwork`, or whatever else keeps its state in tensors.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from onchip.checks import require_choice
from onchip.models.fptt.optimizer import FPTT

Loss = Callable[[Tensor, Tensor], Tensor]

WEIGHTINGS = {
    "correct": lambda part, parts: part / parts,
    "published": lambda part, parts: part - 1 + 1 / parts,
}
"""The weight f of part k = 1 ... K of a terminal target.

"correct" is f = k / K. "published" is what the paper's code of the add task computes instead: of
(p + 1) / K, p = k - 1, the brackets are missing, so that f = k - 1 + 1/K grows to about K.
"""


@dataclass(frozen=True)
class Batch:
    """Sequences and what to say of them.

    `x` [T, batch, ...]; `target` [batch, ...], what to say at the end; `running` [T, batch, ...],
    what to say at each step, or None where it is known at the end only.
    """

    x: Tensor
    target: Tensor
    running: Tensor | None = None


class Learner(Protocol):
    """What trains: one batch, and what follows an epoch."""

    def learn(self, batch: Batch) -> float:
        """Learn from a batch; returns the loss of the last output before its own update."""

    def end_epoch(self) -> None:
        """Do what follows an epoch."""


@dataclass
class FPTTLearner:
    """Trains `module` in `parts`, one update of `fptt` each, the state detached in between.

    The loss of part k is f loss(output, target), f from `weighting` (`WEIGHTINGS`). With `running`
    the target is `Batch.running` at the part's last step, with f = 1. With `oracle` (a
    classification: `loss` takes classes or probabilities) (1 - f) loss(output, its own former
    prediction) is added: the softmax of the output at the end of the part before, detached; the
    first part has none. Raises ValueError for parts below 1 and unknown names.
    """

    module: nn.Module
    fptt: FPTT
    loss: Loss
    parts: int
    weighting: str = "correct"
    running: bool = False
    oracle: bool = False

    def __post_init__(self) -> None:
        require_choice("FPTT: weighting", self.weighting, WEIGHTINGS)
        if self.parts < 1:
            raise ValueError(f"FPTT: parts is {self.parts}; it must be at least 1")
        if self.running and self.oracle:
            raise ValueError("FPTT: a running target needs no oracle; leave one of them out")

    def learn(self, batch: Batch) -> float:
        """One update a part; parts of T steps are as equal as they can be, the longer ones first.

        Raises ValueError where T is shorter than the number of parts or there is no running target.
        """
        require_parts(len(batch.x), self.parts)
        state, former, last, end = None, None, 0.0, 0
        for part, x in enumerate(batch.x.tensor_split(self.parts), start=1):
            end += len(x)
            output, state = self.module(x, state)
            loss, last = self._loss(batch, output, former, part, end)
            self.fptt.zero_grad()
            loss.backward()
            self.fptt.step()
            state = detach(state)
            former = output.detach().softmax(-1) if self.oracle else None
        return float(last)

    def end_epoch(self) -> None:
        """w <- wbar."""
        self.fptt.end_epoch()

    def _loss(
        self, batch: Batch, output: Tensor, former: Tensor | None, part: int, end: int
    ) -> tuple[Tensor, Tensor]:
        """The part's weighted loss, and the plain one (detached)."""
        if self.running:
            if batch.running is None:
                raise ValueError("FPTT: the batch has no running target; train on the final one")
            plain = self.loss(output, batch.running[end - 1])
            return plain, plain.detach()
        plain = self.loss(output, batch.target)
        weight = WEIGHTINGS[self.weighting](part, self.parts)
        total = weight * plain
        if former is not None and weight < 1:
            total = total + (1 - weight) * self.loss(output, former)
        return total, plain.detach()


@dataclass
class BPTTLearner:
    """Trains `module` through all steps with one update of `optimizer` a batch, the baseline.

    The loss is that of the last output. `clip` as in FPTT.
    """

    module: nn.Module
    optimizer: torch.optim.Optimizer
    loss: Loss
    clip: float = 1.0

    def learn(self, batch: Batch) -> float:
        """One update."""
        output, _ = self.module(batch.x, None)
        loss = self.loss(output, batch.target)
        self.optimizer.zero_grad()
        loss.backward()
        if self.clip > 0:
            nn.utils.clip_grad_norm_(self.module.parameters(), self.clip, foreach=True)
        self.optimizer.step()
        return float(loss.detach())

    def end_epoch(self) -> None:
        """Nothing follows."""


def require_parts(steps: int, parts: int) -> None:
    """Raise ValueError where a sequence of `steps` cannot be cut into `parts`."""
    if steps < parts:
        raise ValueError(
            f"FPTT: a sequence of {steps} steps has no {parts} parts; give at most {steps} parts"
        )


def detach(state: Any) -> Any:
    """`state` without its graph: a tensor, or tuples, lists and dicts of them, or None."""
    if isinstance(state, torch.Tensor):
        return state.detach()
    if isinstance(state, dict):
        return {name: detach(value) for name, value in state.items()}
    if isinstance(state, (tuple, list)):
        values = [detach(value) for value in state]
        return type(state)(*values) if hasattr(state, "_fields") else type(state)(values)
    return state
