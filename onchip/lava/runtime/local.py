"""A network in the caller's OS process, as `onchip.lava.runtime.supervisor` runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig

from onchip.lava.runtime.build import refuse
from onchip.lava.runtime.compilation import (
    allow_again,
    choosing,
    compiled,
    compiling,
    forget,
    selection,
)
from onchip.lava.runtime.one_process import CLOSED, OneProcessRuntime


class LocalExecution:
    """A network on `OneProcessRuntime`: `start`, `run` steps, `close`."""

    def __init__(self, process: AbstractProcess, run_config: RunConfig) -> None:
        self._process, self._run_config = process, run_config
        self._runtime: OneProcessRuntime | None = None
        self.has_run = False

    def start(self) -> None:
        """Compile the network and build its models."""
        self._runtime = start(self._process, self._run_config)

    def run(self, steps: int, exchange: Callable[[], None], pipes: Iterable[Any]) -> None:
        """Run time steps."""
        self.require_runtime().run(steps, exchange)
        self.has_run = True

    def require_runtime(self) -> OneProcessRuntime:
        """The runtime; RuntimeError once it is closed."""
        if self._runtime is None:
            raise RuntimeError(CLOSED)
        self._runtime.require_open()
        return self._runtime

    def close(self) -> None:
        """Let go of the models; raises what a run raised that nobody waited for."""
        if self._runtime is not None:
            self._runtime.stop()


def start(process: AbstractProcess, run_config: RunConfig) -> OneProcessRuntime:
    """Compile all processes connected to this one and give them a runtime in this OS process."""
    select = selection(run_config)

    def select_local(process: AbstractProcess, models: list[Any]) -> type:
        model = select(process, models)
        refuse(process, model)
        return model

    with compiling():
        executable = compiled(process, choosing(run_config, select_local))
        try:
            runtime = OneProcessRuntime(executable)
        except BaseException:
            allow_again(executable.process_list)
            raise
        finally:
            forget(executable)
    for member in {process, *executable.process_list}:
        while member is not None:  # and the processes that they are parts of
            member._runtime = runtime
            member = member.parent_proc
    return runtime
