"""Lava's compiler, without what it leaves behind."""

from __future__ import annotations

import contextlib
import copy
import logging
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from lava.magma.compiler.executable import Executable
from lava.magma.core.process.ports.ports import ImplicitVarPort
from lava.magma.core.process.process import AbstractProcess, ProcessServer
from lava.magma.core.process.variable import VarServer
from lava.magma.core.run_configs import RunConfig

from onchip.lava.discovery import Choices

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


def compiled(process: AbstractProcess, run_config: RunConfig) -> Executable:
    """What Lava's compiler makes of all processes connected to this one."""
    with quiet_compiler():
        executable: Executable = process.compile(run_config)
    return executable


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
    server, variables = ProcessServer(), VarServer()
    server.processes[:] = [p for p in server.processes if p not in processes]
    variables.vars[:] = [v for v in variables.vars if v.process not in processes]
    _drop_log_handlers({process._log_config.format for process in processes})
    for process in executable.process_list:
        model = process.model_class
        for name, value in list(vars(model).items()):
            if isinstance(value, ImplicitVarPort):
                delattr(model, name)


def _drop_log_handlers(formats: set[str]) -> None:
    """All but the first of the console handlers with one of these formats."""
    root = logging.getLogger()
    alike = [
        handler
        for handler in root.handlers
        if type(handler) is logging.StreamHandler
        and handler.formatter is not None
        and handler.formatter._fmt in formats
    ]
    for handler in alike[1:]:
        root.removeHandler(handler)
