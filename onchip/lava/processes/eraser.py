"""What plastic synapses must forget between samples, where their neurons do not see to it."""

from __future__ import annotations

from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyRefPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import RefPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.program.timetable import Schedule


class Eraser(AbstractProcess):
    """Writes zeros to a variable of synapses after a sample's last step.

    Port: `variable` [*shape], a reference to it.
    """

    def __init__(self, *, schedule: Schedule, shape: tuple[int, ...], name: str) -> None:
        super().__init__(schedule=schedule, name=name)
        self.variable = RefPort(shape=shape)


class _EraserModel(PyLoihiProcessModel):
    """Acts in the management phase; subclasses declare the port's type and `dtype`."""

    dtype: type
    variable: PyRefPort

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]

    def run_spk(self) -> None:
        """Nothing."""

    def post_guard(self) -> bool:
        """Ask for a management phase at a sample's end."""
        return bool(self._schedule.ends_sample(self.time_step))

    def run_post_mgmt(self) -> None:
        """Write the zeros."""
        self.variable.write(np.zeros(self.variable.shape, self.dtype))
        self.variable.wait()


@implements(proc=Eraser, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class EraserModel(_EraserModel):
    """CPU model of `Eraser` in floating point."""

    dtype = float
    variable: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, float)


@implements(proc=Eraser, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedEraserModel(_EraserModel):
    """CPU model of `Eraser` in integers."""

    dtype = np.int32
    variable: PyRefPort = LavaPyType(PyRefPort.VEC_DENSE, np.int32)
