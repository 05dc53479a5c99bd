"""A network as a part of a Lava network of one's own.

    part = NetworkComponent(spec)
    events.s_out.connect(part.s_in)
    labels.s_out.connect(part.target_in)
    part.o_out.connect(sink.a_in)
    run(part.process, RunSteps(steps), part.run_config())

Nothing is started before the whole is run, by `onchip.lava.graphs.run` or by Lava's own
`process.run`.
"""

from __future__ import annotations

from typing import Any

from lava.magma.core.process.ports.ports import InPort, OutPort
from lava.magma.core.process.process import AbstractProcess
from lava.magma.core.run_configs import Loihi2SimCfg

from onchip.checks import require_choice
from onchip.engine.engine import Engine
from onchip.lava.builder import LavaLayer, assemble, learned_network
from onchip.lava.fused import fused_process
from onchip.lava.run_config import FastSimCfg
from onchip.lava.runtime.memory import read_var
from onchip.program.graphs import AnyNetwork
from onchip.program.lower import lower

FORMS = ("fused", "layered")
"""One Lava process for the whole network, or one for each layer and connection."""


class NetworkComponent:
    """A network whose spikes and targets come from other Lava processes.

    `form` is a name of `FORMS`, `schedule` as for `LavaNetwork` ("fused" takes an algorithmic step
    in every Lava step by either). Ports: `s_in` [inputs] spikes and `target_in` [classes + 1],
    one-hot with a last value of 1 to learn or 0 not to, both at every Lava step (a target is that
    of the step whose spikes come with it); `o_out` [classes]
    the output and `error_out` [classes] dL/do, 0 while learning is off. A sample takes
    `steps_per_sample` Lava steps and begins with the first one of the run; spikes are taken in the
    first of every `period` steps, T times, and must be 0 in the others; outputs come `delay` steps
    after their spikes. `process` is one of the processes, to run them all by. For Lava's Monitor:
    `layers` (layered, each with its `neurons.u`), or `process.u` and `process.spikes` (fused, all
    layers in turn). Raises ValueError for a spec that does not fit the schedule or the form.
    """

    def __init__(self, spec: AnyNetwork, schedule: str = "sequenced", form: str = "fused") -> None:
        require_choice("form", form, FORMS)
        self.spec = spec
        self.layers: list[LavaLayer] = []
        self.period = self.delay = 0
        self.process: Any
        if form == "fused":
            self._make_fused(spec, schedule)
        else:
            self._make_layered(spec, schedule)

    def _make_fused(self, spec: AnyNetwork, schedule: str) -> None:
        self.process, self.tag = fused_process(spec, schedule, hosted=False)
        self.period, self.steps_per_sample = 1, spec.time_steps
        self._inlet = self._outlet = self.process

    def _make_layered(self, spec: AnyNetwork, schedule: str) -> None:
        self._program = lower(spec, schedule)
        made, self.tag = self._program.schedule, self._program.numbers
        processes = assemble(self._program, hosted=False)
        self.layers = processes.layers
        self.period, self.steps_per_sample = made.period, made.steps_per_sample
        self.delay = made.depth
        self.process = self._inlet = processes.source
        self._outlet = processes.layers[-1].neurons

    @property
    def s_in(self) -> InPort:
        """Spikes [inputs]."""
        return self._inlet.s_in

    @property
    def target_in(self) -> InPort:
        """One-hot target and the learning switch [classes + 1]."""
        return self._inlet.target_in

    @property
    def o_out(self) -> OutPort:
        """The output o[n] [classes]; zero in the Lava steps between."""
        return self._outlet.o_out

    @property
    def error_out(self) -> OutPort:
        """dL/do [classes]; zero while learning is off and in the Lava steps between."""
        return self._outlet.error_out

    def run_config(self, fast: bool = True) -> Loihi2SimCfg:
        """A run configuration of the network's precision, with the fast models or stock ones."""
        return FastSimCfg(self.tag) if fast else Loihi2SimCfg(select_tag=self.tag)

    def snapshot(self) -> Any:
        """The spec with the present weights, between two samples of the running network."""
        if self.layers:
            return learned_network(self._program, self.layers)
        process: AbstractProcess = self.process
        engine: Any = Engine(self.spec)
        engine.restore(process.proc_params["layout"].unflatten(read_var(process.state)))
        return engine.snapshot()
