"""Rewards in integers: e[n] = -r[n], with 127 for the largest reward.

`Reward` defines the real-valued form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import TRACE_MAX
from onchip.checks import require_between
from onchip.objectives.given import held
from onchip.objectives.integer_base import IntegerObjective

Array = Any


@dataclass(frozen=True)
class IntegerReward(IntegerObjective):
    """Rewards r in -reach..reach as users give them, for all outputs alike."""

    reach: float = 1.0

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("reward: reach", self.reach, 0, 1e9, open_low=True)

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`, rounded to integers; ValueError beyond the reach."""
        real = held("rewards", given, samples, time_steps, outputs)
        outside = real[np.abs(real) > self.reach]
        if outside.size:
            raise ValueError(
                f"rewards hold {outside.flat[0]:.6g}; integers of this network hold up to "
                f"{self.reach:.6g}, scale them down and the learning rate up"
            )
        return np.rint(real * (TRACE_MAX / self.reach)).astype(np.int64)

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """As `Objective.error`, of integers."""
        return -np.asarray(target, np.int64)

    def unit(self, time_steps: int, outputs: int) -> float:
        """As `IntegerObjective.unit`."""
        return self.reach / TRACE_MAX
