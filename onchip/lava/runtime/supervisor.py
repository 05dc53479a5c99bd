"""Starts, runs and ends a compiled network of Lava processes, on either runtime.

"one-process" runs the process models in the caller's OS process (`runtime.one_process`): fast, and
a failure is an ordinary exception. "processes" is Lava's own runtime, one OS process per
Lava process (`onchip.lava.runtime.processes`), supervised: for models that wait for something
outside, and for those that are not in Python. The results are the same, to the last bit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, Protocol

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import RunConfig

from onchip.checks import require_choice
from onchip.execution import ONE_PROCESS, PROCESSES, RUNTIMES
from onchip.lava.runtime.local import LocalExecution
from onchip.lava.runtime.processes import ProcessesExecution

DEFAULT = ONE_PROCESS
"""The runtime where none is named."""


class Execution(Protocol):
    """A network on one of the runtimes; the methods are those of `Supervisor`."""

    has_run: bool

    def start(self) -> None:
        """Compile and start."""

    def run(self, steps: int, exchange: Callable[[], None], pipes: Iterable[Any]) -> None:
        """Run time steps."""

    def require_runtime(self) -> Any:
        """What stands for Lava's `Runtime`."""

    def close(self) -> None:
        """End it."""


EXECUTIONS: dict[str, Callable[[AbstractProcess, RunConfig], Execution]] = {
    ONE_PROCESS: LocalExecution,
    PROCESSES: ProcessesExecution,
}
"""What executes a network, by the runtime's name."""


class Supervisor:
    """The execution of one network of Lava processes: `start`, `run` steps, `close`.

    `process` is any process of the connected network, `runtime` a name of
    `onchip.execution.RUNTIMES` or None for `DEFAULT`; ValueError for another.
    """

    def __init__(
        self, process: AbstractProcess, run_config: RunConfig, runtime: str | None = None
    ) -> None:
        runtime = runtime or DEFAULT
        require_choice("runtime", runtime, RUNTIMES)
        self._execution = EXECUTIONS[runtime](process, run_config)

    @property
    def has_run(self) -> bool:
        """Whether any step was run."""
        return self._execution.has_run

    def start(self) -> None:
        """Compile the network and build its models; what a model's constructor raises is raised."""
        self._execution.start()

    def run(
        self, steps: int, exchange: Callable[[], None] = lambda: None, pipes: Iterable[Any] = ()
    ) -> None:
        """Run `steps` Lava time steps; raises LavaExecutionError when a process model fails.

        `exchange` sends to and receives from the running network, never blocking: it is called at
        first and whenever one of the `pipes` (the host's end of an external pipe) is ready again.
        """
        self._execution.run(steps, exchange, pipes)

    def require_runtime(self) -> Any:
        """The running runtime; RuntimeError once the network is closed.

        LavaExecutionError, and everything is ended, if one of its OS processes has died.
        """
        return self._execution.require_runtime()

    def close(self) -> None:
        """End the network and all that it holds; safe to call twice."""
        self._execution.close()
