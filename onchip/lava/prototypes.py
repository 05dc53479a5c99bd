"""A head of prototypes in Lava: spikes in, winner, update and new neurons in one running network.

    source --spikes--> LearningDense --w s--> PrototypeNeurons --y1, y2--> LearningDense
       |--spikes (to be counted), label------------^

The weights and the rule are Lava's own `LearningDense`. A sample takes T + 1 Lava steps, one
learning epoch: the spikes of step n reach the neurons at step n + 1, and at the last step, in which
no spikes are sent, the neurons decide and the synapses learn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np
from lava.magma.core.run_configs import Loihi2SimCfg, RunConfig
from lava.proc.dense.process import LearningDense

from onchip.arithmetic.loihi import WEIGHT_LIMITS, require_integer
from onchip.engine.inputs import check_saved_state
from onchip.execution import RunResult, Sample
from onchip.lava.processes.eraser import Eraser
from onchip.lava.processes.prototypes import PrototypeNeurons
from onchip.lava.processes.source import SpikeSource
from onchip.lava.rules import learning_rule
from onchip.lava.runtime.compilation import quiet_processes
from onchip.lava.runtime.memory import read_var, write_var
from onchip.lava.runtime.supervisor import Supervisor
from onchip.lava.streaming import StreamingNetwork
from onchip.program.prototypes import LABEL_MAX, Scales, require_labels
from onchip.program.synapses import IntegerPlasticity
from onchip.program.timetable import Schedule

WEIGHTS, LABELS, SEEN, SAMPLES = "weights", "labels", "seen", "samples"
"""Names of a state's arrays."""


class Head(Protocol):
    """What a network of prototypes is made from (`onchip.deploy.lifelong.prototypes.Prototypes`).

    `novelty` is the similarity below which a neuron is taken.
    """

    novelty: float

    @property
    def features(self) -> int:
        """Number of inputs."""

    def scales(self, time_steps: int) -> Scales:
        """Return the rule of its synapses."""

    def state(self) -> dict[str, np.ndarray]:
        """Return weights [limit, features], labels and seen [limit]; in integers samples [1]."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from such a state."""

    def copy(self) -> Any:
        """Return another such head."""


class PrototypeShape(NamedTuple):
    """What the samples of a head look like: frames [T, features] and a label."""

    time_steps: int
    input_shape: tuple[int]
    input_size: int
    classes: int = 1
    learning: bool = True


class PrototypeResult(NamedTuple):
    """What a head made of samples.

    `predictions` [samples]: the class of the winner before it learned; `learned` [samples]: the
    prototype that learned, -1 for none; `similarities` [samples, limit] before it learned.
    """

    predictions: np.ndarray
    learned: np.ndarray
    similarities: np.ndarray


