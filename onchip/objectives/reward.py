"""A reward that every synapse hears: the third factor of reward-modulated learning.

e[n] = -r[n]        for all outputs, so that a weight grows by eta r times its eligibility
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onchip.objectives.base import Objective
from onchip.objectives.given import held

Array = Any


@dataclass(frozen=True)
class Reward(Objective):
    """Rewards r [samples, T, 1], or [samples] for all steps; no output is compared with them."""

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`."""
        return held("rewards", given, samples, time_steps, outputs)

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """As `Objective.error`."""
        return -target
