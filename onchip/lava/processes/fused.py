"""A whole network in one process: a step of the NumPy engine, or a sample, is a Lava time step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.model import PyLoihiProcessModel
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.engine.engine import Engine
from onchip.lava.fused_state import StateLayout
from onchip.lava.streaming import AHEAD
from onchip.program.graphs import AnyNetwork, as_graph


class FusedNetwork(AbstractProcess):
    """A network with its learning as one process; a Lava time step is an algorithmic step.

    Every T time steps a sample begins and all but the weights is reset. `error` computes e[n] from
    an output, a target [classes] and what it returned beside the sample's last error (None before
    the first). Ports, all used within the same step (a loop through
    them would wait for itself): `s_in` [inputs] spikes and `target_in` [classes + 1], one-hot and
    the learning switch, at every step (a target is that of its step); `o_out`
    [classes] the output o[n]; `error_out` [classes] e[n], zero while learning is off. With `hosted`
    the samples come from the host instead, once a sample: `frames_in` [T, inputs] and `label_in`
    [T, classes + 1]; `outputs_host` [T, classes] answers, and with `record` `spikes_host` [T,
    neurons of all layers in turn]. Variables: `u` and `spikes` [neurons of all layers in turn]
    after a time step; `state` [n], everything that changes, laid out as `StateLayout` says:
    between samples only, within one it reads as NaN, or the least integer.

    With `whole_samples` (and `hosted`) a Lava time step is all T steps of a sample, so that Lava's
    own time for a step is spent once a sample; nothing may be connected to `o_out` or `error_out`.
    With `compiled` the engine then learns by compiled kernels where it can.
    """

    def __init__(
        self,
        *,
        spec: AnyNetwork,
        error: Callable[[np.ndarray, np.ndarray, Any], tuple[np.ndarray, Any]] | None,
        hosted: bool = True,
        whole_samples: bool = False,
        record: bool = False,
        compiled: bool = False,
        name: str = "network",
    ) -> None:
        engine: Any = Engine(spec, compiled=compiled)
        engine.compile()  # before Lava forks, where it does
        layout = StateLayout.of(engine)
        super().__init__(
            spec=spec,
            error=error,
            hosted=hosted,
            whole_samples=whole_samples,
            record=record,
            compiled=compiled,
            compilation=engine.compiled,
            layout=layout,
            name=name,
        )
        if whole_samples and not hosted:
            raise ValueError(
                f"{name}: whole_samples is for samples from the host; its input ports take one "
                "step at a time, so leave whole_samples out or set hosted=True"
            )
        steps, classes = spec.time_steps, spec.classes
        neurons = sum(population.size for population in as_graph(spec).populations)
        self.state = Var(shape=(layout.size,), init=0)
        self.u = Var(shape=(neurons,), init=0)
        self.spikes = Var(shape=(neurons,), init=0)
        self.s_in = InPort(shape=(spec.input_size,))
        self.target_in = InPort(shape=(classes + 1,))
        self.o_out = OutPort(shape=(classes,))
        self.error_out = OutPort(shape=(classes,))
        self.frames_in = InPort(shape=(steps, spec.input_size))
        self.label_in = InPort(shape=(steps, classes + 1))
        self.outputs_host = OutPort(shape=(steps, classes))
        self.spikes_host = OutPort(shape=(steps, neurons))
        pipes = (self.frames_in, self.label_in, self.outputs_host) if hosted else ()
        for pipe in (*pipes, *((self.spikes_host,) if record else ())):
            pipe.flag_external_pipe(buffer_size=AHEAD)


class _FusedNetworkModel(PyLoihiProcessModel):
    """Steps the engine; subclasses declare the ports' types and `dtype`."""

    dtype: type

    def __init__(self, proc_params: Any) -> None:
        super().__init__(proc_params)
        spec = proc_params["spec"]
        self._engine: Any = Engine(spec, compiled=proc_params["compiled"])
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
        if self._steps_at_once > 1 and self._engine.compiled.active:
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
        """A sample by the engine's kernels: learned from at all of its steps, or only run."""
        self._receive()
        frames, learns = _small(self._frames)[np.newaxis], self._label[:, -1] != 0
        if learns.all():
            target = self._label[np.newaxis, :, :-1]
            self._outputs[:] = self._engine.learn(frames, target, self._recorder)[0]
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
        self._frames = self.frames_in.recv()
        self._label = self.label_in.recv()

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


def _small(frames: np.ndarray) -> np.ndarray:
    """Frames of small whole numbers as uint8, which kernels read faster; others as they are."""
    with np.errstate(invalid="ignore"):
        small = frames.astype(np.uint8)
    return small if np.array_equal(small, frames) else frames


@implements(proc=FusedNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FusedNetworkModel(_FusedNetworkModel):
    """CPU model of `FusedNetwork` in floating point."""

    dtype = float
    state: np.ndarray = LavaPyType(np.ndarray, float)
    u: np.ndarray = LavaPyType(np.ndarray, float)
    spikes: np.ndarray = LavaPyType(np.ndarray, float)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    o_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    frames_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    label_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, float)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    spikes_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=FusedNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedFusedNetworkModel(_FusedNetworkModel):
    """CPU model of `FusedNetwork` in integers."""

    dtype = np.int32
    state: np.ndarray = LavaPyType(np.ndarray, np.int64)
    u: np.ndarray = LavaPyType(np.ndarray, np.int64)
    spikes: np.ndarray = LavaPyType(np.ndarray, np.int64)
    s_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    target_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    o_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    error_out: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    frames_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    label_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.int32)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    spikes_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
