"""A whole network in one process: a step of the NumPy engine, or a sample, is a Lava time step."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from lava.magma.core.decorator import implements, requires, tag
from lava.magma.core.model.py.ports import PyInPort, PyOutPort
from lava.magma.core.model.py.type import LavaPyType
from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.resources import CPU
from lava.magma.core.sync.protocols.loihi_protocol import LoihiProtocol

from onchip.engine.engine import Engine
from onchip.lava.fused_state import StateLayout
from onchip.lava.processes.fused_steps import FusedSteps, by_kernels
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
    the samples come from the host instead, once a sample: `frames_in` [T, inputs] (or `bytes_in`,
    see `fused_steps.IN_BYTES`) and `label_in` [T, classes + 1]; `outputs_host` [T, classes]
    answers, and with `record` `spikes_host` [T, neurons of all layers in turn]. Variables: `u` and
    `spikes` [neurons of all layers in turn]
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
        engine: Any = Engine(spec, compiled=compiled, run_from=0 if whole_samples else None)
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
            by_kernels=by_kernels(engine),
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
        self.bytes_in = InPort(shape=(steps, spec.input_size))
        self.outputs_host = OutPort(shape=(steps, classes))
        self.spikes_host = OutPort(shape=(steps, neurons))
        inputs = (self.frames_in, self.bytes_in, self.label_in)
        pipes = (*inputs, self.outputs_host) if hosted else ()
        for pipe in (*pipes, *((self.spikes_host,) if record else ())):
            pipe.flag_external_pipe(buffer_size=AHEAD)


@implements(proc=FusedNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("floating_pt")
class FusedNetworkModel(FusedSteps):
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
    bytes_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.uint8)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)
    spikes_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, float)


@implements(proc=FusedNetwork, protocol=LoihiProtocol)
@requires(CPU)
@tag("fixed_pt")
class FixedFusedNetworkModel(FusedSteps):
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
    bytes_in: PyInPort = LavaPyType(PyInPort.VEC_DENSE, np.uint8)
    outputs_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
    spikes_host: PyOutPort = LavaPyType(PyOutPort.VEC_DENSE, np.int32)
