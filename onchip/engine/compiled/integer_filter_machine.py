"""An engine of integers on the compiled kernels, with filters or other objectives than classes."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from onchip.engine.compiled.columns import PLASTIC
from onchip.engine.compiled.integer_filters import CONNECTION, OBJECTIVE, make_filters
from onchip.engine.compiled.integer_machine import IntegerMachine
from onchip.engine.compiled.wiring import parts_of
from onchip.program.program import Program

Array = np.ndarray


class IntegerFilterMachine(IntegerMachine):
    """As `IntegerMachine`; of another objective than classes it is given targets."""

    def __init__(self, program: Program, populations: Any, learns: bool = True) -> None:
        """As `IntegerMachine`."""
        super().__init__(program, populations, learns)
        parts = parts_of(program)
        self._filters = make_filters(program, parts, self._wiring)
        self._by_class = self._filters.objective[OBJECTIVE] == 0
        self._wiring.connections[self._filters.table[:, CONNECTION], PLASTIC] = 0

    @functools.cached_property
    def _kernel(self) -> Any:
        from onchip.engine.compiled.integer_filter_samples import learn_filtered_sample

        return learn_filtered_sample

    def _network(self) -> tuple[Any, ...]:
        return (*super()._network(), self._filters)

    def _labels(self, given: Array) -> Array:
        """The classes of a sample's steps; what else is given goes into the targets."""
        if self._by_class:
            return given
        self._filters.targets[...] = given
        return np.full(len(given), -1, np.int64)
