"""Lava's compiler, without what it leaves behind."""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import threading
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lava.magma.compiler.executable import Executable
from lava.magma.core.process.ports.ports import ImplicitVarPort
from lava.magma.core.process.process import AbstractProcess, ProcessServer
from lava.magma.core.process.variable import VarServer
from lava.magma.core.run_configs import RunConfig

from onchip.lava.runtime.discovery import Choices

Select = Callable[[AbstractProcess, list[Any]], type]
"""select(process, models): the model of a process, of those that Lava found."""


def selection(run_config: RunConfig) -> Select:
    """What a run configuration chooses, its `exception_proc_model_map` first, as Lava does."""
    exceptions = getattr(run_config, "exception_proc_model_map", {})

    def select(process: AbstractProcess, models: list[Any]) -> type:
        # Lava takes a process itself there as well as its class.
        for key in (process, type(process)):
            if key in exceptions:
                chosen: type = exceptions[key]
                return chosen
        selected: type = run_config.select(process, models)
        return selected

    return select


def choosing(run_config: RunConfig, select: Select) -> Any:
    """The run configuration with `select` in the place of its own choice."""
    changed: Any = copy.copy(run_config)
    changed.exception_proc_model_map = Choices(select)
    return changed


class _Turns:
    """One thread at a time compiles and builds: Lava keeps what it needs for it in one place."""

    def __init__(self) -> None:
        self._lock = threading.RLock()

    @contextlib.contextmanager
    def taken(self) -> Iterator[None]:
        """Wait for the turn, and have it inside."""
        with self._lock:
            yield

    def renew(self) -> None:
        """In a forked child the thread that had it may not exist."""
        self._lock = threading.RLock()


_turns = _Turns()
os.register_at_fork(after_in_child=_turns.renew)


def compiling() -> contextlib.AbstractContextManager[None]:
    """The turn of this thread to make processes, compile and build."""
    return _turns.taken()


def compiled(process: AbstractProcess, run_config: RunConfig) -> Executable:
    """What Lava's compiler makes of all processes connected to this one.

    After a failure they may be compiled again.
    """
    waiting = [other for other in ProcessServer().processes if not other._is_compiled]
    try:
        with quiet_compiler():
            executable: Executable = process.compile(run_config)
    except BaseException:
        tried = [other for other in waiting if other._is_compiled]
        allow_again(tried)
        _forget_processes(set(tried))
        raise
    return executable


def allow_again(processes: Iterable[AbstractProcess]) -> None:
    """Let processes be compiled again; not the parts of a hierarchical one, which Lava makes anew
    and connects a second time.
    """
    for process in processes:
        if process.parent_proc is None:
            process._is_compiled = False


@contextlib.contextmanager
def quiet_compiler() -> Iterator[None]:
    """Keep the compiler's warnings inside, and drop the log handler that it adds each time."""
    log = logging.getLogger("lava.magma.compiler.compiler")
    handlers = list(log.handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.handlers[:] = handlers or log.handlers[:1]


@contextlib.contextmanager
def quiet_processes() -> Iterator[None]:
    """Drop the handlers that Lava's processes made inside have added to the program's root log."""
    root = logging.getLogger()
    with compiling():
        handlers = list(root.handlers)
        try:
            yield
        finally:
            root.handlers[:] = [handler for handler in root.handlers if handler in handlers]


def forget(executable: Executable) -> None:
    """Take the processes out of Lava's lists of everything, which would keep them for ever.

    Ports that Lava adds to the models' classes for references to Vars are taken out, too, and the
    handlers that the processes have added to the root log, one each, but for the first: every
    message would be printed as often.
    """
    processes = set(executable.process_list)
    for process in executable.process_list:
        while process.parent_proc is not None:
            process = process.parent_proc
            processes.add(process)
    _forget_processes(processes)
    _drop_log_handlers({process._log_config.format for process in processes})
    for process in executable.process_list:
        model = process.model_class
        for name, value in list(vars(model).items()):
            if isinstance(value, ImplicitVarPort):
                delattr(model, name)


def _forget_processes(processes: set[AbstractProcess]) -> None:
    server, variables = ProcessServer(), VarServer()
    server.processes[:] = [p for p in server.processes if p not in processes]
    variables.vars[:] = [v for v in variables.vars if v.process not in processes]


def _drop_log_handlers(formats: set[str]) -> None:
    """All but the first of the console handlers with one of these formats."""
    root = logging.getLogger()
    alike = [
        handler
        for handler in root.handlers
        if type(handler) is logging.StreamHandler
        and getattr(handler.formatter, "_fmt", None) in formats
    ]
    for handler in alike[1:]:
        root.removeHandler(handler)
