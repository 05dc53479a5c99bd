"""The NumPy engine: steps a network through time and applies its learning rule.

It is the reference that the other executions are held to. All populations are evaluated within the
same step; the rule then uses that step's traces, potentials and error. One class runs programs in
floating point and in integers: they differ in their synapses (`onchip.engine.real_synapses`,
`onchip.engine.integer_synapses`) and in their learner. In integers it is equal to Lava's `fixed_pt`
bit for bit.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from onchip.checks import require_choice
from onchip.engine.compiled.samples import CompiledSamples
from onchip.engine.connections import connect
from onchip.engine.inputs import check_batch, check_samples
from onchip.engine.integer_learner import IntegerLearner
from onchip.engine.learner import NO_LEARNING, Signals, StepLearner
from onchip.engine.loihi_synapses import SynapseState
from onchip.engine.populations import EnginePopulation, Source
from onchip.engine.real_learner import RealLearner
from onchip.engine.state import INTEGER_LIMITS, State, check_state, flatten, unflatten
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.program.graphs import INTEGERS, AnyNetwork
from onchip.program.lower import learned, lower_for_engine
from onchip.sealed import Sealed

Recorder = Callable[[str, np.ndarray], None]
"""Called as `recorder(population name, output [batch, ...])` at every step."""


class Engine(Sealed):
    """Runs and trains a network, step by step, for a batch of samples at a time.

    In floating point `dtype` is float64 (the reference) or float32, and a batch learns by the mean
    of its samples' gradients; integers are int64, need binary frames and learn from one sample
    after the other; with `ahead` by the random numbers of a Lava network that runs the frozen
    convolutions as well, whose samples take more learning epochs. Use `run` and `learn` for whole
    samples, or `reset`, `step` and `finish` to own the time loop. With `compiled` whole samples are
    learned from by compiled kernels, and run by them where few inputs spike: the same integers,
    floats up to rounding, which learning magnifies. `run_from` lets them run calls of `run` of so
    many products of a weight and an input whoever learns (0 with `compiled`). Otherwise, and where
    kernels cannot compute a network (`compiled` and `compiled_runs` tell), NumPy computes it, which
    is the reference. Raises ValueError for a network of integers that its schedule cannot execute.
    """

    def __init__(
        self,
        spec: AnyNetwork,
        dtype: Any = np.float64,
        ahead: bool = False,
        *,
        compiled: bool = False,
        run_from: int | None = None,
    ) -> None:
        """Copy the network's weights; no state is kept from earlier engines."""
        self.spec = spec
        self._program = program = lower_for_engine(spec, ahead)
        self._integers = program.numbers == INTEGERS
        require_choice("engine: dtype", np.dtype(dtype).name, ("float64", "float32"))
        self.dtype = np.dtype(np.int64 if self._integers else dtype)
        self._input, self._always_on = Source(), Source()
        self._by_name = {p.name: EnginePopulation(p, self.dtype) for p in program.populations}
        outside = {INPUT: self._input, ALWAYS_ON: self._always_on}
        connect(program, {**outside, **self._by_name}, self._by_name, self.dtype)
        self._layers = list(self._by_name.values())
        self._readout = self._layers[-1]
        self._plastic = [i.synapses for layer in self._layers for i in layer.plastic]
        delayed = {s.source for s in program.synapses if s.delay}
        self._remembering = [self._by_name[name] for name in delayed]
        self._learner: StepLearner = (
            IntegerLearner(program, self._by_name)
            if self._integers
            else RealLearner(program, self._by_name, self.dtype)
        )
        kernels = (program, self._by_name, self.dtype, compiled, run_from, self._replay)
        self._kernels = CompiledSamples(*kernels)
        self.compiled, self.compiled_runs = self._kernels.learning, self._kernels.running
        self.reset(1)

    def reset(self, batch: int = 1) -> None:
        """Start a sample: membranes, spikes and traces to zero for `batch` samples.

        What is left of an unfinished sample is dropped; `finish` applies it.
        """
        self._kernels.forget(states=False)
        self._begin(batch)
        for layer in self._layers:
            layer.reset(batch)

    def _begin(self, batch: int) -> None:
        self._batch = batch
        self._always_on.spikes = np.ones((batch, 1), self.dtype)
        self._learner.start(batch)

    def step(
        self,
        frame: np.ndarray,
        targets: np.ndarray | None = None,
        recorder: Recorder | None = None,
    ) -> np.ndarray:
        """One time step: `frame` [batch, *input_shape] -> output [batch, classes].

        With `targets` [batch, classes] (one-hot for classes) the network also learns from this
        step. In integers values of the frame are not checked here, `run` and `learn` do. Raises
        ValueError for a batch other than that of `reset` and for targets that do not fit.
        """
        self._kernels.forget()
        x = np.asarray(frame).astype(self.dtype, copy=False)
        check_batch(x, self._batch)
        target = None if targets is None else self._learner.target(targets)
        self._input.spikes = x
        for layer in self._remembering:
            layer.before = layer.spikes
        for layer in self._layers:
            current = layer.current()
            if layer is self._readout:
                self._learner.before_output()
            output = layer.fire_and_tell(current) if layer.tells else layer.fire(current)
            if recorder is not None:
                recorder(layer.neurons.name, output)
        output = output.reshape(len(output), -1).copy()  # a readout's is its membrane
        self._learner.after_step(output, target)
        return output

    def finish(self) -> None:
        """End a sample: apply what accumulated (OTTT_A) or is still delayed.

        In integers traces are zeroed, and the random numbers of samples that were only run are used
        up as well, as in Lava.
        """
        self._learner.finish()

    def run(self, frames: np.ndarray, recorder: Recorder | None = None) -> np.ndarray:
        """Inference: `frames` [samples, T, *input_shape] -> outputs [samples, T, classes].

        All samples run as one batch; the engine's state is reset before and left at the last step.
        Outputs of integers are membrane integers (0 and 1 for a spiking readout).
        """
        frames = check_samples(frames, self.spec, self._integers)
        if self._kernels.takes(frames):
            self._begin(len(frames))
            self._learner.idle(*frames.shape[:2])
            return self._kernels.run(frames, recorder)
        return self._run_batch(frames, None, recorder)

    def _replay(self, frames: np.ndarray) -> None:
        """Take the state that these samples leave; their random numbers are used up already."""
        self.reset(len(frames))
        for n in range(frames.shape[1]):
            self.step(frames[:, n])
        self._learner.start(len(frames))

    def learn(
        self, frames: Any, labels: Any, recorder: Recorder | None = None, prepared: bool = False
    ) -> np.ndarray:
        """Learn from samples: as `run`, with integer `labels` [samples].

        Or with what the network's objective takes as targets, such as [samples, T, outputs]; where
        they are `prepared` its `targets` has made them of that already.
        """
        learning = self._program.graph.learning
        if learning is None:
            raise ValueError(NO_LEARNING)
        if self.compiled.active:
            answers = self._kernels.learn(frames, labels, self._begin, recorder, prepared)
            if answers is not None:
                return answers
        frames = check_samples(frames, self.spec, self._integers)
        steps, outputs = frames.shape[1], self._program.classes
        targets = labels
        if not prepared:
            targets = learning.objective.targets(labels, len(frames), steps, outputs)
        size = self._learner.samples_at_once or len(frames)
        parts = [slice(start, start + size) for start in range(0, len(frames), size)]
        learned = [self._run_batch(frames[p], targets[p], recorder) for p in parts]
        return learned[0] if len(learned) == 1 else np.concatenate(learned)

    def _run_batch(
        self, frames: np.ndarray, targets: np.ndarray | None, recorder: Recorder | None
    ) -> np.ndarray:
        self.reset(len(frames))
        given = frames.shape[1] * [None] if targets is None else targets.swapaxes(0, 1)
        steps = [self.step(frames[:, n], target, recorder) for n, target in enumerate(given)]
        self.finish()
        return np.stack(steps, axis=1)

    def compile(self) -> None:
        """Compile the kernels now, if any, rather than at the first sample: seconds."""
        self._kernels.compile()

    def snapshot(self) -> Any:
        """The network with the present weights, in the form in which it was given."""
        self._kernels.give_back(states=False)
        weights = {group.synapses.name: group.learned() for group in self._plastic}
        return learned(self._program, weights)

    def potentials(self) -> dict[str, np.ndarray]:
        """Population -> membrane potential u[n] [batch, ...] of the last step (a copy)."""
        self._kernels.give_back()
        return {name: layer.neuron.u.copy() for name, layer in self._by_name.items()}

    def spikes(self) -> dict[str, np.ndarray]:
        """Population -> spikes s[n] [batch, ...] of the last step (a copy); zeros of a readout."""
        self._kernels.give_back()
        return {name: layer.neuron.spikes.copy() for name, layer in self._by_name.items()}

    def signals(self) -> dict[str, Signals]:
        """Population -> error and factor of the sample's last learned step (copies).

        Raises ValueError for an engine of compiled kernels, which keep none.
        """
        if self.compiled.active:
            raise ValueError("engine: compiled kernels keep no signals; leave compiled out")
        found = self._learner.signals
        return {n: Signals(*(np.array(array) for array in pair)) for n, pair in found.items()}

    def synapses(self, name: str, recurrent: bool = False) -> SynapseState:
        """The present state of a plastic layer's integer synapses, copied: weights, tag, x1."""
        self._kernels.give_back()
        wanted = f"{name}.{'recurrent' if recurrent else 'synapses'}"
        found: list[Any] = [s for s in self._plastic if s.synapses.name == wanted]
        if not found or not self._integers:
            raise ValueError(f"layer {name!r} has no such plastic synapses")
        return found[0].copied()

    def state(self) -> State:
        """Everything that changes, between samples: "population.array" -> a copy.

        `onchip.engine.state` names the arrays. Raises ValueError within a sample, while something
        waits for `finish`.
        """
        self._learner.require_finished()
        self._kernels.give_back()
        return flatten({name: layer.state() for name, layer in self._by_name.items()})

    def restore(self, state: State) -> None:
        """Continue from a `state` of this network as if it had never stopped.

        Nothing changes if it does not fit. Raises ValueError for missing or unknown names, other
        shapes or types, NaN, values out of range, and within a sample.
        """
        layers = self._by_name.items()
        batched = {f"{name}.{array}" for name, layer in layers for array in layer.batched()}
        check_state(state, self.state(), batched, INTEGER_LIMITS if self._integers else {})
        self._kernels.forget()
        for name, layer in self._by_name.items():
            layer.restore(unflatten(state, name))
        self._batch = len(self._layers[0].neuron.u)
