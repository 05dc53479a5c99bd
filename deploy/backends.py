"""Executions of a network by the name of their backend.

with build(spec, backend="lava") as network:
    result = network.learn(frames, labels, measure=True)
    learned = network.snapshot()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from deploy.engine_network import AnySpec, EngineNetwork, make_engine
from deploy.execution import Execution, LearnResult, Network
from onchip.checks import require_choice
from onchip.execution import RunResult
from onchip.fixed_point.spec import FixedNetworkSpec
from onchip.schedule import make_schedule

__all__ = ["BACKENDS", "SCHEDULES", "Backend", "Execution", "LearnResult", "RunResult", "build"]

SCHEDULES = ("sequenced", "pipelined")


def _numpy_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    if isinstance(spec, FixedNetworkSpec) and spec.learning is not None:
        make_schedule(schedule, spec)  # integers depend on it
    return EngineNetwork(make_engine(spec), record)


def _lava_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    from onchip.lava.network import LavaNetwork  # importing lava takes seconds

    network: Network = LavaNetwork(spec, schedule, record=record)
    return network


@dataclass(frozen=True)
class Backend:
    """`make(spec, schedule, record)` builds the network; `schedules` are those it knows."""

    make: Callable[[Any, str, bool], Network]
    schedules: tuple[str, ...]


BACKENDS: dict[str, Backend] = {
    "numpy": Backend(_numpy_network, SCHEDULES),
    "lava": Backend(_lava_network, SCHEDULES),
}
"""Backends by name. The NumPy engine computes the same whatever the schedule."""


def build(
    spec: AnySpec, backend: str = "numpy", schedule: str | None = None, record: bool = False
) -> Execution:
    """An execution of `spec` on a backend of `BACKENDS`, in the precision of the spec.

    `schedule` maps steps to the backend's own ("sequenced": any depth; "pipelined": one step per
    step, a plastic last layer; None: that of an integer network, or "sequenced"). `record` keeps
    every layer's spikes. Raises ValueError for unknown names (the message lists the valid ones) and
    for a network the backend cannot execute.
    """
    require_choice("backend", backend, BACKENDS)
    schedule = schedule or own_schedule(spec)
    require_choice("schedule", schedule, BACKENDS[backend].schedules)
    make = BACKENDS[backend].make
    return Execution(spec, lambda head: make(head, schedule, record), record)


def own_schedule(spec: AnySpec) -> str:
    """The schedule that an integer network was quantised for; "sequenced" for all others."""
    return str(getattr(spec.learning, "schedule", SCHEDULES[0]))
