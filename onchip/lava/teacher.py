"""What a postsynaptic process does for its plastic synapses; each layer's ProcessModel owns one."""

from __future__ import annotations

from typing import Any

import numpy as np

from onchip.neurons.base import NeuronState
from onchip.program.computation import Computation
from onchip.program.teaching import Teacher
from onchip.program.timetable import Schedule

FILTERED_ROWS = 3
"""What is held of a filtered eligibility in integers: derivative, signal before and signal now."""


class SynapseTeacher:
    """Sends y1, y2, y3 at the schedule's steps and zeroes the traces x1 between samples.

    `model` is the ProcessModel with ports `y1_out`, `y2_out`, `y3_out`, `trace`, `recurrent_trace`;
    `teacher` is None for a layer whose synapses are frozen. The factor g[n], or what else is
    taught, is held until the epoch's end.
    """

    def __init__(self, model: Any, teacher: Teacher | None, dtype: type) -> None:
        self._model = model
        self._teacher = teacher
        self._schedule: Schedule = model.proc_params["schedule"]
        self._dtype = dtype
        self._computes: Computation = model.proc_params["arithmetic"]
        self._told: tuple[np.ndarray, ...] = ()
        zeros: np.ndarray = np.zeros(model.proc_params["shape"], dtype)
        if teacher is not None:
            self._held = np.stack((zeros,) * FILTERED_ROWS) if teacher.filtered else zeros
            self._learns = self._schedule.steps_by_position(self._schedule.factor_offset())
            self._gates: dict[int, list[np.ndarray]] = self._open_gates(teacher)
            self._silence = teacher.values(self._held, False, False, False)

    def _open_gates(self, teacher: Teacher) -> dict[int, list[np.ndarray]]:
        """What is sent at the positions that apply and clear an accumulated update."""
        apply, clear = self._schedule.gates
        return {
            apply: teacher.values(self._held, False, True, apply == clear),
            clear: teacher.values(self._held, False, apply == clear, True),
        }

    def fired(self, before: NeuronState, activation: np.ndarray, state: NeuronState) -> None:
        """The neurons have fired: an eligibility may look at them before and after."""
        kind = None if self._teacher is None else self._teacher.eligibility
        if kind is not None:
            self._told = self._computes.observe(kind, before, activation, state)

    def factor(self, signal: np.ndarray, state: NeuronState) -> np.ndarray:
        """Return the factor g[n] of a signal; what is made of it is held for the synapses."""
        factor = self._computes.factor(signal, state)
        if self._teacher is not None:
            if self._teacher.filtered:
                self._held = self._apart(signal, state)
            else:
                self._held = self._teacher.held(factor, self._told, signal)
        return factor

    def _apart(self, signal: np.ndarray, state: NeuronState) -> np.ndarray:
        """Derivative, the signal of the step before, and that of this one."""
        derivative = self._computes.derivative(state)
        return np.stack((derivative, self._held[-1], self._computes.signal(signal)))

    def send(self) -> None:
        """The factors of this Lava step; unconnected ports send to nobody."""
        if self._teacher is None:
            return
        model, schedule = self._model, self._schedule
        position = (model.time_step - 1) % len(self._learns)
        if self._learns[position] is None:
            values = self._gates.get(position, self._silence)
            if self._teacher.filtered and position == schedule.gates[0]:
                values = self._teacher.values(self._held, False, True, False)
        else:
            apply, clear = schedule.gates
            values = self._teacher.values(self._held, True, position == apply, position == clear)
        model.y1_out.send(values[0])
        model.y2_out.send(values[1])
        model.y3_out.send(values[2])

    def resets_traces(self) -> bool:
        """Whether this Lava step ends a sample of plastic synapses."""
        ends = self._schedule.ends_sample(self._model.time_step)
        return self._teacher is not None and bool(ends)

    def reset_traces(self) -> None:
        """Write zeros to x1 of the first incoming and of the recurrent synapses."""
        if self._teacher is not None and self._teacher.filtered:
            self._held = np.zeros_like(self._held)
        self._zero(self._model.trace)
        if self._model.proc_params.get("learns_recurrence"):
            self._zero(self._model.recurrent_trace)

    def _zero(self, port: Any) -> None:
        if not port.csp_ports:
            return  # an `Eraser` does it
        port.write(np.zeros(port.shape, self._dtype))
        port.wait()
