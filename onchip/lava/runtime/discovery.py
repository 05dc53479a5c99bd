"""Lava's search for the models of a process, made once for each kind of process.

At every compilation Lava executes the files beside each process anew, as often as its package has
modules: several hundred times for each kind of process in `onchip.lava.processes`, most of it to
read and compile the same sources. So a file is compiled once here, and what Lava finds, which
depends on the process's class alone, is kept.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType
from typing import Any

from lava.magma.compiler.compiler_graphs import ProcGroupDiGraphs
from lava.magma.core.process.process import AbstractProcess

_found: dict[type, list[type]] = {}

_compiled: dict[tuple[str, int, int], CodeType] = {}
"""Code by a file's path, its time of change and its size."""

_lock = threading.Lock()


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
        with _lock, compiling_once():
            _found[kind] = ProcGroupDiGraphs._find_proc_models(process)
    return list(_found[kind])


@contextlib.contextmanager
def compiling_once() -> Iterator[None]:
    """Within the block modules that are executed again are not read and compiled again.

    Unless their file has changed. One thread at a time may be inside.
    """
    own, get_code = vars(SourceFileLoader).get("get_code"), SourceFileLoader.get_code

    def kept(loader: Any, name: str) -> CodeType | None:
        path = loader.get_filename(name)
        found = Path(path).stat()
        key = (path, found.st_mtime_ns, found.st_size)
        code: CodeType | None = _compiled.get(key) or get_code(loader, name)
        if code is not None:
            _compiled[key] = code
        return code

    SourceFileLoader.get_code = kept  # type: ignore[method-assign, assignment]
    try:
        yield
    finally:
        if own is None:  # it inherits it
            del SourceFileLoader.get_code
        else:
            SourceFileLoader.get_code = own  # type: ignore[method-assign]
