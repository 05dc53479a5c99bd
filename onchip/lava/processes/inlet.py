"""The inlet: spikes and targets of a network come from other Lava processes."""

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

from onchip.program.timetable import Schedule


class SpikeInlet(AbstractProcess):
    """Passes spikes of other processes on, in the steps at which the schedule takes them.

    Ports: `s_in` [inputs] and `target_in` [classes + 1] (one-hot, and 1 to learn or 0 not to), at
    every Lava step; a target is that of the step whose spikes come with it. `s_out`, `spikes_out`
    and `target_out` as for `SpikeSource`.
    """

    def __init__(
        self, *, schedule: Schedule, inputs: int, classes: int, always_on: bool, name: str
    ) -> None:
        super().__init__(schedule=schedule, always_on=always_on, name=name)
        self.s_in = InPort(shape=(inputs,))
        self.target_in = InPort(shape=(classes + 1,))
        self.s_out = OutPort(shape=(inputs + always_on,))
        self.spikes_out = OutPort(shape=(inputs,))
        self.target_out = OutPort(shape=(classes + 1,))


class _SpikeInletModel(PyLoihiProcessModel):
    """The phases of `SpikeInlet`; subclasses declare the ports' types and `dtype`."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._takes = self._schedule.steps_by_position(0)
        self._asks = self._schedule.targets_by_position()
        self._targets: dict[int, np.ndarray] = {}
        self._always_on: np.ndarray = np.ones(int(proc_params["always_on"]), self.dtype)

    def run_spk(self) -> None:
        """Take spikes and target; ValueError for spikes at a step that takes none."""
        spikes, target = self.s_in.recv(), self.target_in.recv()
        position = self._schedule.position(self.time_step)
        taken, answered = self._takes[position], self._asks[position]
        takes = taken is not None
        if taken is not None:
            self._targets[taken] = np.array(target)
        if not takes and spikes.any():
            raise ValueError(self._misplaced(position))
        # Spikes are 0 there, and so is the unit behind the biases.
        self.s_out.send(np.concatenate((spikes, self._always_on * takes)))
        self.spikes_out.send(spikes)
        self.target_out.send(0 * target if answered is None else self._targets[answered])

    def _misplaced(self, position: int) -> str:
        schedule = self._schedule
        return (
            f"spikes came in Lava step {self.time_step}, step {position + 1} of a sample's "
            f"{schedule.steps_per_sample}; this network takes them in the first of every "
            f"{schedule.period} steps, {schedule.time_steps} times: send zeros in the others"
        )


@implements(proc=SpikeInlet, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class SpikeInletModel(_SpikeInletModel):
    """CPU model of `SpikeInlet` in floating point."""

    dtype = float
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    target_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=SpikeInlet, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedSpikeInletModel(_SpikeInletModel):
    """CPU model of `SpikeInlet` in integers."""

    dtype = np.int32
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    spikes_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    target_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
