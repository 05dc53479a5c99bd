"""Executions of a network by the name of their backend.

with build(spec, backend="lava") as network:
    result = network.learn(frames, labels)

`loihi2` is a chip, for integer networks; nothing of this has been run on one yet. It never falls
back to the simulator: where there is no chip, or no chip model of a process, it refuses.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import NamedTuple

from onchip.checks import require_choice
from onchip.deploy.backends import makers
from onchip.deploy.backends.backend import FIXED, FLOAT, PRECISIONS, Backend
from onchip.deploy.backends.execution import Execution, Spec
from onchip.deploy.backends.network import BackendNetwork
from onchip.deploy.offline import refuse_offline
from onchip.execution import RUNTIMES
from onchip.program.graphs import INTEGERS, AnyNetwork, numbers_of
from onchip.program.timetable import SCHEDULES


def _simulated(
    make: Callable[..., BackendNetwork], about: str, resumes: tuple[str, ...], whole: bool = False
) -> Backend:
    """A backend in Lava's simulator."""
    return Backend(
        make,
        about,
        makers.require_lava,
        tuple(SCHEDULES),
        RUNTIMES,
        resumes=resumes,
        whole=whole,
        convolutions=not whole,
    )


BACKENDS: dict[str, Backend] = {
    "torch": Backend(
        makers.torch_network,
        "the trainer's own layers, in floating point",
        makers.require_torch,
        precisions=(FLOAT,),
        resumes=(FLOAT,),
        whole=True,
    ),
    "numpy": Backend(
        makers.numpy_network, "the engine alone", resumes=PRECISIONS, convolutions=True
    ),
    "compiled": Backend(
        makers.compiled_network,
        "the engine by compiled kernels: the fastest",
        resumes=PRECISIONS,
    ),
    "lava": _simulated(makers.lava_network, "Lava's own synapse models", PRECISIONS),
    "lava-fast": _simulated(
        makers.fast_lava_network, "the same processes, this project's models", PRECISIONS
    ),
    "lava-fused": _simulated(
        makers.fused_lava_network,
        "the whole network in one Lava process",
        PRECISIONS,
        whole=True,
    ),
    "lava-compiled": _simulated(
        makers.compiled_lava_network,
        "lava-fused by compiled kernels in floating point, too: the fastest in Lava",
        PRECISIONS,
        whole=True,
    ),
    "loihi2": Backend(
        makers.loihi2_network,
        "a chip; never run on one so far",
        makers.require_lava,
        tuple(SCHEDULES),
        precisions=(FIXED,),
        chip=True,
    ),
}
"""Backends by name. A backend of one's own is a row more: the command line knows it too."""

REFERENCE = "numpy"
"""The backend to which all others are held."""

HOST, LAVA = "host", "lava"
CONVOLUTIONS = (HOST, LAVA)
"""Where frozen convolutions, and all below them, are evaluated."""

AUTO = "auto"
"""loihi2 where Lava's chip extension and a board are found, else lava."""


class Choice(NamedTuple):
    """The backend that a name stands for, and why."""

    name: str
    reason: str


def precision_of(spec: AnyNetwork) -> str:
    """The name of a specification's precision, one of `PRECISIONS`."""
    return FIXED if numbers_of(spec) == INTEGERS else FLOAT


def executions() -> dict[str, tuple[str, str | None]]:
    """(backend, schedule) by the name of an execution: `BACKEND`, or `BACKEND-SCHEDULE`.

    The reference is not among them. The schedule of a backend that has none is None.
    """
    return {
        f"{name}-{schedule}" if schedule else name: (name, schedule)
        for name, backend in BACKENDS.items()
        if name != REFERENCE
        for schedule in backend.schedules or (None,)
    }


def resolve_backend(name: str, spec: AnyNetwork) -> Choice:
    """The backend that `name` stands for; `auto` is decided by the network and by what is found.

    Raises ValueError for an unknown name (the message lists the valid ones), for a backend that is
    not installed, for loihi2 where there is no chip (the message says what is missing) and for a
    backend that does not compute in the network's precision.
    """
    require_choice("backend", name, (*BACKENDS, AUTO))
    require_installed(name)
    if name == AUTO:
        return _automatic(spec)
    if name == "loihi2":
        from onchip.lava.loihi2.hardware import require_integers, require_loihi

        require_integers(spec)
        return Choice(name, require_loihi().summary)
    _require_precision(name, precision_of(spec))
    return Choice(name, "it was asked for")


