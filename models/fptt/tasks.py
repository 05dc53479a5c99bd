"""The sequences to learn: the add task, and labelled sequences as `onchip.models.fptt.labelled`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from onchip.models.fptt.learners import Batch

GUESSING = 1 / 6
"""Mean squared error of always answering 1 in the add task: the variance of two uniform numbers."""


@dataclass(frozen=True)
class AddTask:
    """Two numbers to be remembered and added.

    An input of T = `steps` steps has two features: a value, uniform in [0, 1), and a mask that is 1
    at one random step of each half and else 0. The target is the sum of the two marked values, the
    running target [T, batch, 1] the sum of those marked so far. Every batch is fresh. Raises
    ValueError for fewer than two steps.
    """

    steps: int

    def __post_init__(self) -> None:
        if self.steps < 2:
            raise ValueError(f"add: steps is {self.steps}; it needs 2 or more, one a number")

    def draw(self, batch: int, generator: torch.Generator) -> Batch:
        """A batch: `x` [T, batch, 2], `target` [batch, 1]."""
        half = self.steps // 2
        values = torch.rand(self.steps, batch, generator=generator)
        mask = torch.zeros(self.steps, batch)
        for low, high in ((0, half), (half, self.steps)):
            marked = torch.randint(low, high, (1, batch), generator=generator)
            mask.scatter_(0, marked, 1.0)
        running = (values * mask).cumsum(0)[:, :, None]
        return Batch(torch.stack((values, mask), dim=2), running[-1], running)


@dataclass(frozen=True)
class Sequences:
    """Labelled sequences `x` [samples, T, features], `labels` [samples]."""

    x: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batches(self, size: int, generator: torch.Generator | None = None) -> Iterator[Batch]:
        """All of them in batches of at most `size`, in an order drawn from `generator`."""
        count = len(self)
        order = torch.arange(count) if generator is None else _order(count, generator)
        for chosen in order.split(size):
            yield Batch(self.x[chosen].transpose(0, 1).contiguous(), self.labels[chosen])


def _order(count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator)
