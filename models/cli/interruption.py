"""Signals that end a program let it say what it leaves, as Ctrl-C does."""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

ENDING = (signal.SIGTERM, signal.SIGHUP)
"""What batch systems and closed terminals send."""


class Ended(KeyboardInterrupt):
    """The program was told to end by a signal other than Ctrl-C's, `signum`."""

    def __init__(self, signum: int) -> None:
        super().__init__(signal.Signals(signum).name)
        self.signum = signum


def exit_code(interrupt: KeyboardInterrupt) -> int:
    """That of a program so ended: 128 + the signal's number, 130 for Ctrl-C."""
    return 128 + (interrupt.signum if isinstance(interrupt, Ended) else signal.SIGINT)


def ending_word(interrupt: KeyboardInterrupt) -> str:
    """What happened, for a message."""
    return f"ended by {interrupt}" if isinstance(interrupt, Ended) else "interrupted"


@contextmanager
def ending_in_order() -> Iterator[None]:
    """Within the block the first signal of `ENDING` raises `Ended`; a second one ends at once.

    Does nothing outside of the main thread, which alone handles signals, nor for signals that are
    handled or ignored already (nohup). A forked process ends by them as if there were no block.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    owner = os.getpid()

    def end(signum: int, _: FrameType | None) -> None:
        for other in chosen:
            signal.signal(other, signal.SIG_DFL)
        if os.getpid() != owner:
            os.kill(os.getpid(), signum)
        raise Ended(signum)

    chosen = [number for number in ENDING if signal.getsignal(number) is signal.SIG_DFL]
    for number in chosen:
        signal.signal(number, end)
    try:
        yield
    finally:
        for number in chosen:
            signal.signal(number, signal.SIG_DFL)
