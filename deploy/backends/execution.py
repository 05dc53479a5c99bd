"""One interface to every execution of a network: run, evaluate, learn, snapshot.

Frozen convolutions, and all below them, are evaluated here, on NumPy, once for a batch of samples,
and their spikes are handed to what the backend executes; unless it executes them as well.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, NamedTuple, Protocol

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.deploy.backends.engine_network import EngineNetwork, join
from onchip.deploy.backends.host import chunks, progress_bar
from onchip.deploy.backends.inputs import check_given, check_inputs
from onchip.engine.engine import Engine
from onchip.execution import Closing, RunResult, Sample
from onchip.network.partition import join_trunk, split_trunk
from onchip.objectives.given import check_labels
from onchip.program.graphs import AnyNetwork, as_graph


class BackendNetwork(Protocol):
    """What a backend provides. `frames` are [samples, T, *input_shape], `labels` [samples]."""

    def run(self, frames: np.ndarray) -> RunResult:
        """Inference, learning off."""

    def stream(
        self, samples: Iterable[Sample], count: int, on_sample: Callable[[], None]
    ) -> RunResult:
        """`count` samples one after the other: learning where they have a label, else inference.

        They are taken from the iterable as it gets to them; `on_sample` is called after each.
        """

    def state(self) -> dict[str, np.ndarray]:
        """All that changes, by name, between two samples."""

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from such a state."""

    def snapshot(self) -> Any:
        """The spec with the present weights."""

    def close(self) -> None:
        """Give back what the network holds; it may be called twice."""


class LearnResult(NamedTuple):
    """What learning from a stream gave.

    `outputs` [samples, T, classes] and `spikes` (as in `RunResult`) while learning; `predictions`
    of every `measure`-th sample *before* it was learned from, with learning off, or None where none
    was measured; `seconds` from each sample's predecessor to its end, without the measured runs (a
    trunk on the host is evaluated for many samples at once and counts for the one that waited).
    """

    outputs: np.ndarray
    spikes: dict[str, np.ndarray]
    predictions: np.ndarray | None
    seconds: float

    @property
    def samples(self) -> int:
        """Number of samples learned from."""
        return len(self.outputs)

    @property
    def steps_per_second(self) -> float:
        """Algorithmic time steps learned from per second."""
        return self.samples * self.outputs.shape[1] / max(self.seconds, 1e-9)


