"""The OS processes of a network on Lava's own runtime: whether they live, fail or stand still."""

from __future__ import annotations

import contextlib
import signal
from typing import Any

from onchip.lava.runtime.errors import LavaExecutionError, description
from onchip.lava.runtime.leftovers import is_stopped

STOPPED_CHECKS = 6
"""Checks in a row that must find a process stopped (SIGSTOP) before it is told."""


class Actors:
    """The processes of one network, by what Lava calls its actors."""

    def __init__(self, runtime: Any) -> None:
        self._actors: list[Any] = runtime._messaging_infrastructure.actors
        self._stopped_checks = 0

    @property
    def alive(self) -> bool:
        """Whether no OS process has failed or ended."""
        return all(actor.exitcode is None and actor.exception is None for actor in self._actors)

    @property
    def failed(self) -> bool:
        """Whether an OS process has failed; one that ended in order has not."""
        return any(actor.exitcode not in (None, 0) or actor.exception for actor in self._actors)

    def raise_failure(self) -> None:
        """LavaExecutionError with what a process raised or how it ended, if one has failed."""
        for actor in self._actors:
            failure = actor.exception
            if failure is not None:
                error, _ = failure
                raise LavaExecutionError(description(error)) from error
            if actor.exitcode not in (None, 0):
                raise LavaExecutionError(f"Lava process {actor.pid} {_ended(actor.exitcode)}")

    def raise_if_dead(self) -> None:
        """LavaExecutionError if a process has failed or ended."""
        if not self.alive:
            self.raise_failure()
            raise LavaExecutionError("a Lava process ended by itself")

    def raise_if_stopped(self) -> None:
        """LavaExecutionError if a process is stopped, and was at every one of the last checks.

        One that is stopped with its parent goes on with it, so one look is not enough.
        """
        stopped = [actor.pid for actor in self._actors if is_stopped(actor.pid)]
        self._stopped_checks = self._stopped_checks + 1 if stopped else 0
        if self._stopped_checks >= STOPPED_CHECKS:
            raise LavaExecutionError(
                f"Lava process {stopped[0]} was stopped (SIGSTOP) and does not go on; the network "
                "is closed"
            )


def _ended(exit_code: int) -> str:
    """How a process ended, in words; SIGBUS is what a full /dev/shm gives."""
    text = f"ended with exit code {exit_code}"
    if exit_code >= 0:
        return text
    with contextlib.suppress(ValueError):
        text += f" ({signal.Signals(-exit_code).name})"
    if exit_code == -signal.SIGBUS:
        text += ": is shared memory (/dev/shm) full?"
    return text
