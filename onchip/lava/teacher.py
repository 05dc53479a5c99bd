"""What a postsynaptic process does for its plastic synapses; each layer's ProcessModel owns one."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.lava.arithmetic import Teacher


class SynapseTeacher:
    """Sends y1, y2, y3 at the schedule's steps and zeroes the traces x1 between samples.

    `model` is the ProcessModel with ports `y1_out`, `y2_out`, `y3_out`, `trace`, `recurrent_trace`;
    `teacher` is None for a layer whose synapses are frozen. `factor` holds g[n] until the epoch's
    end.
    """

    def __init__(self, model: Any, teacher: Teacher | None, dtype: type) -> None:
        self._model = model
        self._teacher = teacher
        self._schedule = model.proc_params["schedule"]
        self._dtype = dtype
        self.factor: np.ndarray = np.zeros(model.proc_params["shape"], dtype)

    def send(self) -> None:
        """The factors of this Lava step; unconnected ports send to nobody."""
        if self._teacher is None:
            return
        schedule, time_step = self._schedule, self._model.time_step
        learns = schedule.step_at(time_step, schedule.factor_offset()) is not None
        apply, clear = schedule.gates
        position = schedule.position(time_step)
        values = self._teacher.values(self.factor, learns, position == apply, position == clear)
        ports = (self._model.y1_out, self._model.y2_out, self._model.y3_out)
        for port, value in zip(ports, values, strict=True):
            port.send(value)

    def resets_traces(self) -> bool:
        """Whether this Lava step ends a sample of plastic synapses."""
        ends = self._schedule.ends_sample(self._model.time_step)
        return self._teacher is not None and bool(ends)

    def reset_traces(self) -> None:
        """Write zeros to x1 of the incoming synapses."""
        assert self._teacher is not None
        self._zero(self._model.trace)
        if self._teacher.recurrent:
            self._zero(self._model.recurrent_trace)

    def _zero(self, port: Any) -> None:
        port.write(np.zeros(port.shape, self._dtype))
        port.wait()
