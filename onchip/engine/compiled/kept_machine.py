"""An engine of real numbers on the compiled kernels, with eligibilities or other objectives."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from onchip.engine.compiled.columns import ALWAYS_ON, CLASSES, COUNT, POST, PRE, ROWS
from onchip.engine.compiled.kept_layout import (
    CONNECTION,
    FIRST,
    INPUTS,
    KEPT,
    SECOND,
    Kept,
    make_kept,
)
from onchip.engine.compiled.real_layout import ABSENT, OBJECTIVE
from onchip.engine.compiled.real_machine import RealMachine
from onchip.engine.compiled.wiring import parts_of
from onchip.program.program import Program

Array = np.ndarray


class KeptMachine(RealMachine):
    """As `RealMachine`; the engine gets the eligibilities, too, when somebody looks.

    Of another objective than classes it is given targets.
    """

    _named = (*RealMachine._named, "last", "first", "other", "inner")

    def __init__(
        self, program: Program, populations: Any, dtype: np.dtype, learns: bool = True
    ) -> None:
        """As `RealMachine`."""
        super().__init__(program, populations, dtype, learns)
        parts = parts_of(program)
        self._kept: Kept = make_kept(parts, self._wiring, self._online, dtype)
        self._rows = {int(row[CONNECTION]): row for row in self._kept.table}

    @functools.cached_property
    def _kernel(self) -> Any:
        if self._online:
            from onchip.engine.compiled.kept_samples import learn_kept_online

            return learn_kept_online
        from onchip.engine.compiled.kept_samples import add_kept_sample

        return add_kept_sample

    def _network(self, sums: Array, scales: Array) -> tuple[Any, ...]:
        return (*super()._network(sums, scales), self._kept)

    def _labels(self, given: Array) -> Array:
        """The classes of a sample's steps; what else is given goes into the targets."""
        if self._constants.facts[OBJECTIVE] == CLASSES:
            return given
        self._memory.targets[...] = given
        return np.full(len(given), -1, np.int64)

    def _present(self) -> dict[str, Array]:
        kept = self._kept
        more = {"first": kept.first, "inner": kept.second, "other": kept.other}
        return super()._present() | more

    def _give_synapses(self, c: int, row: Array, stacked: dict[str, Array]) -> None:
        kept = self._rows.get(c)
        if kept is None:
            super()._give_synapses(c, row, stacked)
            return
        synapses, inputs = self._synapses[c], row[PRE] + row[ALWAYS_ON]
        there = stacked["last"][:, row[ROWS] : row[ROWS] + inputs] != ABSENT
        traces = (stacked["trace"][:, row[ROWS] :], stacked["other"][:, kept[INPUTS] :])
        for index in range(len(synapses.traces)):
            self._give_traces(row, synapses, index, traces[index][:, :inputs] * there)
        places = (("first", kept[FIRST]), ("inner", kept[SECOND]))[: kept[KEPT]]
        flat = [stacked[name][:, begin : begin + row[COUNT]] for name, begin in places]
        own = [v.reshape(-1, inputs, row[POST]) * there[:, :, np.newaxis] for v in flat]
        if own:
            synapses.kept = tuple(v[:, : row[PRE]].transpose(0, 2, 1).copy() for v in own)
        if own and row[ALWAYS_ON]:
            synapses.bias_kept = tuple(v[:, -1].copy() for v in own)