def require_installed(name: str) -> None:
    """Raise a ValueError that says how to get it where something a backend needs is missing."""
    (makers.require_lava if name == AUTO else BACKENDS[name].require)()


def _require_precision(name: str, precision: str) -> None:
    if precision in BACKENDS[name].precisions:
        return
    words = {FLOAT: "floating point", FIXED: "integers"}
    others = [other for other, b in BACKENDS.items() if precision in b.precisions and not b.chip]
    raise ValueError(
        f"network: it is in {words[precision]} and backend {name} computes in "
        f"{' or '.join(words[known] for known in BACKENDS[name].precisions)}; "
        f"use backend {', '.join(others[:-1])} or {others[-1]}"
    )


def _automatic(spec: AnyNetwork) -> Choice:
    from onchip.lava.loihi2.hardware import loihi_status

    if precision_of(spec) != FIXED:
        return Choice("lava", "loihi2 takes integers and this network is in floating point")
    status = loihi_status()
    return Choice("loihi2" if status.ready else "lava", status.summary)


def build(
    spec: Spec,
    backend: str = REFERENCE,
    schedule: str | None = None,
    record: bool = False,
    runtime: str | None = None,
    convolutions: str | None = None,
) -> Execution[Spec]:
    """An execution of `spec` on a backend of `BACKENDS`, in the precision of the spec.

    `backend` "auto" is `resolve_backend`'s choice, which is logged as a warning with its reason.
    `schedule` maps steps to the backend's own ("sequenced": any depth; "pipelined": one step per
    step, a plastic last layer; None: that of an integer network, or "sequenced"). `record` keeps
    every layer's spikes. `runtime`, of the backends in Lava's simulator, is "one-process" (all Lava
    processes in this OS process, the default) or "processes" (each in one of its own).
    `convolutions`: where frozen ones and all below run, on the "host" (default: many samples at
    once) or in "lava" (as processes; integers then learn with other random numbers, as numpy does).
    Raises ValueError for unknown names (the message lists the valid ones) and for a network the
    backend cannot execute.
    """
    refuse_offline(spec, "build")
    choice, schedule = resolve_backend(backend, spec), schedule or own_schedule(spec)
    if backend == AUTO:
        logging.getLogger(__name__).warning("backend auto: %s; %s", *choice)
    chosen = BACKENDS[choice.name]
    require_choice("schedule", schedule, chosen.schedules or SCHEDULES)
    if runtime is not None:
        _require_runtime(choice.name, runtime, chosen.runtimes)
    options = {"runtime": runtime} if chosen.runtimes else {}
    whole = in_lava(choice.name, convolutions) or chosen.whole

    def make(part: AnyNetwork) -> BackendNetwork:
        return chosen.make(part, schedule, record, **options)

    return Execution(spec, make, record, whole, {"backend": choice.name, "schedule": schedule})


def in_lava(backend: str, convolutions: str | None) -> bool:
    """Return whether a backend is to run frozen convolutions as processes of its own.

    Raises ValueError for an unknown place and for a backend without such processes.
    """
    require_choice("convolutions", convolutions or HOST, CONVOLUTIONS)
    if convolutions is None or BACKENDS[backend].convolutions:
        return convolutions == LAVA
    known = " or ".join(name for name, row in BACKENDS.items() if row.convolutions)
    raise ValueError(
        f"convolutions {convolutions!r}: backend {backend} has one place for them; leave it out, "
        f"or use backend {known}"
    )


def _require_runtime(backend: str, runtime: str, known: tuple[str, ...]) -> None:
    if not known:
        raise ValueError(f"runtime {runtime!r}: backend {backend} has none; leave the runtime out")
    require_choice("runtime", runtime, known)


def own_schedule(spec: AnyNetwork) -> str:
    """The schedule that an integer network was quantized for; "sequenced" for all others."""
    own = getattr(spec, "schedule", None)
    return str(own or getattr(spec.learning, "schedule", "sequenced"))
