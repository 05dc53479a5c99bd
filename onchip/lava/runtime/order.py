"""The order in which the models of a network take their part in a time step.

Any order gives the same numbers: a model waits for what it lacks. In a good one few have to. A
network starts in Lava's order; whenever a step had to wait, another order is tried: the models that
finished first come first. The best one found is kept.
"""

from __future__ import annotations

from collections.abc import Callable

from onchip.lava.runtime.members import Member
from onchip.lava.runtime.scheduler import Scheduler

TRIALS = 24
"""How many orders a network tries."""


class Order:
    """Runs the spiking phase of all members, in the best order known."""

    def __init__(self, members: list[Member]) -> None:
        self._best = list(range(len(members)))
        self._fewest: int | None = None
        self._last_finished: list[int] = []
        self._members = members
        self._early = [member.early for member in members if member.early is not None]
        self._tasks = [*self._early, *(member.spike for member in members)]
        self._trials = TRIALS if len(members) > 1 else 0

    def run(self, scheduler: Scheduler) -> None:
        """One spiking phase."""
        if self._trials:
            self._try(scheduler)
        else:
            scheduler.run(self._tasks)

    def _try(self, scheduler: Scheduler) -> None:
        """The phase in the order under trial, noting who finishes when."""
        self._trials -= 1
        finished: list[int] = []
        order = self._last_finished or self._best
        before = scheduler.waits
        scheduler.run([*self._early, *(self._noting(finished, number) for number in order)])
        waits = scheduler.waits - before
        if self._fewest is None or waits < self._fewest:
            self._best, self._fewest = order, waits
        self._last_finished = finished
        if self._fewest == 0:
            self._trials = 0
        self._tasks = [*self._early, *(self._members[number].spike for number in self._best)]

    def _noting(self, finished: list[int], number: int) -> Callable[[], None]:
        spike = self._members[number].spike

        def task() -> None:
            spike()
            finished.append(number)

        return task
