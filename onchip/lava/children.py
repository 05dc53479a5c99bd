"""How the OS processes that Lava forks are tied to this one.

They ignore Ctrl-C, which a terminal sends to all of them at once: the parent gets it too and ends
them in order. And they die with the parent, however it ends; left alone they would wait for it for
ever.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import sys
import threading
from collections.abc import Iterator

PR_SET_PDEATHSIG = 1
"""Linux's prctl option: the signal to get when the parent's forking thread ends."""

OUTSIDE = 0
"""What Linux says of a parent in another namespace of processes."""

_tied_to: int | None = None
"""Id of the process whose children are tied to it as they are forked, if any."""


@contextlib.contextmanager
def forking_children() -> Iterator[None]:
    """Children forked inside ignore Ctrl-C and die with this process.

    Does nothing outside of the main thread, which alone may set signal handlers and whose end is
    that of the process.
    """
    global _tied_to
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = signal.signal(signal.SIGINT, signal.SIG_IGN)
    _tied_to = os.getpid()
    try:
        yield
    finally:
        _tied_to = None
        signal.signal(signal.SIGINT, previous)


def _tie_to_parent() -> None:
    """In a freshly forked child: ask Linux to end it with its parent, which may be gone already.

    What the child forks in turn is tied to the child.
    """
    global _tied_to
    if _tied_to is None or sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() not in (_tied_to, OUTSIDE):
        os.kill(os.getpid(), signal.SIGKILL)
    _tied_to = os.getpid()


os.register_at_fork(after_in_child=_tie_to_parent)
