"""Executions of a network by the name of their backend.

with build(spec, backend="lava") as network:
    result = network.learn(frames, labels, measure=True)
    learned = network.snapshot()

`loihi2` is a chip, for integer networks; nothing of this has been run on one yet. It never falls
back to the simulator: where there is no chip, or no chip model of a process, it refuses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

from deploy.engine_network import EngineNetwork
from deploy.execution import Execution, LearnResult, Network
from onchip.checks import require_choice
from onchip.engines import AnySpec, make_engine
from onchip.execution import RunResult
from onchip.fixed_point.spec import FixedNetworkSpec
from onchip.schedule import make_schedule

__all__ = [
    "AUTO",
    "BACKENDS",
    "SCHEDULES",
    "Backend",
    "Choice",
    "Execution",
    "LearnResult",
    "RunResult",
    "build",
    "resolve_backend",
]

SCHEDULES = ("sequenced", "pipelined")


def _numpy_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    if isinstance(spec, FixedNetworkSpec) and spec.learning is not None:
        make_schedule(schedule, spec)  # integers depend on it
    return EngineNetwork(make_engine(spec), record)


def _lava_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    from onchip.lava.network import LavaNetwork  # importing lava takes seconds

    network: Network = LavaNetwork(spec, schedule, record=record)
    return network


def _fast_lava_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    from onchip.lava.network import LavaNetwork
    from onchip.lava.run_config import FastSimCfg

    tag = "fixed_pt" if isinstance(spec, FixedNetworkSpec) else "floating_pt"
    network: Network = LavaNetwork(spec, schedule, record=record, run_config=FastSimCfg(tag))
    return network


def _fused_lava_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    from onchip.lava.fused import FusedLavaNetwork

    network: Network = FusedLavaNetwork(spec, schedule, record=record)
    return network


def _loihi2_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    from onchip.lava.chip import loihi2_network

    network: Network = loihi2_network(spec, schedule, record=record)
    return network


@dataclass(frozen=True)
class Backend:
    """`make(spec, schedule, record)` builds the network; `schedules` are those it knows.

    `whole`: it executes convolutions too; for the others they are evaluated on the host.
    """

    make: Callable[[Any, str, bool], Network]
    schedules: tuple[str, ...] = SCHEDULES
    whole: bool = False


BACKENDS: dict[str, Backend] = {
    "numpy": Backend(_numpy_network),
    "lava": Backend(_lava_network),
    "lava-fast": Backend(_fast_lava_network),
    "lava-fused": Backend(_fused_lava_network, whole=True),
    "loihi2": Backend(_loihi2_network),
}
"""Backends by name. `lava` runs Lava's own models of the synapses, one process per layer;
`lava-fast` the same processes with this project's models of them; `lava-fused` the whole network as
one process. The NumPy engine computes the same whatever the schedule."""

AUTO = "auto"
"""loihi2 where Lava's chip extension and a board are found, else lava."""


class Choice(NamedTuple):
    """The backend that a name stands for, and why."""

    name: str
    reason: str


def resolve_backend(name: str, spec: AnySpec) -> Choice:
    """What `name` stands for, `auto` being decided by what is found here and by the network.

    Raises ValueError for an unknown name (the message lists the valid ones), for any but numpy
    where Lava is not installed, for loihi2 where there is no chip (the message says what is
    missing) and for loihi2 with a network in floating point.
    """
    require_choice("backend", name, (*BACKENDS, AUTO))
    require_installed(name)
    if name == AUTO:
        return _automatic(spec)
    if name == "loihi2":
        from onchip.lava.hardware import require_integers, require_loihi

        require_integers(spec)
        return Choice(name, require_loihi().summary)
    return Choice(name, "it was asked for")


def require_installed(name: str) -> None:
    """Raise a ValueError that says how to get Lava where the backend needs it and it is missing."""
    if name != "numpy":
        import onchip.lava  # noqa: F401  it looks for all that the simulator needs


def _automatic(spec: AnySpec) -> Choice:
    from onchip.lava.hardware import loihi_status

    if not isinstance(spec, FixedNetworkSpec):
        return Choice("lava", "loihi2 takes integers and this network is in floating point")
    status = loihi_status()
    return Choice("loihi2" if status.ready else "lava", status.summary)


def build(
    spec: AnySpec, backend: str = "numpy", schedule: str | None = None, record: bool = False
) -> Execution:
    """An execution of `spec` on a backend of `BACKENDS`, in the precision of the spec.

    `backend` "auto" is `resolve_backend`'s choice, which is logged as a warning with its reason.
    `schedule` maps steps to the backend's own ("sequenced": any depth; "pipelined": one step per
    step, a plastic last layer; None: that of an integer network, or "sequenced"). `record` keeps
    every layer's spikes. Raises ValueError for unknown names (the message lists the valid ones) and
    for a network the backend cannot execute.
    """
    choice = resolve_backend(backend, spec)
    if backend == AUTO:
        logging.getLogger(__name__).warning("backend auto: %s; %s", *choice)
    schedule = schedule or own_schedule(spec)
    require_choice("schedule", schedule, BACKENDS[choice.name].schedules)
    chosen = BACKENDS[choice.name]
    return Execution(spec, lambda head: chosen.make(head, schedule, record), record, chosen.whole)


def own_schedule(spec: AnySpec) -> str:
    """The schedule that an integer network was quantised for; "sequenced" for all others."""
    return str(getattr(spec.learning, "schedule", SCHEDULES[0]))
