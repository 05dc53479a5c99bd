"""Lets process models of one OS process wait for each other in the middle of a phase.

A phase is a list of tasks, one for each model that takes part. They are called one after the other
on the caller's own stack. A model that must wait for a message is left where it is: the rest of the
phase goes on in a new greenlet, and the model goes on when the message has come. Where every model
waits and nobody outside can help, that is a deadlock, and it is told with the names of all.
"""

from __future__ import annotations

import contextvars
from collections import deque
from collections.abc import Callable, Sequence
from typing import Any

from greenlet import GreenletExit, getcurrent, greenlet

from onchip.lava.runtime.channels import Channel
from onchip.lava.runtime.errors import LavaExecutionError

Waiting = dict[Any, tuple[Channel, bool]]
"""Greenlet -> the channel that it waits for, and whether it waits to send."""

Help = Callable[[Waiting], bool]
"""help(waiting): called when all models wait; returns whether one of them may go on now."""


class _Unwind(BaseException):
    """Leaves the model on the caller's stack after another one has failed."""


class Scheduler:
    """Runs phases; `help` is asked when nothing can go on by itself.

    `interruption`, where there is one, is called before the next task, and may raise.
    """

    def __init__(self, help: Help) -> None:
        self._help = help
        self._tasks: Sequence[Callable[[], None]] = ()
        self._next = 0
        self._main: Any = None
        self._main_done = self._running = False
        self._waiting: Waiting = {}
        self._ready: deque[Any] = deque()
        self._failure: BaseException | None = None
        self.waits = 0
        self.interruption: Callable[[], None] | None = None

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Call all tasks to their end; raises what one of them raised, or for a deadlock.

        `waits` counts the times a task had to wait. After an exception no task is left.
        """
        self._tasks, self._next, self._main_done = tasks, 0, False
        self._main, self._running = getcurrent(), True
        try:
            self._work()
            self._main_done = True
            while self._waiting or self._ready:
                self._give_way()
        except _Unwind:
            failure, self._failure = self._failure, None
            assert failure is not None
            raise failure from failure.__cause__
        finally:
            self._tasks, self._running = (), False
            if self._waiting or self._ready:
                self._abandon()

    def interrupt_by(self, interruption: Callable[[], None] | None) -> None:
        """What is to be called before the next task, if anything."""
        self.interruption = interruption

    def wait(self, channel: Channel, sending: bool) -> None:
        """Called on a model's stack: return when the channel has data, or room if `sending`."""
        me = getcurrent()
        self.waits += 1
        if not self._running:
            raise LavaExecutionError(
                f"outside of a time step {who_waits({me: (channel, sending)})}"
            )
        while channel.full if sending else not channel.messages:
            channel.waiter = me
            self._waiting[me] = (channel, sending)
            self._give_way()
        self._waiting.pop(me, None)
        if channel.waiter is me:
            channel.waiter = None

    def let_others(self) -> None:
        """Called on a model's stack that looks for a message in vain: others run before it goes on.

        A model that polls would otherwise look for ever.
        """
        if self._running and (self._next < len(self._tasks) or self._ready):
            self._ready.append(getcurrent())
            self._give_way(new_first=True)

    def wake(self, channel: Channel) -> None:
        """What a channel's waiter waits for has happened: it goes on later."""
        waiter, channel.waiter = channel.waiter, None
        if self._waiting.pop(waiter, None) is not None:
            self._ready.append(waiter)

    def _work(self) -> None:
        """Call tasks until none is left; the others of the phase may be called elsewhere."""
        tasks = self._tasks
        while self._next < len(tasks):
            if self.interruption is not None:
                self.interruption()
            self._next += 1
            tasks[self._next - 1]()

    def _give_way(self, new_first: bool = False) -> None:
        """Let something else run; returns when this greenlet is to go on, or may look again."""
        me = getcurrent()
        more = self._next < len(self._tasks)
        if self._ready and not (more and new_first):
            other = self._ready.popleft()
        elif more:
            other = greenlet(self._run_others, self._main)
            other.gr_context = contextvars.copy_context()
        elif self._main_done and me is not self._main:
            other = self._main  # it looks for what is ready, or asks for help
        else:
            other = me
            self._ask_for_help()
        if other is not me:
            other.switch()
        if self._failure is not None and getcurrent() is self._main:
            raise _Unwind

    def _run_others(self) -> None:
        """The rest of a phase on a stack of its own; a failure is told to the caller's."""
        try:
            self._work()
        except GreenletExit:
            raise
        except BaseException as failure:
            self._fail(failure)

    def _ask_for_help(self) -> None:
        try:
            if self._help(self._waiting):
                self._look_again()
                return
            raise LavaExecutionError(f"deadlock: {who_waits(self._waiting)}")
        except BaseException as failure:
            self._fail(failure)
            if getcurrent() is not self._main:
                self._main.switch()  # which ends this greenlet

    def _look_again(self) -> None:
        """After help: those whose channel has data or room now are ready."""
        for waiter, (channel, sending) in list(self._waiting.items()):
            if not channel.full if sending else channel.messages:
                channel.waiter = None
                del self._waiting[waiter]
                self._ready.append(waiter)

    def _fail(self, failure: BaseException) -> None:
        if self._failure is None:
            self._failure = failure

    def _abandon(self) -> None:
        """End the models that were left in the middle of a task."""
        left = [waiter for waiter in (*self._waiting, *self._ready) if waiter is not self._main]
        for channel, _ in self._waiting.values():
            channel.waiter = None
        self._waiting.clear()
        self._ready.clear()
        for waiter in left:
            if not waiter.dead:
                waiter.throw(GreenletExit)


def who_waits(waiting: Waiting) -> str:
    """Which ports wait, and for what."""
    return "; ".join(
        f"{channel.source} waits to send to {channel.target}, which has not taken the last "
        f"{channel.size} messages"
        if sending
        else f"{channel.target} waits for {channel.source}"
        for channel, sending in waiting.values()
    )
