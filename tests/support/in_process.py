"""Steps a Lava process model in this process: ports are stubs, its Vars those of the process."""

from __future__ import annotations

from typing import Any

import numpy as np


class StubPort:
    """Receives `value`; keeps in `sent` what was sent last."""

    def __init__(self, shape: tuple[int, ...], dtype: Any) -> None:
        self.value: Any = np.zeros(shape, dtype)
        self.sent: Any = None

    def recv(self) -> Any:
        return self.value

    def send(self, value: Any) -> None:
        self.sent = value


def in_process(process: Any, model_class: Any) -> Any:
    """A model of `process` with Vars of its own types, as Lava's builder makes them."""
    model = model_class(process.proc_params)
    for var in process.vars:
        kind = getattr(model_class, var.name)
        value = var.init
        if issubclass(kind.cls, np.ndarray):
            value = np.empty(var.shape, kind.d_type)
            value[...] = var.init
        setattr(model, var.name, value)
    for port in (*process.in_ports, *process.out_ports):
        setattr(model, port.name, StubPort(port.shape, getattr(model_class, port.name).d_type))
    return model


def step(model: Any, spikes: np.ndarray, **received: np.ndarray) -> np.ndarray:
    """One Lava step: spikes and other inputs by port name in, what `a_out` sent back."""
    model.time_step += 1
    model.s_in.value = spikes.astype(model.s_in.value.dtype)
    for name, value in received.items():
        getattr(model, name).value = value
    model.run_spk()
    if model.lrn_guard():
        model.run_lrn()
    return np.array(model.a_out.sent)
