"""Runs a compiled Lava network in the caller's own OS process.

The time steps, their phases and what passes between the models are Lava's (its
`LoihiPyRuntimeService`); what is missing are the messages between OS processes. An exception in a
model is one in the caller, after which the network is closed. Models share what the interpreter
shares, NumPy's global generator of random numbers for one; in OS processes of their own each has a
copy.
"""

from __future__ import annotations

import contextlib
import sys
import threading
import weakref
from collections.abc import Iterator
from typing import Any

import numpy as np
from lava.magma.compiler.executable import Executable
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_conditions import AbstractRunCondition, RunContinuous, RunSteps

from onchip.lava.runtime import variables
from onchip.lava.runtime.blas import one_blas_thread
from onchip.lava.runtime.build import build
from onchip.lava.runtime.channels import Doorbell
from onchip.lava.runtime.exclusive import Exclusive
from onchip.lava.runtime.interrupts import deferred
from onchip.lava.runtime.members import STOP, Call
from onchip.lava.runtime.scheduler import Scheduler, Waiting
from onchip.lava.runtime.steps import PausedError, TimeSteps

CLOSED = "the Lava network is closed; build it again"


class OneProcessRuntime:
    """What Lava's `Runtime` is to a `Process`: `start`, `wait`, `pause`, `stop`, Vars by id.

    A run that does not block goes on in a thread of its own until `pause`, `stop` or its last step;
    `wait` waits for it and raises what it raised. One thread at a time may use a network.
    """

    def __init__(self, executable: Executable) -> None:
        """Build the models; raises ValueError for a network that this runtime does not run."""
        self._bell = Doorbell()
        self._scheduler = Scheduler(self._help)
        self._steps = TimeSteps(self._scheduler, self._bell)
        with one_blas_thread():
            models, pipes = build(executable, self._scheduler, self._bell)
        self._steps.take(models, pipes)
        self._executable = executable
        self._models: dict[AbstractProcess, Any] = dict(models)
        self._owners = {var.id: var for process in models for var in process.vars}
        self._user = Exclusive()
        self._thread: threading.Thread | None = None
        self._outcome: BaseException | None = None
        self._is_started = True

    def _help(self, waiting: Waiting) -> bool:
        return self._steps.help(waiting)

    @property
    def _is_running(self) -> bool:
        """Whether steps are being run; by the name that Lava's runtime has for it."""
        return self._user.taken

    @property
    def models(self) -> dict[AbstractProcess, Any]:
        """The process models, by process."""
        return self._models

    def start(self, condition: AbstractRunCondition) -> None:
        """Run steps as the condition says; raises LavaExecutionError when a model fails."""
        if isinstance(condition, RunSteps) and condition.blocking:
            self.run(condition.num_steps)
        elif isinstance(condition, (RunSteps, RunContinuous)):
            self._start_thread(getattr(condition, "num_steps", sys.maxsize))
        else:
            raise ValueError(f"run condition {condition!r}: use RunSteps or RunContinuous")

    def wait(self) -> None:
        """Wait for a run that does not block; raises what it raised."""
        thread = self._thread
        if thread is not None:
            thread.join()
            self._thread = None
        outcome, self._outcome = self._outcome, None
        if outcome is not None:
            raise outcome

    def pause(self) -> None:
        """End a run that does not block after its present time step."""
        self._steps.pause_asked = True
        self._bell.ring()
        try:
            self.wait()
            if self._bell.thread != threading.get_ident():
                self._user.await_end()  # another thread may run it
        finally:
            self._steps.pause_asked = False

    def stop(self) -> None:
        """End the run, if any, and the network; harmless when it has ended."""
        if not self._is_started:
            return
        try:
            with contextlib.suppress(PausedError):
                self.pause()
            self._steps.stop()
        finally:
            self.close()

    def get_var(self, var_id: int, idx: Any = None) -> np.ndarray:
        """A Var as `Var.get` has it (float64); ValueError for a Var that is not of this network."""
        model, var = self._find(var_id)
        with self._used_for(f"{var.process.name}.{var.name}"):
            own = variables.answers_itself(model, "_get_var")
            values = (variables.get_by_handler if own else variables.get)(model, var)
        return values if idx is None else np.asarray(values[idx])

    def set_var(self, var_id: int, value: Any, idx: Any = None) -> None:
        """Set a Var as `Var.set` does; ValueError for another number of elements and for `idx`.

        (Lava would write the chosen elements of `value` to the first places of the Var.)
        """
        model, var = self._find(var_id)
        if idx is not None:
            raise ValueError(f"{var.process.name}.{var.name}: idx cannot be set; set the whole Var")
        with self._used_for(f"{var.process.name}.{var.name}"):
            own = variables.answers_itself(model, "_set_var")
            (variables.set_by_handler if own else variables.set_from_lava)(model, var, value)

    def run(self, steps: int, exchange: Call | None = None) -> None:
        """Run `steps` time steps here; raises LavaExecutionError when a model fails.

        `exchange` sends to and receives from the host's ends of pipes, never blocking: it is called
        first, after each time step in which one of them was used, and when a model waits for one.
        """
        with self._used_for("run"), deferred(self._scheduler.interrupt_by):
            self._run_steps(steps, exchange)

    def read(self, var: Var) -> np.ndarray:
        """A copy of a Var in the type of its model."""
        model, var = self._find(var.id)
        with self._used_for(f"{var.process.name}.{var.name}"):
            return variables.read(model, var)

    def write(self, var: Var, values: np.ndarray) -> bool:
        """Replace an array or a number; False for a text or a sparse matrix."""
        model, var = self._find(var.id)
        with self._used_for(f"{var.process.name}.{var.name}"):
            if not variables.plain(model, var):
                return False
            variables.write(model, var, values)
        return True

    def close(self) -> None:
        """Let go of the models; the processes may be compiled again."""
        self._is_started = False
        for process in self._executable.process_list:
            process._is_compiled = False
        self._models, self._owners = {}, {}
        self._steps.take({}, set())
        self._executable.proc_builders.clear()
        self._executable.channel_builders.clear()

    def _run_steps(self, steps: int, exchange: Call | None) -> None:
        self._steps.exchange = exchange
        with self._running():
            if exchange is not None:
                exchange()
            for _ in range(steps):
                self._steps.run_one()
                if self._ends():
                    return
            self._steps.finish()

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Models run inside; after an exception the network is closed."""
        self._bell.thread = threading.get_ident()
        try:
            with one_blas_thread():
                yield
        except BaseException:
            self.close()
            raise
        finally:
            self._steps.exchange = self._bell.thread = None

    def _ends(self) -> bool:
        """Whether a model or the host has asked for a pause or the end; the end is made here."""
        asked = self._steps.taken_requests()
        if asked & STOP:
            self._steps.stop()
            self.close()
        return bool(asked)

    def _start_thread(self, steps: int) -> None:
        if self._thread is not None and not self._user.taken:
            self.wait()  # it has ended, perhaps by a failure
        if not self._is_started:
            raise RuntimeError(CLOSED)
        self._user.take("run")
        self._steps.pause_asked = False
        self._thread = threading.Thread(
            target=_run_in_thread,
            args=(weakref.ref(self), steps),
            name="onchip-lava",
            daemon=True,
        )
        self._thread.start()

    def _step_in_thread(self, last: bool) -> bool:
        """One time step of a run that does not block; whether another one is to follow."""
        try:
            with self._running():
                self._steps.run_one()
                ends = self._ends()
                if last:
                    self._steps.finish()
        except BaseException as error:
            self._outcome, ends = error, True
        if ends or last:
            self._user.give_back()
        return not (ends or last)

    @contextlib.contextmanager
    def _used_for(self, what: str) -> Iterator[None]:
        """Hold the network for this thread; RuntimeError where another does, or it is closed."""
        if not self._is_started:
            raise RuntimeError(CLOSED)
        with self._user.used_for(what):
            yield

    def _find(self, var_id: int) -> tuple[Any, Var]:
        if not self._is_started:
            raise RuntimeError(CLOSED)
        var = self._owners.get(var_id)
        if var is None:
            raise ValueError(f"Var {var_id}: its process is not one of this network")
        return self._models[var.process], var


def _run_in_thread(found: weakref.ref[OneProcessRuntime], steps: int) -> None:
    """Time steps until the last, a pause, or until nobody holds the network any more."""
    for number in range(steps):
        runtime = found()
        if runtime is None or not runtime._step_in_thread(last=number == steps - 1):
            return
        del runtime
