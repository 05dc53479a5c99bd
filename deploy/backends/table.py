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

from onchip.checks import require_choice
from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.execution import Execution, LearnResult, Network
from onchip.deploy.offline import refuse_offline
from onchip.engine.choice import AnySpec, make_engine
from onchip.execution import RUNTIMES, RunResult
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.timetable import make_schedule

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


def _lava_network(spec: AnySpec, schedule: str, record: bool, runtime: str | None) -> Network:
    from onchip.lava.network import LavaNetwork  # importing lava takes seconds

    network: Network = LavaNetwork(spec, schedule, record=record, runtime=runtime)
    return network


def _fast_lava_network(spec: AnySpec, schedule: str, record: bool, runtime: str | None) -> Network:
    from onchip.lava.network import LavaNetwork
    from onchip.lava.run_config import FastSimCfg

    tag = "fixed_pt" if isinstance(spec, FixedNetworkSpec) else "floating_pt"
    options: Any = {"run_config": FastSimCfg(tag), "runtime": runtime}
    network: Network = LavaNetwork(spec, schedule, record=record, **options)
    return network


def _fused_lava_network(spec: AnySpec, schedule: str, record: bool, runtime: str | None) -> Network:
    from onchip.lava.fused import FusedLavaNetwork

    network: Network = FusedLavaNetwork(spec, schedule, record=record, runtime=runtime)
    return network


def _loihi2_network(spec: AnySpec, schedule: str, record: bool) -> Network:
    from onchip.lava.loihi2.chip import loihi2_network

    network: Network = loihi2_network(spec, schedule, record=record)
    return network


@dataclass(frozen=True)
class Backend:
    """`make(spec, schedule, record)` builds the network.

    `schedules` and `runtimes` are those it knows; where it knows runtimes, `make` gets the name of
    one, or None, as `runtime`. `whole`: it executes convolutions too; for the
    others they are evaluated on the host.
    """

    make: Callable[..., Network]
    schedules: tuple[str, ...] = SCHEDULES
    whole: bool = False
    runtimes: tuple[str, ...] = ()


BACKENDS: dict[str, Backend] = {
    "numpy": Backend(_numpy_network),
    "lava": Backend(_lava_network, runtimes=RUNTIMES),
    "lava-fast": Backend(_fast_lava_network, runtimes=RUNTIMES),
    "lava-fused": Backend(_fused_lava_network, whole=True, runtimes=RUNTIMES),
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
        from onchip.lava.loihi2.hardware import require_integers, require_loihi

        require_integers(spec)
        return Choice(name, require_loihi().summary)
    return Choice(name, "it was asked for")


def require_installed(name: str) -> None:
    """Raise a ValueError that says how to get Lava where the backend needs it and it is missing."""
    if name != "numpy":
        import onchip.lava  # noqa: F401  it looks for all that the simulator needs


def _automatic(spec: AnySpec) -> Choice:
    from onchip.lava.loihi2.hardware import loihi_status

    if not isinstance(spec, FixedNetworkSpec):
        return Choice("lava", "loihi2 takes integers and this network is in floating point")
    status = loihi_status()
    return Choice("loihi2" if status.ready else "lava", status.summary)


def build(
    spec: AnySpec,
    backend: str = "numpy",
    schedule: str | None = None,
    record: bool = False,
    runtime: str | None = None,
) -> Execution:
    """An execution of `spec` on a backend of `BACKENDS`, in the precision of the spec.

    `backend` "auto" is `resolve_backend`'s choice, which is logged as a warning with its reason.
    `schedule` maps steps to the backend's own ("sequenced": any depth; "pipelined": one step per
    step, a plastic last layer; None: that of an integer network, or "sequenced"). `record` keeps
    every layer's spikes. `runtime`, of the backends in Lava's simulator, is "one-process" (all Lava
    processes in this OS process, the default) or "processes" (each in one of its own). Raises
    ValueError for unknown names (the message lists the valid ones) and for a network the backend
    cannot execute.
    """
    refuse_offline(spec, "build")
    choice = resolve_backend(backend, spec)
    if backend == AUTO:
        logging.getLogger(__name__).warning("backend auto: %s; %s", *choice)
    schedule = schedule or own_schedule(spec)
    require_choice("schedule", schedule, BACKENDS[choice.name].schedules)
    chosen = BACKENDS[choice.name]
    if runtime is not None:
        _require_runtime(choice.name, runtime, chosen.runtimes)
    options = {"runtime": runtime} if chosen.runtimes else {}
    return Execution(
        spec, lambda head: chosen.make(head, schedule, record, **options), record, chosen.whole
    )


def _require_runtime(backend: str, runtime: str, known: tuple[str, ...]) -> None:
    if not known:
        raise ValueError(f"runtime {runtime!r}: backend {backend} has none; leave the runtime out")
    require_choice("runtime", runtime, known)


def own_schedule(spec: AnySpec) -> str:
    """The schedule that an integer network was quantised for; "sequenced" for all others."""
    return str(getattr(spec.learning, "schedule", SCHEDULES[0]))
