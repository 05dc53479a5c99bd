"""How the OS processes that Lava forks are tied to this one.

They ignore Ctrl-C, which a terminal sends to all of them at once: the parent gets it too and ends
them in order. And they end with the parent, however it ends: each holds one end of a pipe whose
other end is the parent's alone, and ends when that is closed. (Linux's own signal for this is sent
when the forking *thread* ends.)
"""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

_forking: set[int] = set()
"""Threads of this process whose forks are tied to it."""

_pipe: tuple[int, int] | None = None
"""Ends to read and write of the pipe that tells the children of this process that it lives."""

_lock = threading.Lock()


@contextlib.contextmanager
def forking_children() -> Iterator[None]:
    """Children that this thread forks inside ignore Ctrl-C and end with this process."""
    global _pipe
    with _lock:
        if _pipe is None:
            _pipe = os.pipe()
    thread = threading.get_ident()
    _forking.add(thread)
    try:
        yield
    finally:
        _forking.discard(thread)


def _in_child() -> None:
    """In a freshly forked child: tie it to its parent, if it was forked to be.

    What the child forks in turn is its own.
    """
    global _pipe, _lock
    tied, pipe = threading.get_ident() in _forking, _pipe
    _forking.clear()
    _pipe, _lock = None, threading.Lock()
    if pipe is None:
        return
    os.close(pipe[1])
    if not tied:
        os.close(pipe[0])
        return
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, args=(pipe[0],), daemon=True).start()


def _end_with_parent(pipe: int) -> None:
    """Wait until the parent's end of the pipe is closed, which nothing but its end does."""
    os.read(pipe, 1)
    os.kill(os.getpid(), signal.SIGKILL)


os.register_at_fork(after_in_child=_in_child)