class PrototypeNetwork(StreamingNetwork):
    """A head of prototypes in Lava's simulator, in the precision of the head.

    It goes on where the head is (in integers, after as many empty samples as that has seen, so that
    the random numbers are the same); the head itself does not change. Frames are [T, features] of 0
    and 1. Use it as a context manager. Raises ValueError for more steps than a learning epoch
    holds; a class without a free neuron ends the network with a LavaExecutionError.
    """

    def __init__(
        self,
        head: Head,
        time_steps: int,
        *,
        run_config: RunConfig | None = None,
        runtime: str | None = None,
    ) -> None:
        """Build and start; `run_config` is Loihi2SimCfg of the head's precision by default."""
        self._head, self._scales = head.copy(), head.scales(time_steps)
        whole = isinstance(self._scales.plasticity, IntegerPlasticity)
        self.spec = PrototypeShape(time_steps, (head.features,), head.features)
        self.dtype = np.int32 if whole else np.float64
        with quiet_processes():
            self._assemble(head)
        config = run_config or Loihi2SimCfg(select_tag="fixed_pt" if whole else "floating_pt")
        self.supervisor = Supervisor(self._source, config, runtime)
        self.supervisor.start()
        if self._whole and int(head.state()[SAMPLES][0]):
            self.restore(head.state())

    @property
    def steps_per_sample(self) -> int:
        """Lava time steps from one sample's start to the next: T + 1."""
        return int(self.spec.time_steps) + 1

    def run(self, frames: np.ndarray) -> PrototypeResult:  # type: ignore[override]
        """Inference, learning switched off: `frames` [samples, T, features]."""
        return self.outcomes(((frame, None) for frame in frames), len(frames))

    def learn(  # type: ignore[override]
        self, frames: np.ndarray, labels: np.ndarray
    ) -> PrototypeResult:
        """Learn from one sample after the other, in order; `labels` int [samples]."""
        return self.outcomes(zip(frames, labels, strict=True), len(frames))

    def outcomes(
        self,
        samples: Iterable[Sample],
        count: int,
        on_sample: Callable[[], None] = lambda: None,
    ) -> PrototypeResult:
        """Stream `count` samples (frames [T, features], class or None) in order; as `stream`."""
        answers = self.stream(samples, count, on_sample).outputs[:, 0]
        whole = answers[:, :2].astype(np.int64)
        return PrototypeResult(whole[:, 0], whole[:, 1], answers[:, 2:])

    def state(self) -> dict[str, np.ndarray]:
        """What the head's `state` is, read from the running processes between two samples."""
        self.supervisor.require_runtime()
        found = {name: read_var(var) for name, var in self._variables().items()}
        if self._whole:
            found[WEIGHTS] = found[WEIGHTS].astype(np.int64)
            found[SAMPLES] = np.array([self._streamed])
        return found

    def snapshot(self) -> Any:
        """Return a head with what the network has learned."""
        head = self._head.copy()
        head.restore(self.state())
        return head

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from such a state, of this network's or of the host's head.

        In integers as many empty samples are run as the state is ahead, so that the random numbers
        are where they were. Raises ValueError, before any change, for what does not fit, and for
        integers of which Lava would drop the lowest bit, at its first step.
        """
        self.supervisor.require_runtime()
        arrays = self._checked_state(state)
        if self._whole:
            ahead = int(arrays.pop(SAMPLES)[0]) - self._streamed
            if not self.supervisor.has_run and ahead <= 0 and (arrays[WEIGHTS] & 1).any():
                raise ValueError(
                    "restore: at its first step Lava drops the lowest bit of integer weights; run "
                    "a sample before"
                )
            self._run_blanks(max(0, ahead))
        for name, var in self._variables().items():
            write_var(var, arrays[name])

    def send_sample(self, frames: np.ndarray, label: Any | None) -> None:
        """Hand the source a sample [T, features] and its class; None switches learning off."""
        frames = self._checked(np.asarray(frames)[np.newaxis])[0]
        target: np.ndarray = np.zeros((self.spec.time_steps, 2), self.dtype)
        if label is not None:
            require_integer("prototypes: label", label, 0, LABEL_MAX)
            target[:] = label, 1
        self._send(frames, target)

    def _assemble(self, head: Head) -> None:
        state, plasticity = head.state(), self._scales.plasticity
        steps, features = self.spec.time_steps, head.features
        schedule = Schedule("prototypes", 1, steps, steps + 1, 1)
        self._source: Any = SpikeSource(
            schedule=schedule, inputs=features, classes=1, always_on=False, name="source"
        )
        rule = learning_rule(plasticity)
        self._synapses = LearningDense(weights=state[WEIGHTS], learning_rule=rule, name=WEIGHTS)
        self._neurons = PrototypeNeurons(
            scales=self._scales,
            features=features,
            labels=state[LABELS],
            seen=state[SEEN],
            novelty=head.novelty,
            name="prototypes",
        )
        self._connect(Eraser(schedule=schedule, shape=(features,), name="trace.eraser"))

    def _connect(self, eraser: Eraser) -> None:
        source, synapses, neurons = self._source, self._synapses, self._neurons
        source.s_out.connect(synapses.s_in)
        source.spikes_out.connect(neurons.s_in)
        source.target_out.connect(neurons.target_in)
        synapses.a_out.connect(neurons.a_in)
        neurons.y1_out.connect(synapses.s_in_y1)
        neurons.y2_out.connect(synapses.s_in_y2)
        eraser.variable.connect_var(synapses.x1)

    @property
    def _whole(self) -> bool:
        return self.dtype != np.float64

    def _variables(self) -> dict[str, Any]:
        neurons = self._neurons
        return {WEIGHTS: self._synapses.weights, LABELS: neurons.labels, SEEN: neurons.seen}

    def _checked_state(self, state: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        shapes = {name: tuple(var.shape) for name, var in self._variables().items()}
        shapes |= {SAMPLES: (1,)} if self._whole else {}
        arrays = check_saved_state(state, shapes, whole=self._whole)
        low, high = WEIGHT_LIMITS if self._whole else (-np.inf, np.inf)
        if arrays[WEIGHTS].min() < low or arrays[WEIGHTS].max() > high:
            raise ValueError(f"state 'weights' holds weights beyond {low}..{high}; save it again")
        require_labels(arrays[LABELS], arrays[SEEN])
        if self._whole:
            arrays = {name: values.astype(np.int64) for name, values in arrays.items()}
            require_integer("state 'samples'", int(arrays[SAMPLES][0]), 0, 2**31 - 1)
        return arrays

    def _inputs(self) -> tuple[Any, Any]:
        ports = (self._source.frames_in, self._source.target_in)
        frames, target = (port.external_pipe_csp_send_port for port in ports)
        return frames, target

    def _outputs(self) -> dict[str, Any]:
        return {"": self._neurons.answer_host.external_pipe_csp_recv_port}

    def _result(self, received: dict[str, np.ndarray]) -> RunResult:
        return RunResult(received[""][np.newaxis], {})