class Execution(Closing):
    """A network on some backend: a context manager that releases it at the end.

    The spec's type decides the precision; outputs of an integer network are membrane integers.
    """

    def __init__(
        self,
        spec: AnyNetwork,
        make: Callable[[Any], BackendNetwork],
        record: bool = False,
        whole: bool = False,
    ) -> None:
        """Build the rest with `make`; `record` keeps every layer's spikes in the results.

        With `whole`, `make` gets the convolutions as well and nothing is evaluated here.
        """
        self.spec = spec
        self._graph = as_graph(spec)
        convolutions, head = (None, spec) if whole else split_trunk(spec)
        self._trunk = None if convolutions is None else EngineNetwork(Engine(convolutions), record)
        self._network = make(head)

    def run(self, frames: np.ndarray, progress: bool = False) -> RunResult:
        """Inference: `frames` [samples, T, *input_shape]; ValueError when they do not fit."""
        frames = check_inputs(frames, self._graph)
        return join(self._run_head(*self._features(part)) for part in chunks(frames, progress))

    def evaluate(self, frames: np.ndarray, labels: np.ndarray, progress: bool = False) -> float:
        """Fraction of the samples whose prediction is their label."""
        frames = check_inputs(frames, self._graph)
        labels = check_labels(labels, len(frames), self.spec.classes)
        return float((self.run(frames, progress).predictions == labels).mean())

    def learn(
        self,
        frames: np.ndarray,
        labels: np.ndarray,
        measure: int = 0,
        progress: bool = False,
    ) -> LearnResult:
        """Learn from each labelled sample once, in order.

        `labels` are integers [samples], or what the network's objective takes as targets.

        With `measure` = k every k-th sample (True or 1: each), from the first on, is predicted with
        learning off before it is learned from.
        Raises ValueError for frames or labels that do not fit and for a network without learning.
        """
        if self.spec.learning is None:
            raise ValueError(
                "network: it has no learning section; export it with --plastic or use "
                "onchip.network.learning.with_learning"
            )
        frames = check_inputs(frames, self._graph)
        labels = check_given(labels, self._graph, len(frames))
        every = int(measure) if isinstance(measure, bool) else measure
        require_integer("learn: measure", every, 0, 2**31)
        learning = _Learning(len(frames), measure)
        with progress_bar("learning", len(frames), progress) as bar:
            samples = learning.samples(self._samples(frames), labels)
            result = self._network.stream(samples, learning.count, learning.counting(bar.update))
        return learning.result(result)

    def state(self) -> dict[str, np.ndarray]:
        """All that changes, copies by name: weights, traces, membranes, between two samples.

        The names are those of the backend; the same kind of execution of the same spec takes the
        state back (`restore`). ValueError for a backend that keeps none.
        """
        return self._network.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned; ValueError, before any change, where it does not fit.

        Backend numpy and lava-fused go on exactly. On lava and lava-fast the random numbers that
        round integer weights are not set back.
        """
        self._network.restore(state)

    def snapshot(self) -> Any:
        """The whole network's spec with the present weights."""
        return join_trunk(self.spec, self._network.snapshot())

    def close(self) -> None:
        """Release the backend."""
        self._network.close()

    def _features(self, frames: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What the dense part receives, and the trunk's recorded spikes."""
        if self._trunk is None:
            return frames, {}
        result = self._trunk.run(frames)
        return result.outputs, result.spikes

    def _run_head(self, features: np.ndarray, spikes: dict[str, np.ndarray]) -> RunResult:
        result = self._network.run(features)
        return RunResult(result.outputs, {**spikes, **result.spikes})

    def _samples(self, frames: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """(features [T, ...], trunk spikes [1, T, ...]) of one sample after the other."""
        for part in chunks(frames):
            features, spikes = self._features(part)
            for k, sample in enumerate(features):
                yield sample, {name: values[k : k + 1] for name, values in spikes.items()}


class _Learning:
    """Orders the samples of a stream of learning and takes its results apart again.

    Every `measure`-th sample comes twice, first with learning off.
    """

    def __init__(self, samples: int, measure: int) -> None:
        self.count = samples + (-(-samples // measure) if measure else 0)
        self._measure = int(measure)
        self._learned: list[bool] = []
        self._trunk: list[dict[str, np.ndarray]] = []
        self._seconds = 0.0

    def samples(
        self,
        features: Iterable[tuple[np.ndarray, dict[str, np.ndarray]]],
        labels: np.ndarray,
    ) -> Iterator[Sample]:
        """What `BackendNetwork.stream` takes."""
        for i, (frames, spikes) in enumerate(features):
            self._trunk.append(spikes)
            if self._measure and i % self._measure == 0:
                self._learned.append(False)
                yield frames, None
            self._learned.append(True)
            yield frames, labels[i]

    def counting(self, update: Callable[[], None]) -> Callable[[], None]:
        """What to call after each sample: adds up the seconds of those learned from."""
        done, last = 0, time.perf_counter()

        def on_sample() -> None:
            nonlocal done, last
            now = time.perf_counter()
            if self._learned[done]:
                self._seconds += now - last
                update()
            done, last = done + 1, now

        return on_sample

    def result(self, streamed: RunResult) -> LearnResult:
        """Outputs and spikes while learning, and the predictions before it."""
        learned = np.array(self._learned)
        names = self._trunk[0]
        trunk = {name: np.concatenate([s[name] for s in self._trunk]) for name in names}
        spikes = {name: values[learned] for name, values in streamed.spikes.items()}
        predictions = streamed.predictions[~learned] if self._measure else None
        outputs = streamed.outputs[learned]
        return LearnResult(outputs, {**trunk, **spikes}, predictions, self._seconds)
