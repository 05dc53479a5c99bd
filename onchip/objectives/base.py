"""What all objectives share: targets in, errors out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

Array = Any


class Objective(ABC):
    """What a network learns to do: subclasses are frozen dataclasses of its constants.

    `reads_spikes` says whether it needs outputs that are spikes.
    """

    reads_spikes: ClassVar[bool] = False

    @abstractmethod
    def targets(self, given: Array, samples: int, time_steps: int, outputs: int) -> Array:
        """Return float64 targets [samples, T, outputs] of what a user gives; ValueError if unfit.

        T may be an axis of stride 0 where a target holds for the whole sample.
        """

    @abstractmethod
    def error(self, output: Array, target: Array, time_steps: int) -> Array:
        """Return e[n], the derivative of a step's loss by the output: [batch, outputs]."""

    def step(self, output: Array, target: Array, memory: Any, time_steps: int) -> tuple[Array, Any]:
        """Return e[n] and what the next step needs to know of this one.

        `memory` is what the last step with a target returned, None at a sample's first one; most
        objectives need none. This is what executions call.
        """
        return self.error(output, target, time_steps), memory
