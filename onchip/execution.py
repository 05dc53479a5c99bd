"""What every execution of a network returns."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import numpy as np

from onchip.sealed import Sealed
from onchip.showing import Sheet, as_html, as_text

ONE_PROCESS, PROCESSES = "one-process", "processes"
RUNTIMES = (ONE_PROCESS, PROCESSES)
"""What runs a network of Lava processes: all in the caller's OS process, or each in one of its own
(`onchip.lava.runtime.supervisor`)."""

Sample = tuple[np.ndarray, Any]
"""Frames [T, *input_shape] of one sample and its label or targets, None for learning off."""


Own = TypeVar("Own")


class Closing(Sealed):
    """A context manager for a class with `close`, which it calls at the end."""

    def close(self) -> None:
        """Give back what is held; it may be called twice."""

    def __enter__(self: Own) -> Own:
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

    def sheet(self) -> Sheet:
        """Return what is shown of it."""
        samples, steps, outputs = self.outputs.shape
        rates = [(name, f"{values.mean():.4f}") for name, values in self.spikes.items()]
        title = f"RunResult: {samples} samples, {steps} time steps, {outputs} outputs"
        return Sheet(title, ("layer", "spikes per step"), rates)

    def __repr__(self) -> str:
        return as_text(self.sheet())

    def _repr_html_(self) -> str:
        return as_html(self.sheet())

    @property
    def predictions(self) -> np.ndarray:
        """Class of each sample [samples]: argmax of the sum of o[n] over the steps."""
        return self.outputs.sum(axis=1).argmax(axis=1)
