"""What a postsynaptic process does for its plastic synapses; each layer's ProcessModel owns one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class TeacherSettings:
    """How a layer teaches.

    `scale` y1 / g, `gate` the value of an open gate, `accumulate` the update mode, `recurrent`
    whether recurrent synapses learn too.
    """

    scale: float
    gate: float
    accumulate: bool
    recurrent: bool


class SynapseTeacher:
    """Sends y1, y2, y3 at the schedule's steps and zeroes the traces x1 between samples.

    `model` is the ProcessModel with ports `y1_out`, `y2_out`, `y3_out`, `trace`, `recurrent_trace`;
    `settings` is None for a layer whose synapses are frozen. `factor` holds g[n] until the epoch's
    end.
    """

    def __init__(self, model: Any, settings: TeacherSettings | None) -> None:
        self._model = model
        self._settings = settings
        self._schedule = model.proc_params["schedule"]
        self._zeros = np.zeros(model.proc_params["shape"])
        self.factor = self._zeros

    def send(self) -> None:
        """y1 = scale g at the epoch's end; y2 and y3 at the gates of an accumulated update."""
        settings, model = self._settings, self._model
        if settings is None:
            return
        ends_epoch = self._schedule.step_at(model.time_step, self._schedule.factor_offset())
        model.y1_out.send(self._zeros if ends_epoch is None else settings.scale * self.factor)
        if settings.accumulate:
            position = self._schedule.position(model.time_step)
            apply, clear = self._schedule.gates
            model.y2_out.send(self._zeros + settings.gate * (position == apply))
            model.y3_out.send(self._zeros + settings.gate * (position == clear))

    def resets_traces(self) -> bool:
        """Whether this Lava step ends a sample of plastic synapses."""
        ends = self._schedule.ends_sample(self._model.time_step)
        return self._settings is not None and bool(ends)

    def reset_traces(self) -> None:
        """Write zeros to x1 of the incoming synapses."""
        assert self._settings is not None
        self._zero(self._model.trace)
        if self._settings.recurrent:
            self._zero(self._model.recurrent_trace)

    @staticmethod
    def _zero(port: Any) -> None:
        port.write(np.zeros(port.shape))
        port.wait()
