"""A training on two processes of this machine, one of them beside this one."""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable

import torch

from onchip.deploy.cli.beside import beside
from onchip.models.training.distributed import LostProcessError, Processes
from onchip.models.training.pair import Pair, shared_memory


def as_pair(work: Callable[[Processes], None]) -> None:
    """Do `work(processes)` here, as rank 0 of two, and in a process beside this one, as rank 1.

    Raises what either raises.
    """
    (ours, theirs), shared = multiprocessing.Pipe(), shared_memory()

    def other_work() -> None:
        ours.close()  # so that each hears when the other ends
        torch.set_num_threads(1)  # others do not survive a fork
        work(Pair(1, connection=theirs, shared=shared))

    with ours, beside(other_work) as other:
        theirs.close()
        try:
            work(Pair(0, connection=ours, shared=shared))
        except LostProcessError:
            other.result()  # which raises what it failed by
            raise
        other.result()
