"""Starts Lava's runtime without waiting for ever for an OS process that dies while it is built.

Each OS process answers, through a queue of its own, that its model is built, or with what the
model's constructor raised. Lava waits for these answers in turn, whether the processes live or not.
"""

from __future__ import annotations

import queue
from typing import Any

from lava.magma.core.process.message_interface_enum import ActorType
from lava.magma.core.process.process import AbstractProcess
from lava.magma.runtime.runtime import Runtime

from onchip.lava.runtime.actors import Actors

ANSWER_SECONDS = 0.5
"""How often the OS process that an answer is awaited from is looked at."""


def start_runtime(process: AbstractProcess, executable: Any) -> None:
    """What Lava's `process.create_runtime(executable=...)` does, watching the OS processes.

    `process.runtime` is the runtime, also where this raises: LavaExecutionError for an OS process
    that ended, or was stopped, before it had answered; what a model's constructor raised.
    """
    level = process._log_config.level
    runtime = _WatchedRuntime(executable, ActorType.MultiProcessing, loglevel=level)
    executable.assign_runtime_to_all_processes(runtime)
    runtime.initialize()


class _WatchedRuntime(Runtime):
    exception_q: Any

    def _start_ports(self) -> None:
        """The last thing that Lava does before it waits for the answers."""
        super()._start_ports()
        actors = Actors(self)
        queues = zip(self.exception_q, self._messaging_infrastructure.actors, strict=True)
        self.exception_q = [_Answer(answers, actor, actors) for answers, actor in queues]


class _Answer:
    """The queue of one OS process (`actor`, of all the `actors`)."""

    def __init__(self, answers: Any, actor: Any, actors: Actors) -> None:
        self._answers, self._actor, self._actors = answers, actor, actors

    def get(self) -> Any:
        """None, or the exception that the model's constructor raised."""
        while True:
            over = self._actor.exitcode is not None  # before the look at what it said
            try:
                return self._answers.get(timeout=ANSWER_SECONDS)
            except queue.Empty:
                if over:
                    self._actors.raise_if_dead()
                self._actors.raise_if_stopped()
