"""Classification in integers: the error that a chip computes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.arithmetic.integer_softmax import FixedError, fixed_error
from onchip.arithmetic.loihi import TRACE_MAX
from onchip.objectives.classification import Classification
from onchip.objectives.integer_base import IntegerObjective

Array = Any


@dataclass(frozen=True)
class IntegerClassification(IntegerObjective):
    """One class a sample, with the tables of `FixedError`; targets as in `Classification`."""

    tables: FixedError

    wanted = "one-hot targets"

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`: labels, or one-hot vectors."""
        return Classification().targets(given, samples, time_steps, outputs).astype(np.int64)

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """e in -127..127 of one sample: integer `output` and one-hot `target` [classes]."""
        return fixed_error(output, target, self.tables)

    def unit(self, time_steps: int, outputs: int) -> float:
        """As `IntegerObjective.unit`."""
        return 1 / (TRACE_MAX * time_steps)

    def check(self, target: Array) -> None:
        """As `IntegerObjective.check`: it must be one-hot."""
        if np.count_nonzero(target) != 1 or target.max() != 1:
            raise ValueError(f"targets are {target}; they must be one-hot, a 1 at the class")
