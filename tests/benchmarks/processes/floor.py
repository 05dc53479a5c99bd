"""A Lava process that does nothing, with a learning phase: what Lava itself takes for a step."""

from __future__ import annotations

from lava.magma.core.decorator import implements, requires
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol


class Floor(AbstractProcess):
    """Nothing at every step."""


@implements(proc=Floor, protocol=LoihiProtocol)
@requires(CPU)
class FloorModel(PyLoihiProcessModel):
    """Asks for the learning phase and does nothing in it."""

    def lrn_guard(self) -> bool:
        return True
