"""What lies between flat maps and Lava's images: another order of the same values."""

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

from onchip.arithmetic.loihi import shift_activation


class Reorder(AbstractProcess):
    """Passes values on within the step, each place of its output from one of its input.

    `places` [*output shape] are indices into the flattened input, some of them more than once where
    values are repeated; `shape` is that of the input. `exponent` shifts integers, as the synapses
    of Lava's `Dense` do (a negative one floors) and those of its `Conv` do not. Lava's own virtual
    ports reorder, too, but call NumPy in a way that it has deprecated.
    """

    def __init__(
        self, *, shape: tuple[int, ...], places: np.ndarray, exponent: int = 0, name: str
    ) -> None:
        super().__init__(places=places, exponent=exponent, name=name)
        self.s_in = InPort(shape=shape)
        self.s_out = OutPort(shape=places.shape)


class _ReorderModel(PyLoihiProcessModel):
    """Subclasses declare the ports' types."""

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        self._places: np.ndarray = proc_params["places"]
        self._exponent: int = proc_params["exponent"]

    def run_spk(self) -> None:
        """Receive, and send in the same step."""
        values = np.ravel(self.s_in.recv())
        if self._exponent:
            values = shift_activation(values, self._exponent)
        self.s_out.send(values[self._places])


@implements(proc=Reorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class ReorderModel(_ReorderModel):
    """CPU model of `Reorder` in floating point."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=Reorder, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedReorderModel(_ReorderModel):
    """CPU model of `Reorder` in integers."""

    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    s_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
