"""The Lava process of each kind of synapses."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import Dense as LavaDense
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import SignMode

from onchip.lava.processes.one_to_one import OneToOneSynapses
from onchip.lava.rules import learning_rule
from onchip.network.transform import Transform
from onchip.network.transforms import Dense, OneToOne
from onchip.program.program import Synapses


def dense_synapses(synapses: Synapses) -> AbstractProcess:
    """Return Lava's own `Dense`, or `LearningDense` where they learn.

    Synapses of integers are always of mixed sign.
    """
    options: dict[str, Any] = {"weights": synapses.weights.copy(), "name": synapses.name}
    options["weight_exp"] = synapses.exponent
    if synapses.plasticity is not None:
        first_tag = getattr(synapses.plasticity, "first_tag", 0)
        options["tag_1"] = np.full(synapses.weights.shape, first_tag)
        return LearningDense(learning_rule=learning_rule(synapses.plasticity), **options)
    return LavaDense(sign_mode=SignMode.MIXED, **options)


def one_to_one_synapses(synapses: Synapses) -> AbstractProcess:
    """Return a diagonal `Dense`, or `OneToOneSynapses` where they learn."""
    gains, name = synapses.weights.reshape(-1).copy(), synapses.name
    if synapses.plasticity is None:
        options: dict[str, Any] = {"weight_exp": synapses.exponent, "sign_mode": SignMode.MIXED}
        return LavaDense(weights=np.diag(gains), name=name, **options)
    return OneToOneSynapses(
        weights=gains, plasticity=synapses.plasticity, exponent=synapses.exponent, name=name
    )


SYNAPSES: dict[type[Transform], Callable[[Synapses], AbstractProcess]] = {
    Dense: dense_synapses,
    OneToOne: one_to_one_synapses,
}
"""What makes the process of a transform: ports s_in, a_out, and where it learns s_in_y1..3 and Vars
`weights`, `x1`, `tag_1`, all flat but the weights. A transform of one's own is a row more."""


def make_synapses(synapses: Synapses) -> AbstractProcess:
    """Return the process of some synapses; ValueError for a transform that has none."""
    kind = type(synapses.transform)
    if kind not in SYNAPSES:
        known = ", ".join(known.__name__ for known in SYNAPSES)
        raise ValueError(
            f"synapses {synapses.name!r}: {kind.__name__} has no process in Lava; use one of "
            f"{known}, or backend numpy"
        )
    return SYNAPSES[kind](synapses)
