"""Which exceptions are a user's to mend, and how a command line tells them in one line."""

from __future__ import annotations

from onchip.files.targets import error_text

BAD_INPUT = (ValueError, OSError, FloatingPointError)
"""What bad input raises; OSError: a path or a disk, FloatingPointError: learning diverged at the
rate that was asked for."""

PROCESSES = (ConnectionError, ChildProcessError, ProcessLookupError, BlockingIOError)
"""What no path and no disk causes, but other processes."""


def is_bad_input(error: BaseException | None) -> bool:
    """Whether it is told in one line; all others keep their traceback.

    Also where a Lava process found it: its exception is the cause of another.
    """
    if error is None or isinstance(error, PROCESSES):
        return False
    diverged = isinstance(error.__cause__, FloatingPointError)
    return diverged or isinstance(error, BAD_INPUT) or is_out_of_memory(error)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an array did not fit into memory, NumPy's or torch's."""
    torchs = isinstance(error, RuntimeError) and "allocate memory" in str(error)
    return torchs or isinstance(error, MemoryError)


def failure_text(error: BaseException) -> str:
    """What went wrong, in one line."""
    if not is_out_of_memory(error):
        return error_text(error)
    return (
        "not enough memory; make the network, the frames or the batches smaller "
        f"({error_text(error)})"
    )
