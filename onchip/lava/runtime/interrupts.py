"""Ctrl-C while something must not be torn apart: it is remembered, and comes afterwards."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from typing import Any

Interruption = Callable[[], None]
"""Does what Ctrl-C would have done at once: Python's own handler raises KeyboardInterrupt."""


@contextlib.contextmanager
def deferred(remember: Callable[[Interruption | None], None]) -> Iterator[None]:
    """Inside, a first Ctrl-C is given to `remember`, as what is to be called when it may come.

    `remember` gets None when it was called. A second Ctrl-C comes at once, and so does one that
    waits at the end. Handlers are the main thread's, so this does nothing in others, nor where
    the program's handler is not in Python.
    """
    main = threading.current_thread() is threading.main_thread()
    present = signal.getsignal(signal.SIGINT) if main else None
    if not callable(present):
        yield
        return
    handler: Callable[..., Any] = present
    waiting: list[Interruption] = []

    def on_signal(number: int, frame: Any) -> None:
        def interrupt() -> None:
            waiting.clear()
            remember(None)
            handler(number, frame)

        if waiting:
            interrupt()
        else:
            waiting.append(interrupt)
            remember(interrupt)

    signal.signal(signal.SIGINT, on_signal)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if waiting:
            waiting[0]()


def at_the_end(interruption: Interruption | None) -> None:
    """For `deferred`: nothing is to be done before the end."""
