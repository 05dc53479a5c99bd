"""A network as one Lava process: the engine's speed, with Lava's ports, runtime and simulator."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from onchip.engine.compiled.choice import Compilation
from onchip.engine.engine import Engine
from onchip.engine.inputs import check_saved_state
from onchip.execution import RunResult
from onchip.lava.fused_state import StateLayout
from onchip.lava.processes.fused import FusedNetwork
from onchip.lava.processes.fused_steps import IN_BYTES
from onchip.lava.runtime.compilation import quiet_processes
from onchip.lava.runtime.memory import read_var, write_var
from onchip.lava.runtime.supervisor import Supervisor
from onchip.lava.streaming import StreamingNetwork
from onchip.program.graphs import INTEGERS, AnyNetwork, as_graph, numbers_of
from onchip.program.lower import lower_for_engine
from onchip.program.program import dtype_of
from onchip.program.schedules import make_schedule


class FusedLavaNetwork(StreamingNetwork):
    """As `LavaNetwork`, the whole network in one process whose model steps the NumPy engine.

    Also convolutions run in the process. `schedule` decides nothing but the meaning of an online
    update's delay, which the spec must state as for `LavaNetwork`. A Lava time step is a whole
    sample here (`whole_samples`), or with False one algorithmic step. `process` is the
    `FusedNetwork`.
    """

    def __init__(
        self,
        spec: AnyNetwork,
        schedule: str = "sequenced",
        *,
        record: bool = False,
        whole_samples: bool = True,
        run_config: RunConfig | None = None,
        runtime: str | None = None,
        compiled: bool | None = None,
    ) -> None:
        """Build and start; `run_config` is Loihi2SimCfg of the spec's precision by default."""
        self.spec = spec
        asked = numbers_of(spec) == INTEGERS if compiled is None else compiled
        self._record = record
        self._whole_samples = whole_samples
        self.process, tag = fused_process(
            spec, schedule, record=record, whole_samples=whole_samples, compiled=asked
        )
        self.compiled: Compilation = self.process.proc_params["compilation"]
        self.dtype = dtype_of(tag)
        self.binary = tag == INTEGERS
        self._layout: StateLayout = self.process.proc_params["layout"]
        config = run_config or Loihi2SimCfg(select_tag=tag)
        self.supervisor = Supervisor(self.process, config, runtime)
        self.supervisor.start()

    @property
    def steps_per_sample(self) -> int:
        """Lava time steps of a sample: 1, or T without `whole_samples`."""
        return 1 if self._whole_samples else int(self.spec.time_steps)

    def snapshot(self) -> Any:
        """The spec with the present weights, read from the running process."""
        engine: Any = Engine(self.spec)
        engine.restore(self.state())
        return engine.snapshot()

    def state(self) -> dict[str, np.ndarray]:
        """What the running engine's `state` returns, between two samples."""
        self.supervisor.require_runtime()
        return self._layout.unflatten(read_var(self.process.state))

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` (also that of an engine of the same spec) returned.

        Of an engine's batch the membranes and traces of the last sample are taken.
        Raises ValueError, before anything is changed, for other names, shapes, ranges or for
        fractions in integers.
        """
        self.supervisor.require_runtime()
        one = {name: self._one_sample(name, values) for name, values in state.items()}
        arrays = check_saved_state(one, self._layout.shapes, whole=self.dtype != np.float64)
        vector = self._layout.flatten(arrays)
        trial: Any = Engine(self.spec)
        trial.restore(self._layout.unflatten(vector))  # refuses what the process would fail on
        write_var(self.process.state, vector)

    def _one_sample(self, name: str, values: np.ndarray) -> np.ndarray:
        values, shape = np.asarray(values), self._layout.shapes.get(name, ())
        batched = shape[:1] == (1,) and values.shape[1:] == shape[1:]
        return values[-1:] if batched else values

    def close(self) -> None:
        """End the network's OS processes; Lava keeps the process, but not its weights."""
        super().close()
        self.process.proc_params.overwrite("spec", None)

    def _inputs(self) -> tuple[Any, ...]:
        ports = (self.process.frames_in, self.process.label_in, self.process.bytes_in)
        return tuple(port.external_pipe_csp_send_port for port in ports)

    def _send(self, frames: np.ndarray, target: np.ndarray) -> None:
        """As for any network; frames of bytes stay bytes where kernels read them."""
        frames_pipe, target_pipe, bytes_pipe = self._inputs()
        whole = self._whole_samples and self.process.proc_params["by_kernels"]
        if whole and frames.dtype.kind in "bu" and frames.dtype.itemsize == 1:
            target[:, -1] += IN_BYTES
            frames_pipe = bytes_pipe
        frames_pipe.send(frames)
        target_pipe.send(target)

    def _outputs(self) -> dict[str, Any]:
        pipes = {"": self.process.outputs_host.external_pipe_csp_recv_port}
        if self._record:
            pipes["spikes"] = self.process.spikes_host.external_pipe_csp_recv_port
        return pipes

    def _result(self, received: dict[str, np.ndarray]) -> RunResult:
        output = received[""]
        if self.dtype != np.float64:
            output = output.astype(np.int64)
        return RunResult(output, self._spikes(received["spikes"]) if self._record else {})

    def _spikes(self, recorded: np.ndarray) -> dict[str, np.ndarray]:
        """Spikes by layer [T, neurons] out of those of all layers side by side."""
        layers = as_graph(self.spec).populations
        ends = np.cumsum([layer.size for layer in layers])
        slices = itertools.starmap(slice, itertools.pairwise((0, *ends)))
        return {
            layer.name: recorded[:, columns].astype(np.uint8)
            for layer, columns in zip(layers, slices, strict=True)
            if layer.neuron.spiking
        }


def fused_process(
    spec: AnyNetwork,
    schedule: str = "sequenced",
    *,
    hosted: bool = True,
    whole_samples: bool = False,
    record: bool = False,
    compiled: bool = False,
) -> tuple[FusedNetwork, str]:
    """The process of a network and the tag of its models, to be compiled or connected by a user.

    With `hosted=False` its input ports are connected to other Lava processes; `whole_samples` and
    `compiled` as for `FusedNetwork`. Raises ValueError when the spec does not fit the schedule.
    """
    make_schedule(schedule, spec)
    program = lower_for_engine(spec)
    with quiet_processes():
        process = FusedNetwork(
            spec=spec,
            error=None if spec.learning is None else program.readout.computes.answer,
            hosted=hosted,
            whole_samples=whole_samples,
            record=record,
            compiled=compiled,
            name="network",
        )
    return process, program.numbers
