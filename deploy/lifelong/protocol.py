"""What happens to a network after deployment, session by session.

A network knows the base classes. Each session then brings labelled samples, once each: of classes
that are new (class-incremental, few-shot), or of all classes known so far from a sensor that has
drifted. Every session is also a task, which is tested by itself from then on: its new classes, or
the classes known by then on its sensor; task 0 are the base classes.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from onchip.arithmetic.loihi import require_integer
from onchip.checks import require_choice

ORIGINAL, DRIFTED = "original", "drifted"
SENSORS = (ORIGINAL, DRIFTED)

KINDS = ("classes", "drift", "mixed")
"""Protocols by name: new classes, a drift, new classes and drifts in turn."""


@dataclass(frozen=True)
class Session:
    """One session: `shots` samples of each of its classes, before one of `SENSORS`.

    `new` are the classes that come with it; with none it brings samples of all classes known so
    far. Raises ValueError for fewer than one sample and for other sensors.
    """

    new: tuple[int, ...]
    shots: int
    sensor: str = ORIGINAL

    def __post_init__(self) -> None:
        """Check the ranges."""
        object.__setattr__(self, "new", tuple(int(c) for c in self.new))
        require_integer("session: shots", self.shots, 1, 1_000_000)
        require_choice("session: sensor", self.sensor, SENSORS)


@dataclass(frozen=True)
class Protocol:
    """The base classes and the sessions after deployment, in order.

    Classes are the data set's; the network's outputs are numbered in the order in which it meets
    them (`order`). Raises ValueError for a class that comes twice and for no base class.
    """

    base: tuple[int, ...]
    sessions: tuple[Session, ...]

    def __post_init__(self) -> None:
        """Check that every class comes once."""
        object.__setattr__(self, "base", tuple(int(c) for c in self.base))
        object.__setattr__(self, "sessions", tuple(self.sessions))
        if not self.base or not self.sessions:
            raise ValueError("protocol: it needs a base class and a session; name one of each")
        twice = sorted(c for c in set(self.order) if self.order.count(c) > 1)
        if twice:
            raise ValueError(f"protocol: class {twice[0]} comes twice; a class is new only once")

    @property
    def order(self) -> tuple[int, ...]:
        """All classes, in the order in which the network meets them."""
        return self.base + tuple(c for session in self.sessions for c in session.new)

    def known(self, sessions: int) -> tuple[int, ...]:
        """Return the classes known after so many sessions."""
        return self.base + tuple(c for s in self.sessions[:sessions] for c in s.new)

    def tasks(self) -> list[tuple[tuple[int, ...], str]]:
        """Return the classes and the sensor of every task: the base, then one for each session."""
        found: list[tuple[tuple[int, ...], str]] = [(self.base, ORIGINAL)]
        for index, session in enumerate(self.sessions):
            found.append((session.new or self.known(index), session.sensor))
        return found

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return asdict(self)


def make_protocol(
    kind: str, classes: int, base: int, per_session: int, shots: int, drifts: int = 1
) -> Protocol:
    """Return a protocol of `KINDS` for `classes` classes from 0 on; the first `base` are known.

    `per_session` new classes come at a time (the last session may have fewer), with `shots` samples
    each; a drift session has `shots` samples of every class known. "drift" has `drifts` of them and
    no new class; "mixed" has a drift after each session of new classes, which from then on come
    from the drifted sensor. Raises ValueError for other kinds and counts that do not fit.
    """
    require_choice("protocol: kind", kind, KINDS)
    require_integer("protocol: base", base, 2, classes - (kind != "drift"))
    require_integer("protocol: per_session", per_session, 1, 1_000_000)
    known = tuple(range(base))
    if kind == "drift":
        return Protocol(known, tuple(Session((), shots, DRIFTED) for _ in range(drifts)))
    groups = _groups(range(base, classes), per_session)
    if kind == "classes":
        return Protocol(known, tuple(Session(group, shots) for group in groups))
    sessions: list[Session] = []
    for index, group in enumerate(groups):
        sessions.append(Session(group, shots, DRIFTED if index else ORIGINAL))
        sessions.append(Session((), shots, DRIFTED))
    return Protocol(known, tuple(sessions))


def _groups(classes: Sequence[int], size: int) -> list[tuple[int, ...]]:
    return [tuple(classes[i : i + size]) for i in range(0, len(classes), size)]
