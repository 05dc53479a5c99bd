"""What every execution of a network returns."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from onchip.sealed import Sealed

ONE_PROCESS, PROCESSES = "one-process", "processes"
RUNTIMES = (ONE_PROCESS, PROCESSES)
"""What runs a network of Lava processes: all in the caller's OS process, or each in one of its own
(`onchip.lava.runtime.supervisor`)."""

Sample = tuple[np.ndarray, Any]
"""Frames [T, *input_shape] of one sample and its label or targets, None for learning off."""


class Closing(Sealed):
    """A context manager for a class with `close`, which it calls at the end."""

    def close(self) -> None:
        """Give back what is held; it may be called twice."""

    def __enter__(self) -> Any:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class RunResult(NamedTuple):
    """Outputs of some samples, and the spikes of each layer where they were recorded.

    `outputs` [samples, T, classes]: the readout o[n] at every step. `spikes`: layer name -> uint8
    [samples, T, neurons] for the spiking layers; empty unless recording was asked for.
    """

    outputs: np.ndarray
    spikes: dict[str, np.ndarray]

    @property
    def predictions(self) -> np.ndarray:
        """Class of each sample [samples]: argmax of the sum of o[n] over the steps."""
        return self.outputs.sum(axis=1).argmax(axis=1)
