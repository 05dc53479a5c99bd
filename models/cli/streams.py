"""Standard output and error of a program whose reader may go away before it ends.

A command's work, and the files that it writes, do not depend on whoever reads what it prints:
`onchip check network.h5 --json result.json | head -1` writes its result.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any


class Patient:
    """A text stream that goes on after its reader is gone, or its disk is full.

    `failure` is the first error other than a closed pipe, None where there was none.
    """

    def __init__(self, stream: Any) -> None:
        self._stream, self._silent = stream, stream is None
        self.failure: OSError | None = None

    def write(self, text: str) -> int:
        """Write, or do nothing where nobody reads; returns the number of characters."""
        self._attempt(lambda: self._stream.write(self._printable(text)))
        return len(text)

    def flush(self) -> None:
        """Send what was written."""
        self._attempt(lambda: self._stream.flush())

    def isatty(self) -> bool:
        """Whether somebody sees it on a terminal."""
        return not self._silent and bool(self._stream.isatty())

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    def _attempt(self, work: Any) -> None:
        if self._silent:
            return
        try:
            work()
        except BrokenPipeError:
            self._give_up()
        except OSError as error:
            self.failure = self.failure or error
            self._give_up()

    def _give_up(self) -> None:
        """Send all that is to come, and what waits in buffers, to nowhere."""
        self._silent = True
        with contextlib.suppress(OSError, ValueError, AttributeError):
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, self._stream.fileno())
            os.close(nowhere)

    def _printable(self, text: str) -> str:
        """The text with escapes for what the stream's encoding lacks: names of files hold any."""
        encoding = getattr(self._stream, "encoding", None) or "utf-8"
        return text.encode(encoding, "backslashreplace").decode(encoding)


@contextlib.contextmanager
def patient_streams() -> Iterator[tuple[Patient, Patient]]:
    """Within the block sys.stdout and sys.stderr are `Patient`; flushed and put back at its end."""
    _open_all()
    kept = sys.stdout, sys.stderr
    streams = Patient(sys.stdout), Patient(sys.stderr)
    sys.stdout, sys.stderr = streams  # type: ignore[assignment]
    try:
        yield streams
    finally:
        for stream in streams:
            stream.flush()
        sys.stdout, sys.stderr = kept


def _open_all() -> None:
    """Open the null device where a standard descriptor is closed.

    Else the next file to be opened would take its number, and get what libraries print.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
