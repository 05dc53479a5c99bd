"""What all objectives share: targets in, errors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

Array = Any


class Objective(ABC):
    """What a network learns to do: subclasses are frozen dataclasses of its constants."""

    @abstractmethod
    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """Return float64 targets [samples, T, outputs] of what a user gives; ValueError if unfit.

        T may be an axis of stride 0 where a target holds for the whole sample.
        """

    @abstractmethod
    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """Return e[n], the derivative of a step's loss by the output: [batch, outputs]."""
