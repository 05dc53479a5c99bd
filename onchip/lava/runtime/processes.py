"""Lava's own runtime, supervised: one OS process for each Lava process.

Lava's own runtime waits for ever when a process model fails (it reads the responses in turn, and
the others wait for the one that died) and leaves its processes behind. Here a run is started
without blocking and watched: a failure becomes an exception with the model's message, and every OS
process is ended, by its id, however the run or the program ends (`onchip.lava.runtime.leftovers`).
"""

from __future__ import annotations

import contextlib
import multiprocessing
import queue
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from lava.magma.compiler.executable import Executable
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal
from lava.magma.runtime.runtime import Runtime
from threadpoolctl import threadpool_limits

from onchip.lava.runtime.actors import Actors
from onchip.lava.runtime.children import forking_children
from onchip.lava.runtime.compilation import allow_again, compiled, compiling, forget
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.lava.runtime.exclusive import Exclusive
from onchip.lava.runtime.interrupts import at_the_end, deferred
from onchip.lava.runtime.leftovers import Leftovers
from onchip.lava.runtime.memory import MailboxConfig
from onchip.lava.runtime.one_process import CLOSED
from onchip.lava.runtime.shared_memory import use_fileless_manager
from onchip.lava.runtime.starting import start_runtime

WATCH_SECONDS = 0.5
"""How often a running network is checked for failed processes."""

FAILURE_SECONDS = 5.0
"""How long the exception of a process that reported a failure is waited for."""

STOP_SECONDS = 10.0
"""How long the processes may take to end by themselves before they are ended."""


