"""Lava's search for the models of a process, made once for each kind of process.

At every compilation Lava executes the files beside each process anew, as often as its package has
modules: several hundred times for a network of `onchip.lava.processes`, half a second to two. What
it finds depends on the process's class alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.process.process import AbstractProcess

_found: dict[type, list[type]] = {}


class Choices:
    """Stands for a run configuration's `exception_proc_model_map`, which Lava asks before it looks.

    It has an answer for every process: what `select(process, models)` chooses among its models.
    """

    def __init__(self, select: Callable[[AbstractProcess, list[Any]], type]) -> None:
        self._select = select

    def __contains__(self, process: AbstractProcess) -> bool:
        return True

    def __getitem__(self, process: AbstractProcess) -> type:
        return self._select(process, models_of(process))


def models_of(process: AbstractProcess) -> list[type]:
    """The models that Lava finds for a process; it looks once for each class of processes."""
    kind = type(process)
    if kind not in _found:
        _found[kind] = ProcGroupDiGraphs._find_proc_models(process)
    return list(_found[kind])
