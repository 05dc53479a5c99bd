"""Whether an engine learns by compiled kernels, and why not."""

from __future__ import annotations

import functools
import warnings
from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.integer_constants import reason_against_integers
from onchip.engine.compiled.integer_filter_machine import IntegerFilterMachine
from onchip.engine.compiled.integer_filters import is_filtered
from onchip.engine.compiled.integer_machine import IntegerMachine
from onchip.engine.compiled.kept_machine import KeptMachine
from onchip.engine.compiled.kept_rules import keeps
from onchip.engine.compiled.real_constants import reason_against_reals
from onchip.engine.compiled.real_machine import RealMachine
from onchip.engine.compiled.reasons import NO_NUMBA, reason_against, reason_against_runs
from onchip.engine.compiled.wiring import parts_of
from onchip.objectives.classification import Classification
from onchip.objectives.integer_classification import IntegerClassification
from onchip.program.graphs import INTEGERS
from onchip.program.program import Program


class Compilation(NamedTuple):
    """Whether whole samples are learned from by compiled kernels; else by NumPy, for `reason`."""

    active: bool
    reason: str

    def __str__(self) -> str:
        return "compiled" if self.active else f"NumPy: {self.reason}"


NOT_ASKED = Compilation(False, "compiled=False was asked for")


def choose(program: Program) -> Compilation:
    """Return whether a program can be compiled; without numba that is told once, as a warning."""
    reason = reason_against(program)
    if reason is None:
        parts = parts_of(program)
        integers = program.numbers == INTEGERS
        reason = (
            reason_against_integers(program, parts) if integers else reason_against_reals(parts)
        )
    if reason == NO_NUMBA:
        _tell_once()
    return Compilation(True, "") if reason is None else Compilation(False, reason)


def choose_runs(program: Program) -> Compilation:
    """Return whether kernels can run a program's samples while nothing is learned."""
    reason = reason_against_runs(program)
    return Compilation(True, "") if reason is None else Compilation(False, reason)


@functools.cache
def _tell_once() -> None:
    warnings.warn(
        "numba is not installed, so networks learn by NumPy in place of compiled kernels; "
        "install numba to learn several times faster",
        stacklevel=5,
    )


def make_machine(program: Program, populations: Any, dtype: np.dtype, learns: bool = True) -> Any:
    """Return what learns for an engine with these populations, of a program that `choose` chose.

    Unless it `learns` it runs a program that `choose_runs` chose.
    """
    plain = not learns or _is_plain(program)
    if program.numbers == INTEGERS:
        return (IntegerMachine if plain else IntegerFilterMachine)(program, populations, learns)
    return (RealMachine if plain else KeptMachine)(program, populations, dtype, learns)


def _is_plain(program: Program) -> bool:
    """Whether targets are classes, and no synapses filter or keep what they learn from."""
    learning: Any = program.graph.learning
    by_class = isinstance(learning.objective, (Classification, IntegerClassification))
    kept = is_filtered if program.numbers == INTEGERS else keeps
    return by_class and not any(kept(synapses) for synapses in program.synapses)
