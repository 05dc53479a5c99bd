"""What a network in OS processes of its own holds, and how that is given back.

The network may be closed, fail, be dropped, or its program may end: `Leftovers.end` is for all of
these. Nothing that goes wrong in it hides why it was called.
"""

from __future__ import annotations

import contextlib
import os
import signal
import weakref
from collections.abc import Iterable
from pathlib import Path
from typing import Any

_all: weakref.WeakSet[Leftovers] = weakref.WeakSet()


class Leftovers:
    """The OS processes, ports and shared memory of one network; those of this OS process only."""

    def __init__(self) -> None:
        self._runtime: Any = None
        self._mailboxes: Any = None
        _all.add(self)

    def watch(self, runtime: Any, mailboxes: Any) -> None:
        """Remember a runtime that was started, perhaps in part."""
        self._runtime, self._mailboxes = runtime, mailboxes

    def end(self, pipes: Iterable[Any] = ()) -> None:
        """End the OS processes and free what they share; `pipes` are ends of the host's."""
        runtime, self._runtime = self._runtime, None
        if self._mailboxes is not None:
            self._mailboxes.release()
            self._mailboxes = None
        if runtime is None:
            return
        _is_over(runtime)
        infrastructure = runtime._messaging_infrastructure
        for actor in [] if infrastructure is None else infrastructure.actors:
            with contextlib.suppress(Exception):
                _end_process(actor)
        for port in (*pipes, *_host_ports(runtime)):
            with contextlib.suppress(Exception):
                port.join()  # its thread in this process
        for answers in runtime.service_to_runtime or ():
            vars(answers).pop("recv", None)  # which refers to its port
        runtime._open_ports.clear()
        with contextlib.suppress(Exception):
            runtime._watchdog_manager.stop()
        with contextlib.suppress(Exception):  # it has no shutdown() if it could not start
            infrastructure.smm.shutdown()

    def forget(self) -> None:
        """In a forked child: the network is the parent's, and its end is none of ours."""
        runtime, self._runtime, self._mailboxes = self._runtime, None, None
        if runtime is not None:
            _is_over(runtime)


def is_stopped(pid: int) -> bool:
    """Whether an OS process is stopped by a signal."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] == "T"


def _is_over(runtime: Any) -> None:
    """Lava stops a runtime whenever a process is collected; this one has nothing left to stop."""
    runtime._is_started = runtime._is_running = False
    runtime.stop = _nothing


def _nothing() -> None:
    """There is nothing to be done."""


def _end_process(actor: Any) -> None:
    if actor._is_done:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(actor.pid, signal.SIGKILL)
    actor.join()


def _host_ports(runtime: Any) -> list[Any]:
    """Ends of Lava's channels in this process, and of the pipes of its processes."""
    pipes = ("external_pipe_csp_send_port", "external_pipe_csp_recv_port")
    ends = [
        getattr(port, name)
        for process in runtime._executable.process_list
        for port in (*process.in_ports.members, *process.out_ports.members)
        for name in pipes
        if hasattr(port, name)
    ]
    return [*runtime._open_ports, *ends]


def _forget_all() -> None:
    for leftovers in list(_all):
        leftovers.forget()


os.register_at_fork(after_in_child=_forget_all)
