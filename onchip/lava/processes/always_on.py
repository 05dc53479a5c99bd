"""The unit that is always on, as a process: the presynaptic neuron of biases that learn."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.program.timetable import Schedule


class AlwaysOnUnit(AbstractProcess):
    """Spikes once in every algorithmic step, at `offset` of its epoch. Port: `s_out` [1]."""

    def __init__(self, *, schedule: Schedule, offset: int, name: str) -> None:
        super().__init__(schedule=schedule, offset=offset, name=name)
        self.s_out = OutPort(shape=(1,))


class _AlwaysOnUnitModel(PyLoihiProcessModel):
    """The phases of `AlwaysOnUnit`; subclasses declare the port's type and `dtype`."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        steps = self._schedule.steps_by_position(proc_params["offset"])
        self._spikes: list[np.ndarray] = [
            np.full(1, step is not None, self.dtype) for step in steps
        ]

    def run_spk(self) -> None:
        """Spike where an algorithmic step begins."""
        self.s_out.send(self._spikes[self._schedule.position(self.time_step)])


@implements(proc=AlwaysOnUnit, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class AlwaysOnUnitModel(_AlwaysOnUnitModel):
    """CPU model of `AlwaysOnUnit` in floating point."""

    dtype = float
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=AlwaysOnUnit, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedAlwaysOnUnitModel(_AlwaysOnUnitModel):
    """CPU model of `AlwaysOnUnit` in integers."""

    dtype = np.int32
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
