"""Runs a compiled Lava network in the caller's own OS process.

The time steps, their phases and what passes between the models are Lava's (its
`LoihiPyRuntimeService`); what is missing are the messages between OS processes. An exception in a
model is one in the caller, after which the network is closed. Models share what the interpreter
shares, NumPy's global generator of random numbers for one; in OS processes of their own each has a
copy.
"""

from __future__ import annotations

import contextlib
import contextvars
import sys
import threading
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
from onchip.lava.runtime.compilation import allow_again
from onchip.lava.runtime.exclusive import Exclusive
from onchip.lava.runtime.interrupts import deferred
from onchip.lava.runtime.members import PAUSE, STOP, Call
from onchip.lava.runtime.pipes import Doorbell
from onchip.lava.runtime.scheduler import Scheduler, Waiting
from onchip.lava.runtime.steps import PausedError, TimeSteps

CLOSED = "the Lava network is closed; build it again"


class OneProcessRuntime:
    """What Lava's `Runtime` is to a `Process`: `start`, `wait`, `pause`, `stop`, Vars by id.

    A run that does not block goes on in a thread of its own until `pause`, `stop` or its last step,
    whether anybody still holds the network or not; `wait`, and whatever is asked next, raises what
    it raised. One thread at a time may use a network.
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
        self._blas = contextlib.ExitStack()
        self._untold: BaseException | None = None
        self._failure: BaseException | None = None
        self._is_started = True

    def _help(self, waiting: Waiting) -> bool:
        return self._steps.help(waiting)

    @property
    def _is_running(self) -> bool:
        """Whether steps are being run; by the name that Lava's runtime has for it."""
        return self._user.taken

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
        if thread is not None and thread is not threading.current_thread():
            thread.join()
            self._thread = None
            self._blas.close()
        outcome, self._untold = self._untold, None
        if outcome is not None:
            raise outcome

    def pause(self) -> None:
        """End a run that does not block after its present time step."""
        self._steps.pause_asked = True
        self._bell.ring()
        try:
            self.wait()
            self._user.await_end()  # another thread may run it
        finally:
            self._steps.pause_asked = False

    def stop(self) -> None:
        """End the run, if any, and the network; raises what a run raised that nobody waited for."""
        if not self._is_started:
            self.wait()
            return
        try:
            with contextlib.suppress(PausedError):
                self.pause()
            if self._is_started:
                self._steps.stop()
        finally:
            if self._is_started:
                self.close()

    def require_open(self) -> None:
        """Raise RuntimeError once the network is closed, caused by the failure that closed it."""
        if not self._is_started:
            text = CLOSED if self._failure is None else f"{CLOSED} ({self._failure})"
            raise RuntimeError(text) from self._failure

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
        with self._used_for("run"), deferred(self._scheduler.interrupt_by), one_blas_thread():
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
        allow_again(self._executable.process_list)
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
            yield
        except BaseException as error:
            self._failure = error
            self.close()
            raise
        finally:
            self._steps.exchange = self._bell.thread = None

    def _ends(self) -> bool:
        """Whether a model or the host has asked for a pause or the end; the end is made here."""
        asked = self._steps.taken_requests()
        if asked & PAUSE:
            self._steps.pause()
        if asked & STOP:
            self._steps.stop()
            self.close()
        return bool(asked)

    def _start_thread(self, steps: int) -> None:
        if not self._user.taken:
            self.wait()  # the last one has ended, perhaps by a failure
        self.require_open()
        self._user.take("run")
        self._steps.pause_asked = False
        # Until it is waited for: only the thread that has limited BLAS can take the limit back.
        self._blas.enter_context(one_blas_thread())
        self._bell.thread = -1  # the thread that is to begin
        context = contextvars.copy_context()
        self._thread = threading.Thread(
            target=context.run,
            args=(self._run_in_thread, steps),
            name="onchip-lava",
            daemon=True,
        )
        self._thread.start()

    def _run_in_thread(self, steps: int) -> None:
        """A run that does not block; what it raises is told by whoever waits for it."""
        self._user.hand_to(threading.get_ident())
        try:
            self._run_steps(steps, None)
        except BaseException as error:
            self._untold = error
        finally:
            self._user.give_back()

    @contextlib.contextmanager
    def _used_for(self, what: str) -> Iterator[None]:
        """Hold the network for this thread; RuntimeError where another does, or it is closed."""
        self.require_open()
        with self._user.used_for(what):
            yield

    def _find(self, var_id: int) -> tuple[Any, Var]:
        self.require_open()
        var = self._owners.get(var_id)
        if var is None:
            raise ValueError(f"Var {var_id}: its process is not one of this network")
        return self._models[var.process], var
