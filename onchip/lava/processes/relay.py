"""A relay sends early spikes again, so that all that a population reads comes in its phase."""

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


class Relay(AbstractProcess):
    """Sends in step t what it received in step t - `steps`, where the schedule asks for it.

    `steps` >= 0 Lava steps; `offset` is the step of an epoch in which it sends, `first` the
    algorithmic step of a sample from which on it does (1 for the spikes of the step before). Ports:
    `s_in` and `s_out` [n].
    """

    def __init__(
        self, *, schedule: Schedule, steps: int, offset: int, first: int, size: int, name: str
    ) -> None:
        super().__init__(
            schedule=schedule, steps=steps, offset=offset, first=first, size=size, name=name
        )
        self.s_in = InPort(shape=(size,))
        self.s_out = OutPort(shape=(size,))


class _RelayModel(PyLoihiProcessModel):
    """Keeps the last `steps` messages in a ring; subclasses declare the ports' types."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._schedule: Schedule = proc_params["schedule"]
        self._silence: np.ndarray = np.zeros(proc_params["size"], self.dtype)
        self._ring = [self._silence] * (proc_params["steps"] + 1)
        first = proc_params["first"]
        asked = self._schedule.steps_by_position(proc_params["offset"])
        self._sends = [step is not None and step >= first for step in asked]

    def run_spk(self) -> None:
        """Receive, and send what was received `steps` Lava steps ago."""
        place = self.time_step % len(self._ring)
        self._ring[place] = np.array(self.s_in.recv())
        old = self._ring[(place + 1) % len(self._ring)]
        sends = self._sends[self._schedule.position(self.time_step)]
        self.s_out.send(old if sends else self._silence)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class RelayModel(_RelayModel):
    """CPU model of `Relay` in floating point."""

    dtype = float
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=Relay, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedRelayModel(_RelayModel):
    """CPU model of `Relay` in integers."""

    dtype = np.int32
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
