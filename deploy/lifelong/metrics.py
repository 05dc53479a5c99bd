"""What is measured of a lifelong run, from one matrix of accuracies.

R[i, j] is the accuracy on task j after session i (row 0: as deployed), all classes known by then
competing; NaN where the task's classes are not known yet. With n sessions, so n + 1 tasks:

    accuracy[i]        correct of all test samples of the tasks 0..i
    average            the mean of accuracy over i = 0..n (average incremental accuracy)
    area               under accuracy against sessions by the trapezium rule, divided by n
    base_kept          R[n, 0];  base_lost = R[0, 0] - R[n, 0]
    forgetting         mean over j < n of max over i < n of R[i, j], minus R[n, j]
    backward_transfer  mean over j < n of R[n, j] - R[j, j]
    forward_transfer   mean over j >= 1 of R[j - 1, j] - 1 / classes known then, where it was known

Sources: Lopez-Paz and Ranzato 2017 (transfer), Chaudhry et al. 2018 (forgetting), Rebuffi et al.
2017 (average). Forward transfer exists for sessions of known classes (a drift); a network cannot
name a class that it has no output for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class Course:
    """The accuracies of one run.

    `matrix` [sessions + 1, tasks] as above, `samples` [tasks] of the tests, `known` [sessions + 1]
    the number of classes known. Raises ValueError for shapes that do not fit.
    """

    matrix: np.ndarray
    samples: np.ndarray
    known: np.ndarray

    def __post_init__(self) -> None:
        """Check the shapes."""
        rows, tasks = self.matrix.shape
        if rows != tasks or len(self.samples) != tasks or len(self.known) != rows:
            raise ValueError(
                f"course: matrix {self.matrix.shape}, samples {len(self.samples)} and known "
                f"{len(self.known)} must be of as many tasks as rows, one more than sessions"
            )
        if np.isnan(self.matrix[np.tril_indices(rows)]).any():
            raise ValueError("course: a task that has come is not measured; measure every one")

    @property
    def accuracy(self) -> np.ndarray:
        """Of all tasks so far, after each session: [sessions + 1]."""
        weights = np.tril(np.broadcast_to(self.samples, self.matrix.shape))
        correct: np.ndarray = np.nan_to_num(self.matrix) * weights
        return correct.sum(axis=1) / weights.sum(axis=1)

    @property
    def area(self) -> float:
        """Under `accuracy`, 1 for a network that is always right."""
        accuracy = self.accuracy
        return float((accuracy[1:] + accuracy[:-1]).mean() / 2)

    @property
    def forgetting(self) -> float:
        """What was lost, on average, of the best accuracy on each earlier task."""
        best = np.fmax.reduce(self.matrix[:-1, :-1], axis=0)
        return float((best - self.matrix[-1, :-1]).mean())

    @property
    def backward_transfer(self) -> float:
        """What later sessions brought to each earlier task; below 0 for forgetting."""
        return float((self.matrix[-1, :-1] - np.diagonal(self.matrix)[:-1]).mean())

    @property
    def forward_transfer(self) -> float | None:
        """Accuracy above chance on tasks of known classes before their session; None without."""
        before = np.diagonal(self.matrix, 1)
        known = ~np.isnan(before)
        if not known.any():
            return None
        return float((before[known] - 1 / self.known[:-1][known]).mean())

    def as_json(self) -> dict[str, Any]:
        """Return the matrix (None for NaN) and the measures as plain data."""
        rows = [[None if np.isnan(v) else float(v) for v in row] for row in self.matrix]
        return {
            "matrix": rows,
            "samples": [int(n) for n in self.samples],
            "known": [int(n) for n in self.known],
            "accuracy": [float(v) for v in self.accuracy],
            "final": float(self.accuracy[-1]),
            "average": float(self.accuracy.mean()),
            "area": self.area,
            "base_kept": float(self.matrix[-1, 0]),
            "base_lost": float(self.matrix[0, 0] - self.matrix[-1, 0]),
            "new": self.new,
            "forgetting": self.forgetting,
            "backward_transfer": self.backward_transfer,
            "forward_transfer": self.forward_transfer,
        }

    @property
    def new(self) -> float:
        """Accuracy on all tasks but the base, after the last session."""
        weights = self.samples[1:]
        return float((self.matrix[-1, 1:] * weights).sum() / weights.sum())
