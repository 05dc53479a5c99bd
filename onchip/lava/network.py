"""A network of Lava processes built from a specification: runs, learns, returns a learned one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.process.variable import Var
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig

from onchip.arithmetic.loihi import WEIGHT_LIMITS
from onchip.engine.inputs import check_saved_state
from onchip.execution import RunResult
from onchip.lava.builder import assemble, learned_network
from onchip.lava.processes.lif import LIFLayer
from onchip.lava.runtime.memory import read_var, write_var
from onchip.lava.runtime.supervisor import Supervisor
from onchip.lava.streaming import StreamingNetwork
from onchip.lava.synapses import takes_currents
from onchip.program.graphs import AnyNetwork
from onchip.program.lower import lower
from onchip.program.program import dtype_of

SAMPLES = "samples"
"""The name of a state's count of samples."""


class LavaNetwork(StreamingNetwork):
    """A network as Lava processes in the CPU simulator, one for each layer and connection.

    `spec` is any network, as a chain of layers or as a graph; in integers (Lava's `fixed_pt`)
    outputs are int64 membrane integers. Plastic dense synapses are stock `LearningDense`, frozen
    ones `Dense`; frozen convolutions are stock `Conv`, those that learn `TransformSynapses`.
    Everything in `spec` runs in Lava: `onchip.network.partition.split_trunk` parts off the frozen
    convolutions that the host may run ahead. Frames may be currents where frozen or learning
    convolutions in floating point are all that reads them. `schedule` is "sequenced" or "pipelined"
    (see `onchip.program.timetable`). With `record` the results carry every layer's spikes.
    `runtime` is a name of `onchip.execution.RUNTIMES`. Use as a context manager; what runs ends
    with it. Raises ValueError when the spec does not fit the schedule and LavaExecutionError when a
    process fails.
    """

    def __init__(
        self,
        spec: AnyNetwork,
        schedule: str = "sequenced",
        *,
        record: bool = False,
        run_config: RunConfig | None = None,
        runtime: str | None = None,
    ) -> None:
        """Build and start; `run_config` is Loihi2SimCfg of the spec's precision by default."""
        self.spec = spec
        self._record = record
        self.program = lower(spec, schedule)
        self.schedule, self.dtype = self.program.schedule, dtype_of(self.program.numbers)
        self.binary = not takes_currents(self.program)
        processes = assemble(self.program, record)
        self._source: Any = processes.source
        self.layers, self._feedback = processes.layers, processes.feedback
        config = run_config or Loihi2SimCfg(select_tag=self.program.numbers)
        self.supervisor = Supervisor(self._source, config, runtime)
        self.supervisor.start()

    @property
    def steps_per_sample(self) -> int:
        """Lava time steps from one sample's start to the next."""
        return self.schedule.steps_per_sample

    def snapshot(self) -> Any:
        """The spec with the present weights, read from the running processes."""
        self.supervisor.require_runtime()
        return learned_network(self.program, self.layers)

    def state(self) -> dict[str, np.ndarray]:
        """Arrays by "process.variable", as the running processes hold them between two samples.

        `u` [neurons] of every layer; `weights` [post, pre + 1 with a bias], `tag_1` [post, pre] and
        `x1` [pre] of plastic synapses; `held` [post, pre], the weights that feedback goes through.
        The weights of a transform are laid out as it has them. Of integers that learn there is
        `samples` [1], how many were run so far: that is where the random numbers are.
        """
        self.supervisor.require_runtime()
        found = {name: read_var(var) for name, var in self._variables().items()}
        if self._draws:
            found[SAMPLES] = np.array([self._streamed])
        return found

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Set what `state` of a network of the same spec returned, while this one keeps running.

        A network of integers that has run fewer samples than the state's runs as many empty ones as
        are missing, so that the random numbers that round weights are where they were; in one that
        has run more they go on where they are. Raises ValueError, before anything is changed, for
        other names, shapes or for fractions in integers, and for integers before the first step,
        where Lava would drop the lowest bit of the weights.
        """
        self.supervisor.require_runtime()
        whole, arrays = self.dtype != np.float64, dict(state)
        missing = self._missing(arrays.pop(SAMPLES, 0)) if self._draws else 0
        if self._draws and not self.supervisor.has_run and not missing:
            raise ValueError(
                "restore: at its first step Lava drops the lowest bit of integer weights; run a "
                "sample before, or build the network from a snapshot"
            )
        variables = self._variables()
        shapes = {name: tuple(var.shape) for name, var in variables.items()}
        values = check_saved_state(arrays, shapes, whole=whole)
        self._check_weights(values)
        self._run_blanks(missing)
        for name, var in variables.items():
            write_var(var, values[name])

    def _inputs(self) -> tuple[Any, Any]:
        ports = (self._source.frames_in, self._source.target_in)
        frames, target = (port.external_pipe_csp_send_port for port in ports)
        return frames, target

    def _outputs(self) -> dict[str, Any]:
        pipes = {"": self.layers[-1].neurons.outputs_host}
        if self._record:
            pipes |= {
                layer.population.name: layer.neurons.spikes_host
                for layer in self.layers
                if isinstance(layer.neurons, LIFLayer)
            }
        return {name: port.external_pipe_csp_recv_port for name, port in pipes.items()}

    def _result(self, received: dict[str, np.ndarray]) -> RunResult:
        output = received.pop("")
        if self.dtype != np.float64:
            output = output.astype(np.int64)
        last = self.program.readout
        if self._record and last.spiking:
            received[last.name] = output
        return RunResult(output, {name: v.astype(np.uint8) for name, v in received.items()})

    @property
    def _draws(self) -> bool:
        """Whether it uses up random numbers: integers that learn."""
        return self.dtype != np.float64 and self.spec.learning is not None

    def _missing(self, samples: Any) -> int:
        """How many samples this network is behind a state's."""
        given = np.asarray(samples)
        if given.size != 1 or given.dtype.kind not in "iu" or not 0 <= int(given.item()) < 2**31:
            raise ValueError(f"state {SAMPLES!r} is {samples!r}; it must be a number of samples")
        return max(0, int(given.item()) - self._streamed)

    def _check_weights(self, values: Mapping[str, np.ndarray]) -> None:
        low, high = WEIGHT_LIMITS
        for name, weights in values.items():
            if self.dtype == np.float64 or not name.endswith(("weights", "held")):
                continue
            if weights.min() < low or weights.max() > high:
                raise ValueError(
                    f"state {name!r} holds weights beyond {low}..{high}; save it again"
                )

    def _stateful(self) -> list[AbstractProcess]:
        """The processes whose Vars are read and written."""
        parts = [(layer.neurons, *layer.incoming.values()) for layer in self.layers]
        processes = [process for layer in parts for process in layer]
        return processes + [p for p in self._feedback if hasattr(p, "held")]

    def _names_of(self, process: AbstractProcess) -> tuple[str, ...]:
        """The Vars of a process that are a part of the state, where it has them."""
        if not hasattr(process, "s_in_y1"):
            return ("u", "held")
        plasticity = self.program.named(process.name).plasticity
        second = plasticity is not None and plasticity.second is not None
        return ("weights", "tag_1", "x1", *(("x2",) if second else ()))

    def _variables(self) -> dict[str, Var]:
        found: dict[str, Var] = {}
        for process in self._stateful():
            names = self._names_of(process)
            variables = (getattr(process, name, None) for name in names)
            found |= {f"{process.name}.{var.name}": var for var in variables if var is not None}
        return found
