"""Work in a process beside this one, for what takes seconds and is independent of the rest.

The process is forked: it knows all that this one knows and needs no imports. It may use torch on
one thread alone, as torch's own threads do not survive a fork.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import traceback
import warnings
from collections.abc import Callable, Iterator
from typing import Any, Generic, TypeVar

Result = TypeVar("Result")


class InProcessError(Exception):
    """Says where in the other process an exception was raised, as its cause."""


class Beside(Generic[Result]):
    """Work that was begun in a process of its own; its `result` can be waited for once."""

    def __init__(self, work: Callable[[], Result]) -> None:
        """Fork; the process ignores Ctrl-C, which this one gets too, and ends with this one."""
        from onchip.lava.runtime.children import forking_children

        context = multiprocessing.get_context("fork")
        self._answers, answering = context.Pipe(duplex=False)
        self._process = context.Process(target=_answer, args=(answering, work), daemon=True)
        with warnings.catch_warnings(), forking_children():
            # Python warns of threads at a fork; those of BLAS stop for it, and no other is used.
            warnings.filterwarnings("ignore", ".*multi-threaded", DeprecationWarning)
            self._process.start()
        answering.close()

    def result(self) -> Result:
        """Wait for what the work returns; raises what it raised.

        Raises RuntimeError where its process was ended from outside.
        """
        try:
            result, error, where = self._answers.recv()
        except EOFError:
            self._process.join()
            raise RuntimeError(
                f"a process of the command was ended with exit code {self._process.exitcode} "
                "before its work was done; it may have needed too much memory"
            ) from None
        if error is not None:
            raise error from InProcessError(where)
        self._process.join()
        answer: Result = result
        return answer

    def end(self) -> None:
        """End the process, whether its work is done or not."""
        self._process.terminate()
        self._process.join()
        self._answers.close()


@contextlib.contextmanager
def beside(work: Callable[[], Result]) -> Iterator[Beside[Result]]:
    """Do `work` in a process of its own meanwhile, which does not outlive the block."""
    begun = Beside(work)
    try:
        yield begun
    finally:
        begun.end()


def has_another_processor() -> bool:
    """Return whether this process may use more than one processor."""
    return len(os.sched_getaffinity(0)) > 1


def _answer(answering: Any, work: Callable[[], Any]) -> None:
    """Send (result, exception, its traceback)."""
    try:
        answer: tuple[Any, Exception | None, str] = (work(), None, "")
    except Exception as error:  # whatever it is, the other process raises it
        answer = (None, error, traceback.format_exc())
    answering.send(answer)
