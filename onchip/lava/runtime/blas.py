"""One BLAS thread while models run, as each has in an OS process of its own."""

from __future__ import annotations

import contextlib
import functools
import os
import threading
from collections.abc import Iterator
from typing import Any

from threadpoolctl import ThreadpoolController


class _Limit:
    """The limit of this OS process: the first run sets it, the last one to end takes it back."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._limiter: Any = None

    def enter(self) -> None:
        """One run more."""
        with self._lock:
            if self._users == 0:
                self._limiter = _libraries().limit(limits=1, user_api="blas")
            self._users += 1

    def leave(self) -> None:
        """One run less."""
        with self._lock:
            self._users -= 1
            if self._users == 0:
                self._limiter.restore_original_limits()

    def renew(self) -> None:
        """In a forked child the runs of other threads are the parent's."""
        self._lock, self._users = threading.Lock(), 0


_limit = _Limit()
os.register_at_fork(after_in_child=_limit.renew)


@contextlib.contextmanager
def one_blas_thread() -> Iterator[None]:
    """Inside, BLAS libraries use one thread; looking for them takes milliseconds, once."""
    _limit.enter()
    try:
        yield
    finally:
        _limit.leave()


@functools.cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()
