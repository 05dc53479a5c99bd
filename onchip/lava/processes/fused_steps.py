"""The steps of a network in one process: those of the NumPy engine, or samples by its kernels."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.model.py.model import PyLoihiProcessModel

from onchip.engine.engine import Engine
from onchip.lava.fused_state import StateLayout

IN_BYTES = 2
"""What the host adds to the learning switch of a sample whose frames come through `bytes_in`."""


class FusedSteps(PyLoihiProcessModel):
    """Steps the engine; subclasses declare the ports' types and `dtype`."""

    state: Any
    u: Any
    spikes: Any
    s_in: Any
    target_in: Any
    o_out: Any
    error_out: Any
    frames_in: Any
    label_in: Any
    bytes_in: Any
    outputs_host: Any
    spikes_host: Any

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        spec = proc_params["spec"]
        self._engine: Any = Engine(spec, compiled=proc_params["compiled"], run_from=0)
        self._layout: StateLayout = proc_params["layout"]
        self._steps, self._classes = spec.time_steps, spec.classes
        self._hosted: bool = proc_params["hosted"]
        self._steps_at_once: int = spec.time_steps if proc_params["whole_samples"] else 1
        self._error: Callable[..., tuple[np.ndarray, Any]] | None = proc_params["error"]
        self._memory: Any = None
        self._outputs: np.ndarray = np.zeros((self._steps, self._classes), self.dtype)
        self._recorded: list[np.ndarray] = []
        self._collected: tuple[np.ndarray, ...] | None = None
        self._recorder = self._keep if proc_params["record"] else None
        self._no_error: np.ndarray = np.zeros(self._classes, self.dtype)

    def run_spk(self) -> None:
        """One algorithmic step, or the T of a sample."""
        if self._steps_at_once > 1:
            self._require_no_listener()
        if self._steps_at_once > 1 and by_kernels(self._engine):
            self._whole_sample()
        else:
            first = (self.time_step - 1) * self._steps_at_once
            for n in range(first, first + self._steps_at_once):
                self._step(n % self._steps)
        if self.var_ports:  # somebody looks, Lava's Monitor for one
            self.collect_vars()

    def _require_no_listener(self) -> None:
        for port in (self.o_out, self.error_out):
            if port.csp_ports:
                raise ValueError(
                    "fused network: o_out and error_out speak once a time step, but with "
                    "whole_samples one has all T steps; leave whole_samples out"
                )

    def _step(self, step: int) -> None:
        """The step of a sample; at its last one the update, and the answers to the host."""
        if step == 0:
            self._begin()
        frame, target = self._received(step)
        learns = bool(target[-1])
        output = self._engine.step(
            frame[np.newaxis], target[np.newaxis, :-1] if learns else None, self._recorder
        )[0]
        self._outputs[step] = output
        if step == self._steps - 1:
            self._engine.finish()
        self.o_out.send(self._outputs[step])
        self._send_error(output, target, learns)
        if step == self._steps - 1:
            self._answer()

    def _whole_sample(self) -> None:
        """A sample by the engine's kernels: learned from at all of its steps, or only run.

        All others step by step: their targets are the objective's own already.
        """
        self._receive()
        frames, learns = _small(self._frames)[np.newaxis], self._label[:, -1] != 0
        if learns.all() and self._engine.compiled.active:
            target = self._label[np.newaxis, :, :-1]
            learned = self._engine.learn(frames, target, self._recorder, prepared=True)
            self._outputs[:] = learned[0]
        elif not learns.any():
            self._outputs[:] = self._engine.run(frames, self._recorder)[0]
        else:
            self._engine.reset(1)
            for n, frame in enumerate(self._frames[:, np.newaxis]):
                target = self._label[np.newaxis, n, :-1] if learns[n] else None
                self._outputs[n] = self._engine.step(frame, target, self._recorder)[0]
            self._engine.finish()
        self._answer()

    def _begin(self) -> None:
        self._engine.reset(1)
        self._memory = None
        if self._hosted:
            self._receive()

    def _receive(self) -> None:
        self._label = self.label_in.recv()
        in_bytes = self._label[0, -1] >= IN_BYTES
        if in_bytes:
            self._label[:, -1] -= IN_BYTES
        self._frames = (self.bytes_in if in_bytes else self.frames_in).recv()

    def _received(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        if self._hosted:
            return self._frames[step], self._label[step]
        return self.s_in.recv(), self.target_in.recv()

    def _send_error(self, output: np.ndarray, target: np.ndarray, learns: bool) -> None:
        if self.error_out.csp_ports:
            error = self._no_error
            if learns and self._error is not None:
                error, self._memory = self._error(output, target[:-1], self._memory)
            self.error_out.send(error.astype(self.dtype))

    def _answer(self) -> None:
        if self._hosted:
            self.outputs_host.send(self._outputs)
        if self._recorder is not None:
            self.spikes_host.send(np.concatenate(self._recorded).reshape(self.spikes_host.shape))
            self._recorded.clear()

    def _keep(self, name: str, output: np.ndarray) -> None:
        self._recorded.append(output.reshape(-1).astype(self.dtype))

    def collect_vars(self) -> None:
        """Copy the engine's state into the Vars; within a sample fill `state` with no state."""
        for var, layers in (
            (self.u, self._engine.potentials()),
            (self.spikes, self._engine.spikes()),
        ):
            np.concatenate(
                [values.ravel() for values in layers.values()], out=var, casting="unsafe"
            )
        if self.time_step * self._steps_at_once % self._steps:
            none = np.nan if self.dtype is float else np.iinfo(self.state.dtype).min
            self.state[:] = none
        else:
            self.state[:] = self._layout.flatten(self._engine.state())
        self._collected = (self.state.copy(), self.u.copy(), self.spikes.copy())

    def _get_var(self) -> None:
        self.collect_vars()
        super()._get_var()

    def _set_var(self) -> None:
        self.collect_vars()  # what is set is compared with it
        super()._set_var()

    def on_var_update(self) -> None:
        """The engine takes over a state that was set; ValueError for `u` and `spikes`."""
        known = self._collected or (np.zeros_like(self.state), self.u * 0, self.spikes * 0)
        floats = self.state.dtype.kind == "f"
        if not np.array_equal(self.state, known[0], equal_nan=floats):
            self._engine.restore(self._layout.unflatten(self.state))
            self._collected = None
        elif not (np.array_equal(self.u, known[1]) and np.array_equal(self.spikes, known[2])):
            self.u[:], self.spikes[:] = known[1:]
            raise ValueError("fused network: u and spikes can be read only; set its state")


def by_kernels(engine: Any) -> bool:
    """Return whether an engine learns from whole samples, or runs them, by compiled kernels."""
    return bool(engine.compiled.active or engine.compiled_runs.active)


def _small(frames: np.ndarray) -> np.ndarray:
    """Frames of small whole numbers as uint8, which kernels read faster; others as they are."""
    if frames.dtype == np.uint8:
        return frames
    with np.errstate(invalid="ignore"):
        small = frames.astype(np.uint8)
    return small if np.array_equal(small, frames) else frames
