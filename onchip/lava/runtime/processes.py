"""Starts, watches and ends the OS processes of a Lava network.

Lava's own runtime waits for ever when a process model fails (it reads the responses in turn, and
the others wait for the one that died) and leaves its processes behind. Here a run is started
without blocking and watched: a failure becomes an exception with the model's message, and every OS
process is ended, by its id, however the run ended.
"""

from __future__ import annotations

import atexit
import contextlib
import functools
import os
import queue
import signal
import threading
import time
import weakref
from collections.abc import Callable, Iterable
from typing import Any

from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_conditions import RunSteps
from lava.magma.core.run_configs import RunConfig
from lava.magma.runtime.mgmt_token_enums import MGMT_COMMAND, MGMT_RESPONSE, enum_equal
from lava.magma.runtime.runtime import Runtime
from threadpoolctl import threadpool_limits

from onchip.lava.children import forking_children
from onchip.lava.memory import MailboxConfig
from onchip.lava.runtime.compilation import quiet_compiler
from onchip.lava.runtime.errors import LavaExecutionError, description

WATCH_SECONDS = 0.5
"""How often a running network is checked for failed processes."""

FAILURE_SECONDS = 5.0
"""How long the exception of a process that reported a failure is waited for."""

STOP_SECONDS = 10.0
"""How long the processes may take to end by themselves before they are ended."""


