"""The integer engine: runs and learns a `FixedNetworkSpec`, bit for bit as Lava's `fixed_pt` does.

It is to integers what `onchip.engine.engine` is to floating point. It computes algorithmic steps,
but keeps count of the Lava steps of the schedule: the roundings of traces and weights depend on
them. Sums of products run through floating point where that is exact (below 2^53), for speed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from onchip.engine.inputs import check_batch, check_binary, check_frames
from onchip.engine.integer_layers import INTEGER_LIMITS, load_layers
from onchip.engine.learning import EpochLearner, Factors, Spikes
from onchip.engine.loihi_synapses import SynapseState
from onchip.engine.state import State, check_state, flatten, unflatten
from onchip.network.partition import split_trunk
from onchip.objectives.given import check_labels
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.timetable import Schedule, make_schedule
from onchip.sealed import Sealed

Recorder = Callable[[str, np.ndarray], None]
"""Called as `recorder(layer name, output [batch, ...])` at every step."""


class FixedEngine(Sealed):
    """Runs a network of integers for a batch of samples, or learns from one after the other.

    Use `run` and `learn` for whole samples, or `reset`, `step` and `finish` to own the time loop.
    Input frames must be binary. The weights' lowest bit is dropped on loading (see
    `FixedDenseSpec`). Raises ValueError for a network that its schedule cannot execute.
    """

    def __init__(self, spec: FixedNetworkSpec) -> None:
        self.spec = spec
        schedule: Schedule | None = None
        if spec.learning is not None:
            schedule = make_schedule(spec.learning.schedule, split_trunk(spec)[1])
        self._layers = load_layers(spec, schedule)
        self._learner: EpochLearner | None = None
        if spec.learning is not None and schedule is not None:
            learning_layers = self._layers[len(self._layers) - len(spec.learning_layers) :]
            self._learner = EpochLearner(spec.learning, schedule, learning_layers)
        self._steps, self._learning = 0, False
        self.reset(1)

    def reset(self, batch: int = 1) -> None:
        """Start a sample: membranes and spikes to zero for `batch` samples.

        Of an unfinished sample, traces and tags are dropped; what it learned online and the random
        numbers that it drew are not taken back.
        """
        if self._learning and self._learner is not None:
            self._learner.drop()
        self._batch = batch
        self._begin()
        for layer in self._layers:
            layer.reset(batch)

    def step(
        self,
        frame: np.ndarray,
        targets: np.ndarray | None = None,
        recorder: Recorder | None = None,
    ) -> np.ndarray:
        """One time step: binary `frame` [batch, *input_shape] -> output int64 [batch, classes].

        With one-hot `targets` [1, classes] the network also learns from this step, which needs a
        batch of 1. Values of the frame are not checked here, `run` and `learn` do. Raises
        ValueError for targets that do not fit.
        """
        x = np.asarray(frame).astype(np.int64)
        check_batch(x, self._batch)
        target = None if targets is None else self._start_learning(targets)
        if self._learner is not None and self._learner.pipelined:
            output = self._pipelined_step(self._learner, x, target, recorder)
        else:
            output = self._sequenced_step(x, target, recorder)
        self._steps += 1
        return output

    def finish(self) -> None:
        """End a sample: apply what is still delayed or has accumulated, forget the traces.

        The random numbers of samples that were only run are used up as well, as in Lava.
        """
        if self._steps == 0:
            return
        if self._learner is not None and self._learning:
            self._learner.finish(self._pending)
        elif self._learner is not None:
            self._learner.idle(self._batch, self._steps)
        self._begin()

    def run(self, frames: np.ndarray, recorder: Recorder | None = None) -> np.ndarray:
        """Inference: `frames` [samples, T, *input_shape] -> outputs int64 [samples, T, classes].

        Outputs are membrane integers (0 and 1 for a spiking readout).
        """
        frames = self._frames(frames)
        self.reset(len(frames))
        steps = [self.step(frames[:, n], None, recorder) for n in range(frames.shape[1])]
        self.finish()
        return np.stack(steps, axis=1)

    def learn(
        self, frames: np.ndarray, labels: np.ndarray, recorder: Recorder | None = None
    ) -> np.ndarray:
        """Learn from one sample after the other; as `run`, with integer `labels` [samples]."""
        self._require_learner()
        frames = self._frames(frames)
        labels = check_labels(labels, len(frames), self.spec.classes)
        targets = np.eye(self.spec.classes, dtype=np.int64)[labels]
        pairs = zip(frames, targets, strict=True)
        return np.stack([self._learn_sample(*pair, recorder) for pair in pairs])

    def snapshot(self) -> FixedNetworkSpec:
        """The spec with the present weights."""
        return replace(self.spec, layers=tuple(layer.learned() for layer in self._layers))

    def potentials(self) -> dict[str, np.ndarray]:
        """Layer name -> membrane potential u[n] [batch, ...] of the last step (a copy)."""
        return {layer.spec.name: layer.neuron.u.copy() for layer in self._layers}

    def spikes(self) -> dict[str, np.ndarray]:
        """Layer name -> spikes s[n] [batch, ...] of the last step (a copy); zeros of a readout."""
        return {layer.spec.name: layer.neuron.spikes.copy() for layer in self._layers}

    def synapses(self, name: str, recurrent: bool = False) -> SynapseState:
        """The present state of a plastic layer's synapses, copied: weights, tag, x1."""
        for layer in self._layers:
            connection = layer.recurrent if recurrent else layer.incoming
            if layer.spec.name == name and layer.spec.plastic and connection is not None:
                state = connection.state
                copies = {name: getattr(state, name).copy("K") for name in ("weights", "tag", "x1")}
                return state._replace(**copies)
        raise ValueError(f"layer {name!r} has no such plastic synapses")

    def state(self) -> State:
        """Everything that changes, between samples: "layer.array" -> a copy, whole numbers.

        "u" and "spikes" [batch, ...] of all layers, int64; of plastic ones "weight" [post, pre] and
        "bias_weight" [post] as in `FixedDenseSpec`, "tag" [post, inputs] and "x1" [inputs] with the
        always-on unit last, int32, and "epochs" [1], how far the random numbers are used up; the
        same as "recurrent_weight", "recurrent_tag", ... Raises ValueError within a sample.
        """
        if self._steps:
            raise ValueError(
                f"engine: {self._steps} steps of an unfinished sample; call finish() first"
            )
        return flatten({layer.spec.name: layer.state() for layer in self._layers})

    def restore(self, state: State) -> None:
        """Continue from a `state` of this network as if it had never stopped, bit for bit.

        Nothing changes if it does not fit. Raises ValueError for missing or unknown names, other
        shapes or types, values out of range, and within a sample.
        """
        check_state(state, self.state(), INTEGER_LIMITS)
        self._batch = len(state[f"{self.spec.layers[0].name}.u"])
        for layer in self._layers:
            layer.restore(unflatten(state, layer.spec.name))

    # -- stepping -----------------------------------------------------------------------------

    def _frames(self, frames: np.ndarray) -> np.ndarray:
        frames = check_frames(frames, self.spec)
        check_binary(frames)
        return frames.astype(np.int64)

    def _begin(self) -> None:
        """Nothing has happened yet in this sample."""
        self._steps, self._learning = 0, False
        self._unlearned: list[Spikes] = []
        self._pending: Factors = {} if self._learner is None else self._learner.silent

    def _require_learner(self) -> EpochLearner:
        if self._learner is None:
            raise ValueError("network: it has no learning section; quantise one that has")
        return self._learner

    def _start_learning(self, targets: np.ndarray) -> np.ndarray:
        """The target [classes]; at a sample's first one, the synapses catch up on its steps."""
        learner, targets = self._require_learner(), np.asarray(targets)
        expected = (1, self.spec.classes)
        if self._batch != 1 or targets.shape != expected:
            raise ValueError(
                f"targets have shape {targets.shape} for a batch of {self._batch}; integers learn "
                f"from one sample at a time: reset(1), then one-hot targets of shape {expected}"
            )
        if np.count_nonzero(targets) != 1 or targets.max() != 1:
            raise ValueError(f"targets are {targets[0]}; they must be one-hot, a 1 at the class")
        if not self._learning:
            self._catch_up(learner)
        return targets[0]

    def _catch_up(self, learner: EpochLearner) -> None:
        """Go through the epochs of the steps so far, in which nothing was to be learned."""
        self._learning = True
        learner.start()
        for spikes in self._unlearned:
            learner.epoch(spikes, learner.silent)
        self._unlearned = []

    def _learn_sample(
        self, frames: np.ndarray, target: np.ndarray, recorder: Recorder | None
    ) -> np.ndarray:
        """Learn from one sample [T, *input_shape] -> outputs [T, classes]."""
        self.reset(1)
        targets = target[np.newaxis]
        outputs = [self.step(frame[np.newaxis], targets, recorder) for frame in frames]
        self.finish()
        return np.concatenate(outputs)

    def _learn_epoch(self, spikes: Spikes, factors: Factors) -> None:
        """Learn, or keep the spikes of a single sample in case targets follow."""
        if self._learning:
            self._require_learner().epoch(spikes, factors)
        elif self._learner is not None and self._batch == 1:
            self._unlearned.append(spikes)
            if len(self._unlearned) > self.spec.time_steps:  # no stream may fill the memory
                self._catch_up(self._learner)

    def _received(self) -> Spikes:
        """What the plastic synapses got in this step, of the batch's first sample."""
        plastic = (layer for layer in self._layers if layer.spec.plastic)
        return {layer.spec.name: (layer.received[0][0], layer.received[1][0]) for layer in plastic}

    def _factors(self, output: np.ndarray, target: np.ndarray | None) -> Factors:
        if self._learner is None:
            return {}
        if target is None:
            return self._learner.silent
        return self._learner.factors(output.reshape(-1), target)

    def _sequenced_step(
        self, x: np.ndarray, target: np.ndarray | None, recorder: Recorder | None
    ) -> np.ndarray:
        """All layers, then the factors, then every synapse learns."""
        for layer in self._layers:
            x = layer.fire(layer.activation(x))
            if recorder is not None:
                recorder(layer.spec.name, x)
        self._learn_epoch(self._received(), self._factors(x, target))
        return x.reshape(len(x), -1).copy()  # a readout's is its membrane

    def _pipelined_step(
        self,
        learner: EpochLearner,
        x: np.ndarray,
        target: np.ndarray | None,
        recorder: Recorder | None,
    ) -> np.ndarray:
        """The last layer's synapses send, then learn from the step before; then it answers."""
        *trunk, last = self._layers
        for layer in trunk:
            x = layer.fire(layer.activation(x))
            if recorder is not None:
                recorder(layer.spec.name, x)
        activation = last.activation(x)
        self._learn_epoch(self._received(), self._pending)
        x = last.fire(activation)
        if recorder is not None:
            recorder(last.spec.name, x)
        self._pending = self._factors(x, target)
        return x.reshape(len(x), -1).copy()  # a readout's is its membrane
