"""The Lava process of each kind of synapses."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.proc.dense.process import Dense as LavaDense
from lava.proc.dense.process import LearningDense
from lava.utils.weightutils import SignMode

from onchip.lava.processes.integer_synapses import IntegerSynapses
from onchip.lava.processes.one_to_one import OneToOneSynapses
from onchip.lava.processes.transform_synapses import TransformSynapses
from onchip.lava.rules import learning_rule
from onchip.network.convolution import Convolution
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.local import LocalConvolution
from onchip.network.parts import INPUT
from onchip.network.transform import Transform
from onchip.network.transforms import Bias, Dense, OneToOne
from onchip.program.graphs import REAL_NUMBERS
from onchip.program.program import Program, Synapses
from onchip.program.synapses import IntegerPlasticity

if TYPE_CHECKING:
    from onchip.lava.convolutions import LavaConvolution

LavaSynapses: TypeAlias = "AbstractProcess | LavaConvolution"
"""A process, or several that look like one."""


def dense_synapses(synapses: Synapses) -> AbstractProcess:
    """Return Lava's own `Dense`, or `LearningDense` where they learn.

    Synapses of integers are always of mixed sign.
    """
    options: dict[str, Any] = {"weights": synapses.weights.copy(), "name": synapses.name}
    options["weight_exp"] = synapses.exponent
    if synapses.plasticity is not None:
        first_tag: Any = getattr(synapses.plasticity, "first_tag", 0)
        options["tag_1"] = np.full(
            synapses.weights.shape, first_tag if synapses.tags is None else synapses.tags
        )
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


def convolution_synapses(synapses: Synapses) -> LavaSynapses:
    """Return Lava's own `Conv` between flat maps, or a process of its own where they learn."""
    if synapses.plasticity is not None:
        return other_synapses(synapses)
    # Imported where it is needed: Lava's `Conv` takes as long to import as the rest of Lava.
    from onchip.lava.convolutions import frozen_convolution

    return frozen_convolution(synapses)


def other_synapses(synapses: Synapses) -> IntegerSynapses | TransformSynapses:
    """Return the process of any transform, in the numbers of the weights."""
    if np.issubdtype(synapses.weights.dtype, np.integer):
        return IntegerSynapses(synapses=synapses, name=synapses.name)
    return transform_synapses(synapses)


def transform_synapses(synapses: Synapses) -> TransformSynapses:
    """Return the process of any transform by its verbs.

    Raises ValueError for one of integers, and for an eligibility of each synapse of shared weights.
    """
    whole = isinstance(synapses.plasticity, IntegerPlasticity)
    if whole or np.issubdtype(synapses.weights.dtype, np.integer):
        raise ValueError(
            f"synapses {synapses.name!r}: {type(synapses.transform).__name__} "
            f"{'that learns ' * whole}has no process of integers in Lava; use floating point"
        )
    if synapses.plasticity is not None and synapses.plasticity.keeps_tag:
        synapses.transform.of_outputs(np.zeros((1, *synapses.transform.output_shape)))  # may refuse
    return TransformSynapses(
        transform=synapses.transform,
        weights=synapses.weights.copy(),
        plasticity=synapses.plasticity,
        name=synapses.name,
    )


SYNAPSES: dict[type[Transform], Callable[[Synapses], LavaSynapses]] = {
    Dense: dense_synapses,
    OneToOne: one_to_one_synapses,
    Bias: other_synapses,
    Convolution: convolution_synapses,
    EnlargingConvolution: convolution_synapses,
    LocalConvolution: other_synapses,
}
"""What makes the process of a transform: ports s_in, a_out, and where it learns s_in_y1..3 and Vars
`weights`, `x1`, `tag_1`, all flat but the weights. A transform of one's own is a row more; in
floating point that may be `transform_synapses`."""


def make_synapses(synapses: Synapses) -> LavaSynapses:
    """Return the process of some synapses; ValueError for a transform that has none."""
    kind = type(synapses.transform)
    if kind not in SYNAPSES:
        known = ", ".join(known.__name__ for known in SYNAPSES)
        raise ValueError(
            f"synapses {synapses.name!r}: {kind.__name__} has no process in Lava; use one of "
            f"{known}, or backend numpy"
        )
    return SYNAPSES[kind](synapses)


def takes_currents(program: Program) -> bool:
    """Return whether frames may be other than 0 and 1: all that reads them takes graded values."""
    first = program.out_of(INPUT)
    kinds = (Convolution, LocalConvolution)
    graded = all(isinstance(synapses.transform, kinds) for synapses in first)
    return graded and program.numbers == REAL_NUMBERS
