"""A readout with its loss: integrates, compares with the label, broadcasts the error."""

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

from onchip.lava.streaming import AHEAD
from onchip.lava.teacher import SynapseTeacher
from onchip.neurons.base import NeuronState
from onchip.program.computation import Computation
from onchip.program.teaching import Teacher
from onchip.program.timetable import Schedule


class Readout(AbstractProcess):
    """Readout neurons (leaky, linear or LIF) and the instantaneous error.

    `offset` is the step of an epoch in which they answer, `arithmetic` what they compute. Variable:
    `u` [classes] the membrane. Ports: `a_in` [classes]; `target_in` [classes + 1], one-hot and the
    learning switch; `error_out` [classes] e[n] = dL/do for direct feedback and `factor_out` g[n] =
    e[n] ds/du for layer-by-layer feedback, both zero while learning is off; `y1_out`, `y2_out`,
    `y3_out`, `trace` as for `LIFLayer`; `o_out` [classes] the output, zero in the steps that
    compute none; `outputs_host` [T, classes] to the host once a sample, if `hosted`.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        offset: int,
        arithmetic: Computation,
        shape: tuple[int],
        inputs: int,
        teacher: Teacher | None,
        hosted: bool,
        name: str,
    ) -> None:
        super().__init__(
            schedule=schedule,
            offset=offset,
            arithmetic=arithmetic,
            shape=shape,
            teacher=teacher,
            learns_recurrence=False,
            name=name,
        )
        self.u = Var(shape=shape, init=0)
        self.a_in = InPort(shape=shape)
        self.target_in = InPort(shape=(shape[0] + 1,))
        self.o_out = OutPort(shape=shape)
        self.error_out = OutPort(shape=shape)
        self.factor_out = OutPort(shape=shape)
        self.y1_out = OutPort(shape=shape)
        self.y2_out = OutPort(shape=shape)
        self.y3_out = OutPort(shape=shape)
        self.trace = RefPort(shape=(inputs,))
        self.outputs_host = OutPort(shape=(schedule.time_steps, shape[0]))
        if hosted:
            self.outputs_host.flag_external_pipe(buffer_size=AHEAD)


class _ReadoutModel(PyLoihiProcessModel):
    """The phases of `Readout`; subclasses declare the ports' types and `dtype`."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._arithmetic: Computation = proc_params["arithmetic"]
        self._zeros: np.ndarray = np.zeros(proc_params["shape"], self.dtype)
        self._outputs: np.ndarray = np.zeros(
            (self._schedule.time_steps, len(self._zeros)), self.dtype
        )
        self._teacher = SynapseTeacher(self, proc_params["teacher"], self.dtype)
        self._state: NeuronState = self._arithmetic.start(self._zeros)
        self._memory: Any = None
        self._integrates = self._schedule.steps_by_position(proc_params["offset"])

    def run_spk(self) -> None:
        """Integrate in the readout's phase and answer with the error in the same step."""
        current, target = self.a_in.recv(), self.target_in.recv()
        step = self._integrates[self._schedule.position(self.time_step)]
        error = factor = self._zeros
        if step is not None:
            error, factor = self._answer(step, current, target[:-1], bool(target[-1]))
        self.o_out.send(self._zeros if step is None else self._outputs[step])
        self.error_out.send(error)
        self.factor_out.send(factor)
        self._teacher.send()
        if self._schedule.ends_sample(self.time_step):
            self.outputs_host.send(self._outputs)

    def post_guard(self) -> bool:
        """Ask for a management phase when traces must be zeroed."""
        return self._teacher.resets_traces()

    def run_post_mgmt(self) -> None:
        """Zero the traces of the incoming plastic synapses between samples."""
        self._teacher.reset_traces()

    def _answer(
        self, step: int, current: np.ndarray, target: np.ndarray, learning: bool
    ) -> tuple[np.ndarray, np.ndarray]:
        if step == 0:
            self._state, self._memory = self._arithmetic.start(self._zeros), None
        before = self._state
        output, self._state = self._arithmetic.step(current, before)
        self._teacher.fired(before, current, self._state)
        self._outputs[step] = output
        self.u[:] = self._state.u
        error = self._zeros
        if learning:
            error, self._memory = self._arithmetic.answer(output, target, self._memory)
        return error, self._teacher.factor(error, self._state)


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ReadoutModel(_ReadoutModel):
    """CPU model of `Readout` in floating point."""

    dtype = float
    u: np.ndarray = LavaPyType(np.ndarray, float)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    o_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedReadoutModel(_ReadoutModel):
    """CPU model of `Readout` in integers."""

    dtype = np.int32
    u: np.ndarray = LavaPyType(np.ndarray, np.int32)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    o_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