class ProcessesExecution:
    """A network on Lava's own runtime: `start`, `run` steps, `close` (`onchip.lava.supervisor`)."""

    def __init__(self, process: AbstractProcess, run_config: RunConfig) -> None:
        """`process` is any process of the connected network."""
        self._process = process
        self._mailboxes = MailboxConfig(run_config)
        self._run_config = self._mailboxes.selecting
        self._runtime: Runtime | None = None
        self.has_run = False
        self._pipes: tuple[Any, ...] = ()
        self._at_exit: Callable[[], None] = functools.partial(_end, weakref.ref(self))

    def start(self) -> None:
        """Compile the network and start its OS processes, one BLAS thread each."""
        try:
            with forking_children(), threadpool_limits(limits=1), quiet_compiler():
                self._process.create_runtime(self._run_config)
        except BaseException:
            self._runtime = self._process.runtime
            self._kill()
            raise
        self._runtime = self._process.runtime
        self._runtime._is_started = True  # its processes wait for requests already
        for answers in self._runtime.service_to_runtime:
            answers.recv = _watched(answers, weakref.ref(self))
        atexit.register(self._at_exit)  # multiprocessing's own handler would wait for ever

    def run(
        self, steps: int, exchange: Callable[[], None] = lambda: None, pipes: Iterable[Any] = ()
    ) -> None:
        """Run `steps` Lava time steps; raises LavaExecutionError when a process model fails.

        `exchange` sends to and receives from the running network, never blocking: it is called at
        first and whenever one of the `pipes` (the host's end of an external pipe) is ready again.
        """
        runtime = self.require_runtime()
        try:
            self._process.run(RunSteps(num_steps=steps, blocking=False), self._run_config)
            self._pipes = tuple(pipes)
            self._watch(runtime.service_to_runtime[0], exchange, self._pipes)
            runtime.wait()
            self.has_run = True
        except BaseException:
            self._kill()
            raise

    def close(self) -> None:
        """End the network's OS processes; safe to call twice."""
        if self._runtime is None:
            return
        try:
            if self._runtime._is_started and self._alive():
                self._stop(self._runtime)
        finally:
            self._kill()

    def _stop(self, runtime: Runtime) -> None:
        """Ask the processes to end. Lava's own stop would wait for one that has died meanwhile."""
        for request in runtime.runtime_to_service:
            request.send(MGMT_COMMAND.STOP)
        deadline = time.monotonic() + STOP_SECONDS
        while not all(answer.probe() for answer in runtime.service_to_runtime):
            if self._failed() or time.monotonic() > deadline:
                return
            time.sleep(0.002)
        runtime.join()

    def require_runtime(self) -> Runtime:
        """The running runtime; RuntimeError once it has ended (its ports are freed memory then).

        LavaExecutionError, and everything is ended, if one of its OS processes has died.
        """
        if self._runtime is None:
            raise RuntimeError("the Lava network is closed; build it again")
        runtime = self._runtime
        if runtime._messaging_infrastructure is not None:
            self.fail_if_dead()
        return runtime

    def _alive(self) -> bool:
        """Whether no OS process has failed or ended."""
        assert self._runtime is not None
        actors = self._runtime._messaging_infrastructure.actors
        return all(actor.exitcode is None and actor.exception is None for actor in actors)

    def _failed(self) -> bool:
        """Whether an OS process has failed; one that ended in order has not."""
        assert self._runtime is not None
        actors = self._runtime._messaging_infrastructure.actors
        return any(actor.exitcode not in (None, 0) or actor.exception for actor in actors)

    def _watch(self, done: Any, exchange: Callable[[], None], pipes: tuple[Any, ...]) -> None:
        """Exchange until the runtime service answers on `done`, checking the OS processes too."""
        happened = threading.Event()
        for pipe in (done, *pipes):
            pipe.observer = happened.set
        exchange()
        while not done.probe():
            if not happened.wait(WATCH_SECONDS):
                self._raise_failure()
            happened.clear()
            exchange()
        for pipe in (done, *pipes):
            pipe.observer = None
        self._raise_failure()
        if enum_equal(done.peek(), MGMT_RESPONSE.ERROR):
            self._await_failure()

    def fail_if_dead(self) -> None:
        """LavaExecutionError, and everything is ended, if an OS process has failed or ended."""
        if self._runtime is None or self._alive():
            return
        try:
            self._raise_failure()
            raise LavaExecutionError("a Lava process ended by itself")
        finally:
            self._kill()

    def _await_failure(self) -> None:
        """A model has said that it failed; its exception follows through another pipe."""
        deadline = time.monotonic() + FAILURE_SECONDS
        while time.monotonic() < deadline:
            self._raise_failure()
            time.sleep(0.01)
        raise LavaExecutionError("a Lava process failed without saying why")

    def _raise_failure(self) -> None:
        assert self._runtime is not None
        for actor in self._runtime._messaging_infrastructure.actors:
            failure = actor.exception
            if failure is not None:
                error, _ = failure
                raise LavaExecutionError(description(error)) from error
            if actor.exitcode not in (None, 0):
                raise LavaExecutionError(
                    f"Lava process {actor.pid} ended with exit code {actor.exitcode}"
                )

    def _kill(self) -> None:
        """End what is left of the OS processes and shared memory; Lava's own stop would wait."""
        self._mailboxes.release()
        atexit.unregister(self._at_exit)
        for pipe in self._pipes:
            with contextlib.suppress(Exception):
                pipe.join()  # its thread in this process
        self._pipes = ()
        runtime, self._runtime = self._runtime, None
        if runtime is None or runtime._messaging_infrastructure is None:
            return
        runtime._is_started = runtime._is_running = False
        for answers in runtime.service_to_runtime or ():
            vars(answers).pop("recv", None)  # `_watched`, which refers to its port
        for actor in runtime._messaging_infrastructure.actors:
            if not actor._is_done:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(actor.pid, signal.SIGKILL)
                actor.join()
        with contextlib.suppress(Exception):
            runtime._watchdog_manager.stop()
        runtime._messaging_infrastructure.smm.shutdown()


def _end(supervisor: weakref.ref[ProcessesExecution]) -> None:
    """At the interpreter's exit: a network that was never closed is ended."""
    found = supervisor()
    if found is not None:
        found._kill()


def _watched(answers: Any, supervisor: weakref.ref[ProcessesExecution]) -> Callable[[], Any]:
    """Lava's `recv` for answers of the running network; its own would wait for a dead process."""
    receive = type(answers).recv

    def receive_watched() -> Any:
        while True:
            try:
                answers._queue.get(timeout=WATCH_SECONDS, peek=True)
            except queue.Empty:
                watching = supervisor()
                if watching is not None:
                    watching.fail_if_dead()
            else:
                return receive(answers)

    return receive_watched
