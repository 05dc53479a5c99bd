"""Executions of a network by the name of their backend.

with build(spec, backend="lava") as network:
    result = network.learn(frames, labels, measure=True)
    learned = network.snapshot()
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from deploy.engine_network import EngineNetwork
from deploy.execution import Execution, LearnResult, Network
from onchip.checks import require_choice
from onchip.engine import Engine
from onchip.execution import RunResult
from onchip.spec import NetworkSpec

__all__ = ["BACKENDS", "SCHEDULES", "Backend", "Execution", "LearnResult", "RunResult", "build"]

SCHEDULES = ("sequenced", "pipelined")


def _numpy_network(spec: NetworkSpec, schedule: str, record: bool) -> Network:
    return EngineNetwork(Engine(spec), record)


def _lava_network(spec: NetworkSpec, schedule: str, record: bool) -> Network:
    from onchip.lava.network import LavaNetwork  # importing lava takes seconds

    network: Network = LavaNetwork(spec, schedule, record=record)
    return network


@dataclass(frozen=True)
class Backend:
    """`make(spec, schedule, record)` builds the network; `schedules` are those it knows."""

    make: Callable[[NetworkSpec, str, bool], Network]
    schedules: tuple[str, ...]


BACKENDS: dict[str, Backend] = {
    "numpy": Backend(_numpy_network, SCHEDULES),
    "lava": Backend(_lava_network, SCHEDULES),
}
"""Backends by name. The NumPy engine computes the same whatever the schedule."""


def build(
    spec: NetworkSpec, backend: str = "numpy", schedule: str = "sequenced", record: bool = False
) -> Execution:
    """An execution of `spec` on a backend of `BACKENDS`.

    `schedule` maps steps to the backend's own ("sequenced": any depth; "pipelined": one step per
    step, a plastic last layer); `record` keeps every layer's spikes. Raises ValueError for unknown
    names (the message lists the valid ones) and for a network the backend cannot execute.
    """
    require_choice("backend", backend, BACKENDS)
    require_choice("schedule", schedule, BACKENDS[backend].schedules)
    make = BACKENDS[backend].make
    return Execution(spec, lambda head: make(head, schedule, record), record)
