"""The last layer with its loss: integrates, compares with the label, broadcasts the error."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort, PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort, RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.checks import check_output
from onchip.lava.schedule import Schedule
from onchip.lava.teacher import SynapseTeacher, TeacherSettings
from onchip.losses import instantaneous_error
from onchip.neurons import STEPS, Neuron, NeuronState, postsynaptic_derivative


class Readout(AbstractProcess):
    """Readout neurons (`LeakyIntegrator`, `LinearReadout` or `LIF`) and the instantaneous error.

    Ports: `a_in` [classes]; `target_in` [classes + 1], one-hot and the learning switch; `error_out`
    [classes] e[n] = dL/do for direct feedback and `factor_out` g[n] = e[n] ds/du for layer-by-layer
    feedback, both zero while learning is off; `y1_out`, `y2_out`, `y3_out`, `trace` as for
    `LIFLayer`; `outputs_host` [T, classes] to the host once a sample.
    """

    def __init__(
        self,
        *,
        schedule: Schedule,
        neuron: Neuron,
        shape: tuple[int],
        inputs: int,
        mse_weight: float,
        teacher: TeacherSettings | None,
        name: str,
    ) -> None:
        super().__init__(
            schedule=schedule,
            neuron=neuron,
            shape=shape,
            mse_weight=mse_weight,
            teacher=teacher,
            name=name,
        )
        self.a_in = InPort(shape=shape)
        self.target_in = InPort(shape=(shape[0] + 1,))
        self.error_out = OutPort(shape=shape)
        self.factor_out = OutPort(shape=shape)
        self.y1_out = OutPort(shape=shape)
        self.y2_out = OutPort(shape=shape)
        self.y3_out = OutPort(shape=shape)
        self.trace = RefPort(shape=(inputs,))
        self.outputs_host = OutPort(shape=(schedule.time_steps, shape[0]))
        self.outputs_host.flag_external_pipe(buffer_size=1)


@implements(proc=Readout, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ReadoutModel(PyLoihiProcessModel):
    """CPU model of `Readout`; the equations are those of `onchip.neurons` and `onchip.losses`."""

    a_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    factor_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y1_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y2_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    y3_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    trace: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._neuron: Neuron = proc_params["neuron"]
        self._mse_weight: float = proc_params["mse_weight"]
        self._zeros = np.zeros(proc_params["shape"])
        self._outputs = np.zeros((self._schedule.time_steps, len(self._zeros)))
        self._teacher = SynapseTeacher(self, proc_params["teacher"])
        self._state = NeuronState(self._zeros, self._zeros)

    def run_spk(self) -> None:
        """Integrate in the readout's phase and answer with the error in the same step."""
        current, target = self.a_in.recv(), self.target_in.recv()
        step = self._schedule.step_at(self.time_step, self._schedule.depth)
        error = factor = self._zeros
        if step is not None:
            error, factor = self._answer(step, current, target[:-1], target[-1])
            self._teacher.factor = factor
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
        self, step: int, current: np.ndarray, target: np.ndarray, learning: float
    ) -> tuple[np.ndarray, np.ndarray]:
        if step == 0:
            self._state = NeuronState(self._zeros, self._zeros)
        output, self._state = STEPS[type(self._neuron)](current, self._state, self._neuron)
        self._outputs[step] = output
        check_output(output)
        if not learning:
            return self._zeros, self._zeros
        error = instantaneous_error(output, target, self._schedule.time_steps, self._mse_weight)
        return error, error * postsynaptic_derivative(self._state, self._neuron)
