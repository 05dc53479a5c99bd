"""Plastic synapses of a program: the products of their rule, their trace and its timing."""

from __future__ import annotations

import math
from dataclasses import dataclass

from onchip.arithmetic.accumulator import Product
from onchip.arithmetic.loihi import (
    EPOCH_MAX,
    IMPULSE_BITS,
    WEIGHT_EXPONENT_MAX,
    WEIGHT_EXPONENT_MIN,
    require_integer,
)
from onchip.checks import require_between

FACTOR_TAU = 65535
"""Time constant that Loihi3FLearningRule gives to y1, y2, y3: about K in 65535 of a factor is lost
(in integers by stochastic rounding in units of one)."""


@dataclass(frozen=True)
class Plasticity:
    """How a group of synapses learns, the same for all of them.

    `dw`, `dt` and `dd` are the products of the rules of the weight, the tag and the second tag (in
    floating point, and never negative), `impulse` >= 0 and `tau` > 0 steps (infinite for a trace
    without decay) those of x1, `second` those of x2 where there is one, `epoch` K >= 1 steps.
    `keeps_tag` says that a tag is left over at a sample's end. Raises ValueError outside of these
    ranges.
    """

    dw: tuple[Product, ...]
    dt: tuple[Product, ...] = ()
    impulse: float = 1.0
    tau: float = 1 / math.log(2)
    epoch: int = 1
    seed: int = 0
    second: tuple[float, float] | None = None
    keeps_tag: bool = False
    dd: tuple[Product, ...] = ()

    def __post_init__(self) -> None:
        """Check the ranges."""
        require_between("synapses: impulse", self.impulse, 0, 1e30)
        if self.tau != math.inf:
            require_between("synapses: tau", self.tau, 0, 1e30, open_low=True)
        require_integer("synapses: epoch", self.epoch, 1, EPOCH_MAX)
        require_integer("synapses: seed", self.seed, 0, 2**32 - 1)


@dataclass(frozen=True)
class IntegerPlasticity(Plasticity):
    """`Plasticity` in the chip's integers.

    `impulse` 0..127, `tau` in (0, 1e9], `epoch` in 1..63, `seed` Lava's rng_seed, and
    `weight_exponent` in -8..7 shifts the postsynaptic input, `first_tag` is what tags begin with.
    Raises ValueError outside of these
    ranges.
    """

    impulse: int = 63
    weight_exponent: int = 0
    first_tag: int = 0

    def __post_init__(self) -> None:
        """Check the ranges."""
        super().__post_init__()
        require_integer("synapses: impulse", self.impulse, 0, 2**IMPULSE_BITS - 1)
        require_between("synapses: tau", self.tau, 0, 1e9, open_low=True)
        require_integer(
            "synapses: weight_exponent",
            self.weight_exponent,
            WEIGHT_EXPONENT_MIN,
            WEIGHT_EXPONENT_MAX,
        )
