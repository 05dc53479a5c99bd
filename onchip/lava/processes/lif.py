"""A layer of LIF neurons on a schedule: fires in its phase, holds its factor and hands it on."""

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


class LIFLayer(AbstractProcess):
    """LIF neurons (soft or hard reset, u >= Vth), which Lava does not have.

    `offset` is the step of an epoch in which they fire and `answers` that in which they know their
    factor (None: never), `arithmetic` is what they compute, `learns_recurrence` says whether
    recurrent synapses learn. Variable: `u` [n] the membrane. Ports: `a_in` [n] input current;
    `s_out` [n] spikes, with one more unit that is always on if `always_on`, and `spikes_out` [n]
    without it; `s_prev_out` [n] the spikes of the step before, for recurrent synapses;
    `feedback_in` [n] the fed-back error; `factor_out` [n] g[n] for
    the feedback to the layer below; `y1_out`, `y2_out`, `y3_out` [n] for the plastic synapses;
    `trace` and `recurrent_trace`, references to their `x1`, zeroed between samples; `spikes_host`
    [T, n] the recorded spikes, sent to the host once a sample.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        offset: int,
        answers: int | None,
        arithmetic: Computation,
        shape: tuple[int],
        inputs: int,
        teacher: Teacher | None,
        record: bool,
        recurrent: bool,
        learns_recurrence: bool,
        always_on: bool,
        name: str,
    ) -> None:
        super().__init__(
            schedule=schedule,
            offset=offset,
            answers=answers,
            arithmetic=arithmetic,
            shape=shape,
            teacher=teacher,
            record=record,
            recurrent=recurrent,
            learns_recurrence=learns_recurrence,
            always_on=always_on,
            name=name,
        )
        self.u = Var(shape=shape, init=0)
        self.a_in = InPort(shape=shape)
        self.feedback_in = InPort(shape=shape)
        self.s_out = OutPort(shape=(shape[0] + always_on,))
        self.spikes_out = OutPort(shape=shape)
        self.s_prev_out = OutPort(shape=shape)
        self.factor_out = OutPort(shape=shape)
        self.y1_out = OutPort(shape=shape)
        self.y2_out = OutPort(shape=shape)
        self.y3_out = OutPort(shape=shape)
        self.trace = RefPort(shape=(inputs,))
        self.recurrent_trace = RefPort(shape=shape)
        self.spikes_host = OutPort(shape=(schedule.time_steps, shape[0]))
        if record:
            self.spikes_host.flag_external_pipe(buffer_size=AHEAD)


class _LIFLayerModel(PyLoihiProcessModel):
    """The phases of `LIFLayer`; subclasses declare the ports' types and `dtype`."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._arithmetic: Computation = proc_params["arithmetic"]
        self._zeros: np.ndarray = np.zeros(proc_params["shape"], self.dtype)
        self._always_on: np.ndarray = np.ones(int(proc_params["always_on"]), self.dtype)
        self._silence: np.ndarray = np.zeros(len(self._zeros) + len(self._always_on), self.dtype)
        self._recorded: np.ndarray = np.zeros(
            (self._schedule.time_steps, len(self._zeros)), self.dtype
        )
        self._record: bool = proc_params["record"]
        self._recurrent: bool = proc_params["recurrent"]
        self._teacher = SynapseTeacher(self, proc_params["teacher"], self.dtype)
        self._state: NeuronState = self._arithmetic.start(self._zeros)
        by_position, answers = self._schedule.steps_by_position, proc_params["answers"]
        self._fires = by_position(proc_params["offset"])
        self._resends = by_position(proc_params["offset"] - 1)
        never = (None,) * self._schedule.steps_per_sample
        self._answers = never if answers is None else by_position(answers)

    def run_spk(self) -> None:
        """Integrate and fire in the layer's phase; pass feedback and factors on in theirs."""
        current, feedback = self.a_in.recv(), self.feedback_in.recv()
        position = self._schedule.position(self.time_step)
        step = self._fires[position]
        spikes = self._zeros if step is None else self._fire(step, current)
        self.spikes_out.send(spikes)
        self.s_out.send(
            self._silence if step is None else np.concatenate((spikes, self._always_on))
        )
        self.s_prev_out.send(self._previous_spikes(position))
        factor = self._zeros
        if self._answers[position] is not None:
            factor = self._teacher.factor(feedback, self._state)
        self.factor_out.send(factor)
        self._teacher.send()
        if self._record and self._schedule.ends_sample(self.time_step):
            self.spikes_host.send(self._recorded)

    def post_guard(self) -> bool:
        """Ask for a management phase when traces must be zeroed."""
        return self._teacher.resets_traces()

    def run_post_mgmt(self) -> None:
        """Zero the traces of the incoming plastic synapses between samples."""
        self._teacher.reset_traces()

    def _fire(self, step: int, current: np.ndarray) -> np.ndarray:
        if step == 0:
            self._state = self._arithmetic.start(self._zeros)
        before = self._state
        spikes, self._state = self._arithmetic.step(current, before)
        self._teacher.fired(before, current, self._state)
        self._recorded[step] = spikes
        self.u[:] = self._state.u
        return spikes

    def _previous_spikes(self, position: int) -> np.ndarray:
        return self._state.spikes if self._recurrent and self._resends[position] else self._zeros


@implements(proc=LIFLayer, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class LIFLayerModel(_LIFLayerModel):
    """CPU model of `LIFLayer` in floating point."""

    dtype = float
    u: np.ndarray = LavaPyType(np.ndarray, float)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    feedback_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    s_prev_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    spikes_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    recurrent_trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)


@implements(proc=LIFLayer, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedLIFLayerModel(_LIFLayerModel):
    """CPU model of `LIFLayer` in integers."""

    dtype = np.int32
    u: np.ndarray = LavaPyType(np.ndarray, np.int32)
    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    feedback_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    s_prev_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    spikes_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
    recurrent_trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
