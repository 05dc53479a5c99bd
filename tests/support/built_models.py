"""Process models built in this interpreter, by Lava's builder, with stubs as ports."""

from __future__ import annotations

from typing import Any

import numpy as np

import onchip.lava  # noqa: F401  settles Lava's start method, so it comes first

# isort: split
from lava.magma.compiler.builders.py_builder import PyProcessBuilder
from lava.magma.compiler.utils import VarInitializer
from lava.magma.core.process.process import AbstractProcess


class StubPort:
    """Hands out `value` and keeps what was sent."""

    def __init__(self, value: np.ndarray) -> None:
        self.value = value
        self.sent: Any = None

    def recv(self) -> np.ndarray:
        return self.value

    def send(self, value: np.ndarray) -> None:
        self.sent = np.array(value)


def built_model(process: AbstractProcess, model: type) -> Any:
    """The model with its Vars at their initial values and a `StubPort` of zeros for each port."""
    builder = PyProcessBuilder(model, 0, process.proc_params)
    builder.set_variables(
        [VarInitializer(var.name, var.shape, var.init, var.id) for var in process.vars]
    )
    made = builder.build()
    for port in (*process.in_ports, *process.out_ports):
        setattr(made, port.name, StubPort(np.zeros(port.shape, int)))
    return made


def step(model: Any, spikes: np.ndarray, factors: Any = (), fired: np.ndarray | None = None) -> Any:
    """One Lava step: spikes [pre], factors y1, y2, y3 [post], `fired` [post]; what was sent."""
    model.time_step += 1
    model.s_in.value = spikes
    for name, factor in zip(("s_in_y1", "s_in_y2", "s_in_y3"), factors, strict=False):
        getattr(model, name).value = factor
    if fired is not None:
        model.s_in_bap.value = fired
    model.run_spk()
    if model.lrn_guard():
        model.run_lrn()
    return model.a_out.sent
