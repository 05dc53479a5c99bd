"""What objectives in integers share: targets that a chip can hold, errors of 7 bits and a sign."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any, ClassVar

import numpy as np

from onchip.arithmetic.loihi import TRACE_MAX
from onchip.objectives.base import Objective

Array = Any

SHIFT = 20
"""Bits below the point of what turns a difference into an error."""


class IntegerObjective(Objective):
    """An objective of integers, for one sample at a time: e in -127..127, int64 [outputs].

    Its outputs are membrane integers, or 0 and 1 of neurons that spike.
    """

    wanted: ClassVar[str] = "targets"
    """What it learns from, in the words of an error."""

    @abstractmethod
    def unit(self, time_steps: int, outputs: int) -> float:
        """Return what e = 1 is worth as an error of the float network."""

    def check(self, target: Array) -> None:
        """Raise ValueError for targets [outputs] of a step that do not fit: here, for none."""


def scaled_error(difference: Array, multiplier: int) -> Array:
    """saturate(round(difference multiplier 2^-20)) in -127..127, halves upwards: int64.

    `difference` is within 2^40 of 0 and the multiplier below 2^23.
    """
    product = np.asarray(difference, np.int64) * multiplier
    return np.clip((product + (1 << (SHIFT - 1))) >> SHIFT, -TRACE_MAX, TRACE_MAX)
