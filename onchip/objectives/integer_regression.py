"""Regression in integers: the distance from a target at every step.

e[n] = saturate(round(127 (o[n] - y[n]) / reach)) = saturate(round((g o - y) multiplier 2^-20))

o is a membrane integer, or a spike times g = 127; y is in the same unit. `Regression` defines the
real-valued form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import MEMBRANE_MAX, TRACE_MAX, require_integer
from onchip.checks import require_between
from onchip.objectives.given import held
from onchip.objectives.integer_base import SHIFT, IntegerObjective, scaled_error

Array = Any


@dataclass(frozen=True)
class IntegerRegression(IntegerObjective):
    """Outputs follow targets, which users give in the float network's unit.

    `reach` is the distance at which e saturates, `output_unit` what one integer of an output is
    worth and `gain` what outputs are multiplied by (127 for spikes, else 1): targets are whole
    multiples of output_unit / gain. Raises ValueError outside of their ranges, and for targets of
    more than 24 bits.
    """

    output_unit: float
    gain: int = 1
    reach: float = 1.0

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("regression: output_unit", self.output_unit, 2.0**-23, 64)
        require_integer("regression: gain", self.gain, 1, TRACE_MAX)
        require_between("regression: reach", self.reach, 0, 1e9, open_low=True)
        require_between("regression: reach / output_unit", 1 / self._per_target, 2.0**-3, 2.0**24)

    @property
    def _per_target(self) -> float:
        """What one integer of a target is of the reach."""
        return self.output_unit / self.gain / self.reach

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`, rounded to integers."""
        real = held("targets", given, samples, time_steps, outputs)
        whole = np.rint(real * (self.gain / self.output_unit))
        limit = MEMBRANE_MAX * self.output_unit / self.gain
        outside = real[np.abs(whole) > MEMBRANE_MAX]
        if outside.size:
            raise ValueError(
                f"targets hold {outside.flat[0]:.6g}; integers of this network hold up to "
                f"{limit:.6g}, scale them down"
            )
        return whole.astype(np.int64)

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """As `Objective.error`, of integers."""
        difference = self.gain * np.asarray(output, np.int64) - target
        return scaled_error(difference, round(TRACE_MAX * self._per_target * 2**SHIFT))

    def unit(self, time_steps: int, outputs: int) -> float:
        """As `IntegerObjective.unit`."""
        return self.reach / (TRACE_MAX * outputs * time_steps)
