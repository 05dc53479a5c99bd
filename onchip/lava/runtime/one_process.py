"""Runs a compiled Lava network in the caller's own OS process.

The time steps, their phases and what passes between the models are Lava's (its
`LoihiPyRuntimeService`); what is missing are the messages between OS processes. An exception in a
model is one in the caller, after which the network is closed. Models share what the interpreter
shares, NumPy's global generator of random numbers for one; in OS processes of their own each has a
copy.
"""

from __future__ import annotations

import contextlib
import functools
import os
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
from threadpoolctl import ThreadpoolController

from onchip.lava.runtime import variables
from onchip.lava.runtime.build import build
from onchip.lava.runtime.channels import Channel, Doorbell
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.lava.runtime.interrupts import deferred
from onchip.lava.runtime.members import LEARN, PAUSE, POST, PRE, STOP, Call, Member
from onchip.lava.runtime.order import Order
from onchip.lava.runtime.scheduler import Scheduler, who_waits

CLOSED = "the Lava network is closed; build it again"


@functools.cache
def _blas() -> ThreadpoolController:
    """The libraries whose threads are limited while models run, as in Lava's OS processes."""
    return ThreadpoolController()


class OneProcessRuntime:
    """What Lava's `Runtime` is to a `Process`: `start`, `wait`, `pause`, `stop`, Vars by id.

    A run that does not block goes on in a thread of its own until `pause`, `stop` or its last step;
    `wait` waits for it and raises what it raised. One thread at a time may use a network.
    """

    def __init__(self, executable: Executable) -> None:
        """Build the models; raises ValueError for a network that this runtime does not run."""
        self._bell = Doorbell()
        self._scheduler = Scheduler(self._help)
        with _blas().limit(limits=1, user_api="blas"):
            models, self._pipes = build(executable, self._scheduler, self._bell)
        self._executable = executable
        self._members = [Member(process, model, self._ask) for process, model in models.items()]
        self._models: dict[AbstractProcess, Any] = dict(models)
        self._owners = {var.id: var for process in models for var in process.vars}
        self._order = Order(self._members)
        self._guarded = {
            PRE: [m.pre for m in self._members if m.pre is not None],
            LEARN: [m.learn for m in self._members if m.learn is not None],
            POST: [m.post for m in self._members if m.post is not None],
        }
        self._references = [
            (port, end.channel)
            for member in self._members
            for port in member.model.var_ports
            for end in [port._csp_recv_port]
            if end is not None
        ]
        self._asked = 0
        self._manages = False
        self._exchange: Call | None = None
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._outcome: BaseException | None = None
        self._pause_asked = False
        self._is_started = True
        _runtimes.add(self)

    @property
    def _is_running(self) -> bool:
        """Whether steps are being run; by the name that Lava's runtime has for it."""
        return self._lock.locked()

    @property
    def models(self) -> dict[AbstractProcess, Any]:
        """The process models, by process."""
        return self._models

    # What a Lava Process calls.

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
        self._pause_asked = True
        self._bell.ring()
        try:
            self.wait()
            if self._bell.thread != threading.get_ident():
                with self._lock:  # another thread may run it
                    pass
        finally:
            self._pause_asked = False

    def stop(self) -> None:
        """End the run, if any, and the network; harmless when it has ended."""
        if not self._is_started:
            return
        try:
            with contextlib.suppress(PausedError):
                self.pause()
            self._stop_models()
        finally:
            self.close()

    def get_var(self, var_id: int, idx: Any = None) -> np.ndarray:
        """A Var as `Var.get` has it (float64); ValueError for a Var that is not of this network."""
        model, var = self._find(var_id)
        with self._idle(f"{var.process.name}.{var.name}"):
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
        with self._idle(f"{var.process.name}.{var.name}"):
            own = variables.answers_itself(model, "_set_var")
            (variables.set_by_handler if own else variables.set_from_lava)(model, var, value)

    # What this project calls.

    def run(self, steps: int, exchange: Call | None = None) -> None:
        """Run `steps` time steps here; raises LavaExecutionError when a model fails.

        `exchange` sends to and receives from the host's ends of pipes, never blocking: it is called
        first, after each time step in which one of them was used, and when a model waits for one.
        """
        with self._idle("run"), deferred(self._scheduler.interrupt_by):
            self._run_steps(steps, exchange)

    def read(self, var: Var) -> np.ndarray:
        """A copy of a Var in the type of its model."""
        model, var = self._find(var.id)
        with self._idle(f"{var.process.name}.{var.name}"):
            return variables.read(model, var)

    def write(self, var: Var, values: np.ndarray) -> bool:
        """Replace an array or a number; False for a text or a sparse matrix."""
        model, var = self._find(var.id)
        with self._idle(f"{var.process.name}.{var.name}"):
            if not variables.plain(model, var):
                return False
            variables.write(model, var, values)
        return True

    def close(self) -> None:
        """Let go of the models; the processes may be compiled again."""
        self._is_started = False
        for process in self._executable.process_list:
            process._is_compiled = False
        self._members, self._models, self._owners = [], {}, {}
        self._guarded, self._references, self._pipes = {}, [], set()
        self._executable.proc_builders.clear()
        self._executable.channel_builders.clear()

    # Time steps.

    def _run_steps(self, steps: int, exchange: Call | None) -> None:
        self._exchange = exchange
        with self._running():
            if exchange is not None:
                exchange()
            for _ in range(steps):
                self._time_step()
                if self._bell.rung and exchange is not None:
                    self._bell.rung = False
                    exchange()
                if self._ends():
                    return
            self._host()

    @contextlib.contextmanager
    def _running(self) -> Iterator[None]:
        """Models run inside; after an exception the network is closed."""
        self._bell.thread = threading.get_ident()
        try:
            with _blas().limit(limits=1, user_api="blas"):
                yield
        except BaseException:
            self.close()
            raise
        finally:
            self._exchange, self._bell.thread = None, None

    def _ends(self) -> bool:
        """Whether a model or the host has asked for a pause or the end; the end is made here."""
        if self._asked & STOP:
            self._stop_models()
            self.close()
        ends = bool(self._asked & (STOP | PAUSE)) or self._pause_asked
        self._asked = 0
        return ends

    def _host(self) -> None:
        self._phase([member.host for member in self._members], manages=True)

    def _stop_models(self) -> None:
        for member in self._members:
            member.stop()

    def _time_step(self) -> None:
        """SPK; then PRE_MGMT, LRN and POST_MGMT for as long as a model asks for them."""
        self._order.run(self._scheduler)
        while self._asked & (PRE | LEARN | POST):
            for phase in (PRE, LEARN, POST):
                if self._asked & phase:
                    self._asked &= ~phase
                    self._phase(self._guarded[phase], manages=phase != LEARN)
                    break

    def _phase(self, tasks: list[Call], manages: bool) -> None:
        self._manages = manages
        self._scheduler.run(tasks)
        if manages:
            while self._serve({}):
                pass
        self._manages = False

    def _ask(self, bits: int) -> None:
        self._asked |= bits

    # What lets a waiting model go on.

    def _help(self, waiting: dict[Any, tuple[Channel, bool]]) -> bool:
        if self._manages and self._serve(waiting):
            return True
        pipes = [channel for channel, _ in waiting.values() if channel in self._pipes]
        if not pipes:
            return False
        if self._exchange is not None:
            before = [len(pipe.messages) for pipe in pipes]
            self._exchange()
            return before != [len(pipe.messages) for pipe in pipes]
        return self._await_host(waiting)

    def _serve(self, waiting: dict[Any, tuple[Channel, bool]]) -> bool:
        """Answer requests of reference ports to models that have finished their phase."""
        busy = {
            (c.source if sending else c.target).rpartition(".")[0]
            for c, sending in waiting.values()
        }
        served = False
        for port, channel in self._references:
            if channel.messages and channel.target.rpartition(".")[0] not in busy:
                port.service()
                served = True
        return served

    def _await_host(self, waiting: dict[Any, tuple[Channel, bool]]) -> bool:
        """Wait until another thread has used a pipe; False where there is no other thread."""

        def moved() -> bool:
            return any(not c.full if sending else c.messages for c, sending in waiting.values())

        with self._bell.condition:
            while not moved():
                if self._pause_asked:
                    raise PausedError(
                        f"paused in the middle of a time step, and closed: {who_waits(waiting)}"
                    )
                if threading.active_count() == 1:
                    return False
                self._bell.condition.wait(0.1)
                if self._scheduler.interruption is not None:
                    self._scheduler.interruption()
        return True

    # Threads.

    def _start_thread(self, steps: int) -> None:
        self.wait()
        if not self._is_started:
            raise RuntimeError(CLOSED)
        if not self._lock.acquire(blocking=False):
            raise RuntimeError("run: the network is being run by another thread")
        self._pause_asked = False
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
                self._time_step()
                ends = self._ends()
                if last:
                    self._host()
        except BaseException as error:
            self._outcome, ends = error, True
        if ends or last:
            self._lock.release()
        return not (ends or last)

    @contextlib.contextmanager
    def _idle(self, what: str) -> Iterator[None]:
        """Hold the network for this thread; RuntimeError where another does, or it is closed."""
        if not self._is_started:
            raise RuntimeError(CLOSED)
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                f"{what}: steps are being run; ask between two runs or streams, from one thread"
            )
        try:
            yield
        finally:
            self._lock.release()

    def _be_alone(self) -> None:
        """In a forked child: the thread that ran the network, if any, is the parent's."""
        self._lock, self._thread, self._bell.thread = threading.Lock(), None, None

    def _find(self, var_id: int) -> tuple[Any, Var]:
        if not self._is_started:
            raise RuntimeError(CLOSED)
        var = self._owners.get(var_id)
        if var is None:
            raise ValueError(f"Var {var_id}: its process is not one of this network")
        return self._models[var.process], var


_runtimes: weakref.WeakSet[OneProcessRuntime] = weakref.WeakSet()


def _in_forked_child() -> None:
    for runtime in list(_runtimes):
        runtime._be_alone()


os.register_at_fork(after_in_child=_in_forked_child)


class PausedError(LavaExecutionError):
    """The host has paused a network in the middle of a time step that waits for the host."""


def _run_in_thread(found: weakref.ref[OneProcessRuntime], steps: int) -> None:
    """Time steps until the last, a pause, or until nobody holds the network any more."""
    for number in range(steps):
        runtime = found()
        if runtime is None or not runtime._step_in_thread(last=number == steps - 1):
            return
        del runtime
