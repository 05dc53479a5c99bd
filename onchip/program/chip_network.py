"""The graph of a network in the chip's integers: `onchip.network.graph` with scales.

Weights of transforms hold integers in -256..255, neurons' constants are those that the chip holds.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from onchip.arithmetic.loihi import (
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
    WEIGHT_LIMITS,
    require_integer,
)
from onchip.network.graph import Network
from onchip.network.layer_spec import equal_fields
from onchip.network.parts import Connection, Population
from onchip.program.integer_layer_spec import FixedPlasticity, weight_step
from onchip.program.plasticity import LATE

MULTIPLES = (2, 4, 8, 16, 32, 64)
"""What a factor may be a multiple of."""


@dataclass(frozen=True)
class FactorScale:
    """How a population makes its factor: g = saturate(round(h derivative 2^-shift)).

    `unit` is what g = 1 is worth in the float network. With `multiple`, a power of two, g is
    rounded to a multiple of it and saturates at the largest: for factors of 8 the shift of a
    product x1 y drops nothing, which matters where many products are summed. Where synapses filter
    their eligibilities, they hear L = saturate(round(h 2^-signal_shift)), without the derivative,
    worth `signal_unit`.
    """

    shift: int
    unit: float
    multiple: int | None = None
    signal_shift: int | None = None
    signal_unit: float | None = None

    def __post_init__(self) -> None:
        """Check the multiple."""
        if self.multiple is not None and self.multiple not in MULTIPLES:
            raise ValueError(
                f"factor: multiple is {self.multiple!r}; it must be one of {MULTIPLES}, or None"
            )


@dataclass(frozen=True, eq=False)
class ChipPopulation(Population):
    """A population whose membrane integers are worth `membrane_unit` in the float network.

    `bias` [channels] is added to the membrane at every step; `factor` is None where none is needed.
    """

    membrane_unit: float = 1.0
    bias: np.ndarray | None = None
    factor: FactorScale | None = None

    __eq__ = equal_fields
    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True, eq=False)
class ChipConnection(Connection):
    """A connection whose sums are shifted by `exponent` -8..7; `plasticity` None is frozen."""

    exponent: int = 0
    plasticity: FixedPlasticity | None = None

    def __post_init__(self) -> None:
        """Check that the weights are integers in range, and the exponent."""
        where, weight = f"connection {self.source!r} to {self.target!r}", self.transform.weight
        low, high = WEIGHT_LIMITS
        wrong = weight[(weight != np.rint(weight)) | (weight < low) | (weight > high)]
        if wrong.size:
            raise ValueError(
                f"{where}: weight holds {wrong[0]}; it must be integers in {low}..{high}"
            )
        exponents = (WEIGHT_EXPONENT_MIN, WEIGHT_EXPONENT_MAX)
        require_integer(f"{where}: exponent", self.exponent, *exponents)

    __eq__ = equal_fields
    __hash__ = None

    @property
    def plastic(self) -> bool:
        """Whether it learns."""
        return self.plasticity is not None

    def weight_step(self, membrane_unit: float) -> float:
        """Return what one integer weight is worth in the float network."""
        return weight_step(membrane_unit, self.exponent)


@dataclass(frozen=True, eq=False, repr=False)
class ChipNetwork(Network):
    """A network of `ChipPopulation` and `ChipConnection`, for one schedule.

    `schedule` is the one that its traces, rates and roundings were chosen for, None without
    learning; `seed` that of the roundings.
    """

    schedule: str | None = None
    seed: int = 0

    __eq__ = equal_fields
    __hash__ = None

    @property
    def through_tags(self) -> bool:
        """Whether online updates wait in the tag for a step: `update_delay` 1 when sequenced.

        Filtered eligibilities are in the tag, too, and meet the factor of their own step one later.
        """
        learning = self.learning
        if learning is None or learning.mode != "online" or not learning.update_delay:
            return False
        return self.schedule == "sequenced"

    @property
    def rule_mode(self) -> str:
        """The mode of its rules, as `onchip.program.plasticity` has them."""
        assert self.learning is not None
        return LATE if self.through_tags else self.learning.mode