class ProcessesExecution:
    """A network on Lava's own runtime: `start`, `run` steps, `close`
    (`onchip.lava.runtime.supervisor`)."""

    def __init__(self, process: AbstractProcess, run_config: RunConfig) -> None:
        """`process` is any process of the connected network."""
        self._process = process
        self._mailboxes = MailboxConfig(run_config)
        self._run_config = self._mailboxes.selecting
        self._runtime: Runtime | None = None
        self._leftovers = Leftovers()
        self._executable: Executable | None = None
        self._actors: Actors | None = None
        self._user = Exclusive()
        self.has_run = False
        self._pipes: tuple[Any, ...] = ()

    def start(self) -> None:
        """Compile the network and start its OS processes, one BLAS thread each.

        Raises RuntimeError in a daemonic process, which may not have children.
        """
        if multiprocessing.current_process().daemon:
            raise RuntimeError(
                "runtime 'processes': a daemonic process (a worker of multiprocessing.Pool, for "
                "one) may not have children; use runtime 'one-process', or a process that is no "
                "daemon"
            )
        with compiling():
            self._executable = executable = compiled(self._process, self._run_config)
            try:
                with deferred(at_the_end), _start_method_fork():
                    self._fork(executable)
            except BaseException:
                self._kill()
                raise
            finally:
                forget(executable)
        weakref.finalize(self, self._leftovers.end)

    def _fork(self, executable: Any) -> None:
        use_fileless_manager()
        try:
            with forking_children(), threadpool_limits(limits=1):
                start_runtime(self._process, executable)
        finally:
            self._runtime = self._process.runtime
            self._leftovers.watch(self._runtime, self._mailboxes)
        self._actors = Actors(self._runtime)
        self._runtime._is_started = True  # its processes wait for requests already
        for answers in self._runtime.service_to_runtime:
            answers.recv = _watched(answers, weakref.ref(self))

    def run(
        self, steps: int, exchange: Callable[[], None] = lambda: None, pipes: Iterable[Any] = ()
    ) -> None:
        """Run `steps` Lava time steps; raises LavaExecutionError when a process model fails.

        `exchange` sends to and receives from the running network, never blocking: it is called at
        first and whenever one of the `pipes` (the host's end of an external pipe) is ready again.
        RuntimeError while another thread runs it.
        """
        runtime = self.require_runtime()
        self._user.take("run")
        try:
            self._process.run(RunSteps(num_steps=steps, blocking=False), self._run_config)
            self._pipes = tuple(pipes)
            self._watch(runtime.service_to_runtime[0], exchange, self._pipes)
            runtime.wait()
            self.has_run = True
        except BaseException:
            self._kill()
            raise
        finally:
            self._user.give_back()

    def close(self) -> None:
        """End the network's OS processes; safe to call twice."""
        if self._runtime is None:
            return
        try:
            if self._runtime._is_started and self._actors is not None and self._actors.alive:
                self._stop(self._runtime, self._actors)
        finally:
            self._kill()

    def _stop(self, runtime: Runtime, actors: Actors) -> None:
        """Ask the processes to end. Lava's own stop would wait for one that has died meanwhile."""
        for request in runtime.runtime_to_service:
            request.send(MGMT_COMMAND.STOP)
        deadline = time.monotonic() + STOP_SECONDS
        while not all(answer.probe() for answer in runtime.service_to_runtime):
            if actors.failed or time.monotonic() > deadline:
                return
            time.sleep(0.002)
        runtime.join()

    def require_runtime(self) -> Runtime:
        """The running runtime; RuntimeError once it has ended (its ports are freed memory then).

        LavaExecutionError, and everything is ended, if one of its OS processes has died.
        """
        if self._runtime is None:
            raise RuntimeError(CLOSED)
        runtime = self._runtime
        self.fail_if_dead()
        return runtime

    def _watch(self, done: Any, exchange: Callable[[], None], pipes: tuple[Any, ...]) -> None:
        """Exchange until the runtime service answers on `done`, checking the OS processes too."""
        actors = self._actors
        assert actors is not None
        happened = threading.Event()
        for pipe in (done, *pipes):
            pipe.observer = happened.set
        exchange()
        while not done.probe():
            if not happened.wait(WATCH_SECONDS):
                actors.raise_failure()
                actors.raise_if_stopped()
            happened.clear()
            exchange()
        for pipe in (done, *pipes):
            pipe.observer = None
        actors.raise_failure()
        if enum_equal(done.peek(), MGMT_RESPONSE.ERROR):
            self._await_failure(actors)

    def fail_if_dead(self) -> None:
        """LavaExecutionError, and everything is ended, if an OS process has failed or ended."""
        if self._actors is not None:
            self._or_kill(self._actors.raise_if_dead)

    def fail_if_stopped(self) -> None:
        """The same for a process that is stopped and does not go on."""
        if self._actors is not None:
            self._or_kill(self._actors.raise_if_stopped)

    def _or_kill(self, check: Callable[[], None]) -> None:
        try:
            check()
        except LavaExecutionError:
            self._kill()
            raise

    def _await_failure(self, actors: Actors) -> None:
        """A model has said that it failed; its exception follows through another pipe."""
        deadline = time.monotonic() + FAILURE_SECONDS
        while time.monotonic() < deadline:
            actors.raise_failure()
            time.sleep(0.01)
        raise LavaExecutionError("a Lava process failed without saying why")

    def _kill(self) -> None:
        """End what is left of the OS processes and shared memory; Lava's own stop would wait."""
        self._leftovers.end(self._pipes)
        if self._executable is not None:
            allow_again(self._executable.process_list)
        self._pipes, self._runtime, self._actors = (), None, None


def _watched(answers: Any, execution: weakref.ref[ProcessesExecution]) -> Callable[[], Any]:
    """Lava's `recv` for answers of the running network; its own would wait for a dead process."""
    receive = type(answers).recv

    def receive_watched() -> Any:
        while True:
            try:
                answers._queue.get(timeout=WATCH_SECONDS, peek=True)
            except queue.Empty:
                watching = execution()
                if watching is not None:
                    watching.fail_if_dead()
                    watching.fail_if_stopped()
            else:
                return receive(answers)

    return receive_watched


@contextlib.contextmanager
def _start_method_fork() -> Iterator[None]:
    """Lava's processes are forked; a program may have chosen another start method for its own."""
    chosen = multiprocessing.get_start_method(allow_none=True)
    multiprocessing.set_start_method("fork", force=True)
    try:
        yield
    finally:
        multiprocessing.set_start_method(chosen, force=True)
