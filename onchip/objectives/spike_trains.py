"""The van Rossum distance of the output's spike trains from target spike trains.

    f[n] = kappa f[n-1] + s[n] - s*[n]          both trains, filtered by one exponential
    L[n] = mean_i f_i[n]^2 / 2 / T,    e[n] = f[n] / (outputs T)

e[n] is the filtered difference itself, not the loss's gradient by s[n], which would be an
anticausal filter of it: a rule that filters its eligibilities by the same kappa (SuperSpike) makes
up for that, since sum over n of f[n] sum over m <= n of kappa^(n-m) psi[m] a[m] is the gradient of
the whole sample's loss. The same holds for two filters one after the other:

    d[n] = k1 d[n-1] + s[n] - s*[n],    f[n] = k2 f[n-1] + d[n]

Sources: van Rossum 2001; Zenke and Ganguli 2018, Eq. 1 (two filters).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from onchip.checks import require_between
from onchip.objectives.base import Objective
from onchip.objectives.given import held

Array = Any


@dataclass(frozen=True)
class SpikeTrains(Objective):
    """Outputs that spike as targets do; `decay` kappa in [0, 1] of the filter per step.

    `second_decay` is that of a second filter behind the first, None for one filter. Targets are 0
    and 1 [samples, T, outputs]. The filters are empty at a sample's start, and steps without a
    target leave them as they were. Raises ValueError outside of the range.
    """

    decay: float = 0.875
    second_decay: float | None = None

    reads_spikes = True

    def __post_init__(self) -> None:
        """Check the range."""
        require_between("spike trains: decay", self.decay, 0, 1)
        if self.second_decay is not None:
            require_between("spike trains: second_decay", self.second_decay, 0, 1)

    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """As `Objective.targets`: 0 and 1 for every step."""
        whole = (samples, time_steps, outputs)
        if np.shape(given) != whole:
            raise ValueError(
                f"target spike trains have shape {np.shape(given)}; they must be [samples, T, "
                f"outputs] = {whole}, since a spike has a time"
            )
        trains = held("target spike trains", given, samples, time_steps, outputs)
        others = trains[(trains != 0) & (trains != 1)]
        if others.size:
            raise ValueError(f"target spike trains hold {others[0]:.6g}; they must be 0 and 1")
        return trains

    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """Raise ValueError: the error depends on the steps before."""
        raise ValueError("spike trains: the error depends on the steps before; call step")

    def step(self, output: Array, target: Array, memory: Any, time_steps: int) -> tuple[Array, Any]:
        """As `Objective.step`; the memory is f[n], before it d[n] where there are two filters."""
        share = output.shape[-1] * time_steps
        if self.second_decay is None:
            filtered = _filtered(memory, self.decay, output - target)
            return filtered / share, filtered
        inner, outer = (None, None) if memory is None else memory
        inner = _filtered(inner, self.decay, output - target)
        outer = _filtered(outer, self.second_decay, inner)
        return outer / share, (inner, outer)


def _filtered(past: Any, decay: float, new: Array) -> Array:
    return new if past is None else decay * past + new
