"""What a backend is: a way to execute networks, described by a row of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onchip.deploy.backends.execution import BackendNetwork

FLOAT, FIXED = "float", "fixed"
PRECISIONS = (FLOAT, FIXED)
"""Names of the precisions; the type of a specification decides which one it has."""


@dataclass(frozen=True)
class Backend:
    """A way to execute networks: a row of `BACKENDS`.

    `make(spec, schedule, record)` builds the network; `about` describes it in a few words;
    `require()` raises a ValueError where something it needs is not installed.
    `schedules` are those by which it spreads a step over its own; without any it computes the same
    whatever the schedule. `runtimes` are those it knows: where there are some, `make` also gets the
    name of one, or None, as `runtime`. `precisions` are those of the networks that it takes;
    `resumes` those in which `state` and `restore` go on exactly.
    With `whole` it executes convolutions too; for others frozen ones are evaluated on the host, or
    on the backend if it has `convolutions` and that is asked for.
    With `chip` it is hardware, which nobody is given without asking.
    """

    make: Callable[..., BackendNetwork]
    about: str = ""
    require: Callable[[], None] = lambda: None
    schedules: tuple[str, ...] = ()
    runtimes: tuple[str, ...] = ()
    precisions: tuple[str, ...] = PRECISIONS
    resumes: tuple[str, ...] = ()
    whole: bool = False
    chip: bool = False
    convolutions: bool = False
