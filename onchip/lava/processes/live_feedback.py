"""Feedback through the live transposed weights ('exact'), which exists in the simulator only."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.lava.processes.halves import SpikeHalves
from onchip.program.timetable import Schedule


class LiveFeedback(AbstractProcess):
    """W^T g with one step of delay, as a Dense would send it, W read from the forward synapses.

    `weight` [post, pre] are the initial weights, `reads` is False when they never change. Variable:
    `held` [post, pre], the weights as last read, which the next factor goes through. Ports:
    `s_in` [post] the factor of the layer above; `a_out` [pre]; `weights` [post, columns], a
    reference to the forward weights, of which the first `pre` columns are used (the rest is the
    bias).
    """

    def __init__(
        self, *, schedule: Schedule, weight: np.ndarray, columns: int, reads: bool, name: str
    ) -> None:
        super().__init__(schedule=schedule, reads=reads, name=name)
        self.held = Var(shape=weight.shape, init=weight)
        self.s_in = InPort(shape=(weight.shape[0],))
        self.a_out = OutPort(shape=(weight.shape[1],))
        self.weights = RefPort(shape=(weight.shape[0], columns))


class _LiveFeedbackModel(SpikeHalves, PyLoihiProcessModel):
    """Reads the weights in the phase after each learning phase; subclasses declare types."""

    dtype: type
    held: np.ndarray

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._buffer: np.ndarray | None = None

    def run_spk_sending(self) -> None:
        """The first half of `run_spk`, which waits for nobody."""
        if self._buffer is None:
            self._silence: np.ndarray = np.zeros(self.held.shape[1], self.dtype)
            self._buffer = self._silence
        self.a_out.send(self._buffer)

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        factor = self.s_in.recv()
        silent = not np.count_nonzero(factor)
        self._buffer = self._silence if silent else self.held.T @ factor

    def post_guard(self) -> bool:
        """Ask for a management phase after each learning phase."""
        learned = self.time_step % self._schedule.period == 0
        return bool(self.proc_params["reads"] and learned)

    def run_post_mgmt(self) -> None:
        """Read the weights that the next factor is sent through."""
        self.held[:] = self.weights.read()[:, : self.held.shape[1]]


@implements(proc=LiveFeedback, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class LiveFeedbackModel(_LiveFeedbackModel):
    """CPU model of `LiveFeedback` in floating point."""

    dtype = float
    held: np.ndarray = LavaPyType(np.ndarray, float)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    weights: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)


@implements(proc=LiveFeedback, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLiveFeedbackModel(_LiveFeedbackModel):
    """CPU model of `LiveFeedback` in integers."""

    dtype = np.int32
    held: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    weights: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
