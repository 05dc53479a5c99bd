"""The squared distance of the output from a target at every step.

L[n] = mean_i (o_i[n] - y_i[n])^2 / 2 / T,    e[n] = (o[n] - y[n]) / (outputs T)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onchip.objectives.base import Objective
from onchip.objectives.given import held

Array = Any


@dataclass(frozen=True)
class Regression(Objective):
    """The outputs follow targets [samples, T, outputs]; [samples, outputs] holds for all steps."""

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`."""
        return held("targets", given, samples, time_steps, outputs)

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """As `Objective.error`."""
        return (output - target) / (output.shape[-1] * time_steps)
