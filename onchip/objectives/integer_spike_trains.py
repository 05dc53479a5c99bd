"""The distance of spike trains in integers.

f[n] = kappa f[n-1] + 4096 (s[n] - s*[n]), truncated towards zero;   e[n] = saturate(round(127 f /
(4096 reach)))

`SpikeTrains` defines the real-valued form.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.arithmetic.loihi import DECAY_BITS, DECAY_UNITY, TRACE_MAX, decay_membrane
from onchip.checks import require_between
from onchip.objectives.integer_base import SHIFT, IntegerObjective, scaled_error
from onchip.objectives.spike_trains import SpikeTrains

Array = Any


@dataclass(frozen=True)
class IntegerSpikeTrains(IntegerObjective):
    """Outputs that spike as targets do; `decay` kappa is a multiple of 1/4096 in [0, 4095/4096].

    `reach` in 0.25..4096 spikes is the filtered difference at which e saturates. Raises ValueError
    for others.
    """

    decay: float = 0.875
    reach: float = 4.0

    reads_spikes = True

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("spike trains: decay", self.decay, 0, (DECAY_UNITY - 1) / DECAY_UNITY)
        require_between("spike trains: reach", self.reach, 0.25, DECAY_UNITY)
        if self.decay * DECAY_UNITY % 1:
            raise ValueError(
                f"spike trains: decay {self.decay} is not a multiple of 1/{DECAY_UNITY}, which 12 "
                "bits hold; use onchip.arithmetic.loihi.quantize_decay"
            )

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`: 0 and 1 for every step."""
        return SpikeTrains().targets(given, samples, time_steps, outputs).astype(np.int64)

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """Raise ValueError: the error depends on the steps before."""
        raise ValueError("spike trains: the error depends on the steps before; call step")

    def step(self, output: Array, target: Array, memory: Any, time_steps: int) -> tuple[Array, Any]:
        """As `Objective.step`; the memory is f[n], int64."""
        filtered = (np.asarray(output, np.int64) - np.asarray(target, np.int64)) << DECAY_BITS
        if memory is not None:
            lost = DECAY_UNITY - round(self.decay * DECAY_UNITY)
            filtered = filtered + decay_membrane(memory, lost)
        multiplier = round(TRACE_MAX * 2 ** (SHIFT - DECAY_BITS) / self.reach)
        return scaled_error(filtered, multiplier), filtered

    def unit(self, time_steps: int, outputs: int) -> float:
        """As `IntegerObjective.unit`."""
        return self.reach / (TRACE_MAX * outputs * time_steps)
