"""The source: spikes and labels streamed from the host, one sample at a time."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.lava.streaming import AHEAD
from onchip.program.timetable import Schedule


class SpikeSource(AbstractProcess):
    """Emits the spikes of algorithmic step n at the start of its epoch.

    Ports: `frames_in` [T, inputs] and `target_in` [T, classes + 1] from the host, once a sample
    (the last value of a target is 1 to learn from its step, 0 not to); `s_out` [inputs], with one
    more unit that is always on during a sample if `always_on` (the presynaptic unit of the biases),
    and `spikes_out` [inputs] without it; `target_out` [classes + 1] in the steps in which a
    readout answers, zero in others.
    """

    def __init__(
        self, *, schedule: Schedule, inputs: int, classes: int, always_on: bool, name: str
    ) -> None:
        super().__init__(schedule=schedule, inputs=inputs, always_on=always_on, name=name)
        self.frames_in = InPort(shape=(schedule.time_steps, inputs))
        self.target_in = InPort(shape=(schedule.time_steps, classes + 1))
        self.frames_in.flag_external_pipe(buffer_size=AHEAD)
        self.target_in.flag_external_pipe(buffer_size=AHEAD)
        self.s_out = OutPort(shape=(inputs + always_on,))
        self.spikes_out = OutPort(shape=(inputs,))
        self.target_out = OutPort(shape=(classes + 1,))


class _SpikeSourceModel(PyLoihiProcessModel):
    """The phases of `SpikeSource`; subclasses declare the ports' types and `dtype`."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._always_on: np.ndarray = np.ones(int(proc_params["always_on"]), self.dtype)
        self._silence: np.ndarray = np.zeros(
            proc_params["inputs"] + len(self._always_on), self.dtype
        )
        self._speaks = self._schedule.steps_by_position(0)
        self._asks = self._schedule.targets_by_position()

    def run_spk(self) -> None:
        """Fetch a sample at its first step; send its spikes in their phase."""
        position = self._schedule.position(self.time_step)
        if position == 0:
            self._frames = self.frames_in.recv()
            self._targets = self.target_in.recv()
            self._no_target: np.ndarray = np.zeros_like(self._targets[0])
        step, answered = self._speaks[position], self._asks[position]
        spikes = self._silence if step is None else self._spikes(step)
        self.s_out.send(spikes)
        self.spikes_out.send(spikes[: self._frames.shape[1]])
        self.target_out.send(self._no_target if answered is None else self._targets[answered])

    def _spikes(self, step: int) -> np.ndarray:
        return np.concatenate((self._frames[step], self._always_on))


@implements(proc=SpikeSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class SpikeSourceModel(_SpikeSourceModel):
    """CPU model of `SpikeSource` in floating point."""

    dtype = float
    frames_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    target_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=SpikeSource, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedSpikeSourceModel(_SpikeSourceModel):
    """CPU model of `SpikeSource` in integers."""

    dtype = np.int32
    frames_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    target_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
