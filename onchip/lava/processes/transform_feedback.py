"""Feedback through the weights of any transform, fixed ones or those of live synapses."""

from __future__ import annotations

import math
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
from onchip.network.transform import Transform
from onchip.program.timetable import Schedule


class TransformFeedback(AbstractProcess):
    """What a transform sends back of a factor, with one step of delay.

    `weight` is laid out as the transform's; with `reads` it is only what `weights`, a reference to
    the forward synapses, is until the end of the first learning epoch, which exists in the
    simulator only. Variable: `held` [*weight shape], the weights that the next factor goes through.
    Ports: `s_in` [outputs] the factor of the population above; `a_out` [inputs]; `weights`.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        transform: Transform,
        weight: np.ndarray,
        reads: bool,
        name: str,
    ) -> None:
        super().__init__(schedule=schedule, transform=transform, reads=reads, name=name)
        self.held = Var(shape=weight.shape, init=weight)
        self.s_in = InPort(shape=(math.prod(transform.output_shape),))
        self.a_out = OutPort(shape=(transform.inputs,))
        self.weights = RefPort(shape=weight.shape)


class _TransformFeedbackModel(SpikeHalves, PyLoihiProcessModel):
    """Reads the weights in the phase after each learning phase; subclasses declare types."""

    dtype: type
    wide: type
    held: np.ndarray

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._transform: Transform = proc_params["transform"]
        self._silence: np.ndarray = np.zeros(self._transform.inputs, self.dtype)
        self._buffer = self._silence

    def run_spk_receiving(self) -> None:
        """The second half of `run_spk`."""
        factor = self.s_in.recv()
        self._buffer = self._sent_back(factor) if factor.any() else self._silence

    def _sent_back(self, factor: np.ndarray) -> np.ndarray:
        maps: np.ndarray = factor.astype(self.wide).reshape(1, *self._transform.output_shape)
        signal: np.ndarray = self._transform.send_back(maps, self.held.astype(self.wide))
        return np.asarray(signal[0]).astype(self.dtype)

    def post_guard(self) -> bool:
        """Ask for a management phase after each learning phase."""
        learned = self.time_step % self._schedule.period == 0
        return bool(self.proc_params["reads"] and learned)

    def run_post_mgmt(self) -> None:
        """Read the weights that the next factor is sent through."""
        self.held[...] = self.weights.read()


@implements(proc=TransformFeedback, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class TransformFeedbackModel(_TransformFeedbackModel):
    """CPU model of `TransformFeedback` in floating point."""

    dtype, wide = float, float
    held: np.ndarray = LavaPyType(np.ndarray, float)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    weights: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)


@implements(proc=TransformFeedback, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedTransformFeedbackModel(_TransformFeedbackModel):
    """CPU model of `TransformFeedback` in integers."""

    dtype, wide = np.int32, np.int64
    held: np.ndarray = LavaPyType(np.ndarray, np.int32)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    a_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    weights: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
