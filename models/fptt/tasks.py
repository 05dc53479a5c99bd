"""The sequences to learn: the add task, and scikit-learn's digits one pixel a step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

import numpy as np
import torch
from torch import Tensor

from onchip.models.fptt.learners import Batch

GUESSING = 1 / 6
"""Mean squared error of always answering 1 in the add task: the variance of two uniform numbers."""

DIGIT_CLASSES, DIGIT_STEPS = 10, 64


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


@cache
def digits(seed: int = 0) -> tuple[Sequences, Sequences]:
    """(training, test): scikit-learn's 8 x 8 digits row by row, 64 steps of a pixel in [0, 1].

    A stratified fifth is for testing, drawn from `seed`.
    """
    from sklearn.datasets import load_digits
    from sklearn.model_selection import train_test_split

    images, labels = load_digits(return_X_y=True)
    x = (images / 16).astype(np.float32)[:, :, None]
    parts = train_test_split(x, labels, test_size=0.2, random_state=seed, stratify=labels)
    train_x, test_x, train_y, test_y = (torch.from_numpy(part) for part in parts)
    return Sequences(train_x, train_y), Sequences(test_x, test_y)


def _order(count: int, generator: torch.Generator) -> Tensor:
    return torch.randperm(count, generator=generator)
