"""The time steps of a network in one OS process: their phases, and what lets a waiting model go on.

They are those of Lava's `LoihiPyRuntimeService`: SPK; then PRE_MGMT, LRN and POST_MGMT for as long
as a model asks for them; HOST at the end of a run. In the management phases models answer the
requests of reference ports, once their own part of the phase is done.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from lava.magma.core.process.process import AbstractProcess

from onchip.lava.runtime.channels import Channel
from onchip.lava.runtime.errors import LavaExecutionError
from onchip.lava.runtime.members import LEARN, PAUSE, POST, PRE, STOP, Call, Member
from onchip.lava.runtime.order import Order
from onchip.lava.runtime.pipes import Doorbell
from onchip.lava.runtime.scheduler import Scheduler, Waiting, who_waits


class PausedError(LavaExecutionError):
    """The host has paused a network in the middle of a time step that waits for the host."""


class TimeSteps:
    """Runs the models of a network step by step.

    `pipes` are the channels whose other end is the host's and `bell` what is rung when one is used.
    `exchange`, if any, sends to and receives from the host's ends, never blocking. `pause_asked` is
    set by the host.
    """

    def __init__(self, scheduler: Scheduler, bell: Doorbell) -> None:
        self.exchange: Call | None = None
        self.pause_asked = False
        self._scheduler, self._bell = scheduler, bell
        self._pipes: set[Channel] = set()
        self._asked = 0
        self._manages = False

    def take(self, models: Mapping[AbstractProcess, Any], pipes: set[Channel]) -> None:
        """The built models of the network, in Lava's order."""
        self._pipes = pipes
        self._members = [Member(process, model, self._ask) for process, model in models.items()]
        self._order = Order(self._members)
        self._guarded = {
            PRE: [m.pre for m in self._members if m.pre is not None],
            LEARN: [m.learn for m in self._members if m.learn is not None],
            POST: [m.post for m in self._members if m.post is not None],
        }
        ports = [port for model in models.values() for port in model.var_ports]
        ends = [(port, port._csp_recv_port) for port in ports]
        self._references = [(port, end.channel) for port, end in ends if end is not None]

    def run_one(self) -> None:
        """One time step, and the exchange with the host if a pipe was used in it."""
        self._order.run(self._scheduler)
        while self._asked & (PRE | LEARN | POST):
            for phase in (PRE, LEARN, POST):
                if self._asked & phase:
                    self._asked &= ~phase
                    self._phase(self._guarded[phase], manages=phase != LEARN)
                    break
        if self._bell.rung and self.exchange is not None:
            self._bell.rung = False
            self.exchange()

    def finish(self) -> None:
        """The host phase, at the end of a run."""
        self._phase([member.host for member in self._members], manages=True)

    def pause(self) -> None:
        """Lava's command to pause, to all models."""
        for member in self._members:
            member.pause()

    def stop(self) -> None:
        """Lava's command to end, to all models."""
        for member in self._members:
            member.stop()

    def taken_requests(self) -> int:
        """What models have asked for, PAUSE or STOP as bits; PAUSE too if the host has."""
        asked, self._asked = self._asked & (PAUSE | STOP), 0
        return asked | (PAUSE if self.pause_asked else 0)

    def _ask(self, bits: int) -> None:
        self._asked |= bits

    def _phase(self, tasks: list[Call], manages: bool) -> None:
        self._manages = manages
        self._scheduler.run(tasks)
        if manages:
            while self._serve({}):
                pass
        self._manages = False

    def help(self, waiting: Waiting) -> bool:
        """Called by the scheduler when all models wait; whether one of them may go on now."""
        if self._manages and self._serve(waiting):
            return True
        pipes = [channel for channel, _ in waiting.values() if channel in self._pipes]
        if not pipes:
            return False
        if self.exchange is None:
            return self._await_host(waiting)
        before = [len(pipe.messages) for pipe in pipes]
        self.exchange()
        return before != [len(pipe.messages) for pipe in pipes]

    def _serve(self, waiting: Waiting) -> bool:
        """Answer requests of reference ports to models that have finished their phase."""
        busy = {c.sender if sending else c.receiver for c, sending in waiting.values()}
        served = False
        for port, channel in self._references:
            if channel.messages and channel.receiver not in busy:
                port.service()
                served = True
        return served

    def _await_host(self, waiting: Waiting) -> bool:
        """Wait until another thread has used a pipe; False where there is no other thread."""

        def moved() -> bool:
            return any(not c.full if sending else c.messages for c, sending in waiting.values())

        with self._bell.condition:
            while not moved():
                if self.pause_asked:
                    raise PausedError(
                        f"paused in the middle of a time step, and closed: {who_waits(waiting)}"
                    )
                if threading.active_count() == 1:
                    return False
                self._bell.condition.wait(0.1)
                if self._scheduler.interruption is not None:
                    self._scheduler.interruption()
        return True
