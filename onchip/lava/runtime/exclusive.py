"""One thread at a time may use a network."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from collections.abc import Iterator

_all: weakref.WeakSet[Exclusive] = weakref.WeakSet()


class Exclusive:
    """Who uses a network: nobody, or one thread. In a forked child nobody does."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._thread: int | None = None
        _all.add(self)

    @property
    def taken(self) -> bool:
        """Whether somebody uses it."""
        return self._lock.locked()

    def take(self, what: str) -> None:
        """Use it until `give_back`; RuntimeError, which says `what`, while somebody does."""
        if not self._lock.acquire(blocking=False):
            raise RuntimeError(
                f"{what}: steps are being run; ask between two runs or streams, from one thread"
            )
        self._thread = threading.get_ident()

    def give_back(self) -> None:
        """Use it no longer."""
        self._thread = None
        self._lock.release()

    def hand_to(self, thread: int | None) -> None:
        """Another thread uses it now, and gives it back."""
        self._thread = thread

    @contextlib.contextmanager
    def used_for(self, what: str) -> Iterator[None]:
        """`take` it and give it back."""
        self.take(what)
        try:
            yield
        finally:
            self.give_back()

    def await_end(self) -> None:
        """Wait until no other thread uses it.

        Python may collect a process, which stops its network, at any moment of this thread.
        """
        if self._thread != threading.get_ident():
            with self._lock:
                pass

    def renew(self) -> None:
        """Whoever uses it is a thread of another process."""
        self._lock, self._thread = threading.Lock(), None


def _renew_all() -> None:
    for exclusive in list(_all):
        exclusive.renew()


os.register_at_fork(after_in_child=_renew_all)
