"""One interface to every execution of a network: run, evaluate, learn, snapshot.

Frozen convolutions, and all below them, are evaluated here, on NumPy, once for a batch of samples,
and their spikes are handed to what the backend executes; unless it executes them as well.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, TypeVar

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.deploy.backends.engine_network import join
from onchip.deploy.backends.host import chunks, progress_bar, trunk_network
from onchip.deploy.backends.inputs import check_given, check_inputs, check_sample, require_learning
from onchip.deploy.backends.labelled import LabelledOrder, LearnResult
from onchip.deploy.backends.network import BackendNetwork
from onchip.deploy.backends.progress_files import (
    Progress,
    fingerprint,
    load_progress,
    save_progress,
)
from onchip.deploy.backends.rates import Rate, at_rate
from onchip.deploy.backends.streams import (
    Callbacks,
    Label,
    Streamed,
    StreamItem,
    StreamResult,
    plastic_weights,
    run_stream,
)
from onchip.execution import Closing, RunResult
from onchip.network.partition import join_trunk, split_trunk
from onchip.objectives.given import check_labels
from onchip.program.graphs import AnyNetwork, as_graph

Spec = TypeVar("Spec", bound=AnyNetwork)
"""The form in which a network is given and comes back."""


class Execution(Closing, Generic[Spec]):
    """A network on some backend: a context manager that releases it at the end.

    The spec's type decides the precision; outputs of an integer network are membrane integers.
    """

    def __init__(
        self,
        spec: Spec,
        make: Callable[[Any], BackendNetwork],
        record: bool = False,
        whole: bool = False,
        origin: Mapping[str, str] = MappingProxyType({}),
    ) -> None:
        """Build the rest with `make`; `record` keeps every layer's spikes in the results.

        With `whole`, `make` gets the convolutions as well and nothing is evaluated here. `origin`
        (backend, schedule) is what a saved state is known by, beside the network.
        """
        self.spec: Spec = spec
        self._graph = as_graph(spec)
        convolutions, head = self._parts(spec, whole)
        self._trunk = None if convolutions is None else trunk_network(convolutions, record)
        self._make, self._whole, self._origin = make, whole, dict(origin)
        self._network = make(head)
        self._done, self._has_run = 0, False
        self._rates: Rate | None = None

    def __repr__(self) -> str:
        return f"Execution on {self._origin.get('backend')}, {self._done} samples\n{self.spec!r}"

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

        `labels` are integers [samples], or what the network's objective takes as targets. With
        `measure` = k every k-th sample (True or 1: each), from the first on, is predicted with
        learning off before it is learned from. Raises ValueError for frames or labels that do not
        fit and for a network without learning.
        """
        require_learning(self._graph)
        frames = check_inputs(frames, self._graph)
        labels = check_given(labels, self._graph, len(frames))
        every = int(measure) if isinstance(measure, bool) else measure
        require_integer("learn: measure", every, 0, 2**31)
        learning, self._has_run = LabelledOrder(len(frames), measure), True
        with progress_bar("learning", len(frames), progress) as bar:
            samples = learning.samples(self._each(frames), labels)
            result = self._network.stream(samples, learning.count, learning.counting(bar.update))
        self._done += len(frames)
        return learning.result(result)

    def stream(
        self,
        samples: Iterable[StreamItem],
        on_sample: Callbacks = None,
        *,
        measure: int = 0,
        changes: bool = False,
        progress: bool = False,
    ) -> StreamResult:
        """Take samples from any iterable, a generator for example, one when the last is done.

        A sample is frames [T, *input_shape], or (frames, label): learned from where there is a
        label (a class, or targets as the network's objective takes them), else run with learning
        off. `on_sample`, one or several, get a `SampleEvent` after each, may change the rate, save
        and end the stream by returning True. With `measure` = k every k-th sample is predicted
        before it is learned from. `changes` puts into each event by how much the weights changed.
        Raises ValueError for a sample that does not fit, naming it; those before it are learned.
        """
        parts = Streamed(self._check_item, self._one, self.weights, self._count)
        return run_stream(parts, samples, on_sample, measure, changes, progress)

    @property
    def samples(self) -> int:
        """Number of samples that `learn` and `stream` went through, before `resume` too."""
        return self._done

    def set_learning_rate(self, learning_rate: Rate) -> None:
        """Go on with another learning rate, or with one for each population that learns, by name.

        Everything else stays, the random numbers too. Raises ValueError, before any change, for a
        rate that the network cannot have and for a backend without `state`.
        """
        state = self._network.state() if self._has_run else None
        changed = at_rate(self.snapshot(), learning_rate)
        other = self._make(self._parts(changed, self._whole)[1])
        try:
            if state is not None:
                other.restore(state)
        except BaseException:
            other.close()
            raise
        self._network.close()
        self._network, self.spec, self._rates = other, changed, learning_rate

    def save(self, path: str | Path) -> None:
        """Write all that changes between two samples to a file that `resume` goes on from."""
        come = Progress(self._known_by(), self._done, self._has_run, self._rates, self.state())
        save_progress(Path(path), come)

    def resume(self, path: str | Path) -> int:
        """Go on from what `save` wrote, in this process or another; returns `samples`.

        It goes on exactly, where the row in `BACKENDS` says so. Raises FileNotFoundError, and
        ValueError for a damaged file, another network (weights that learn may differ) or backend,
        and for an execution that has run.
        """
        if self._has_run:
            raise ValueError("resume: this network has run already; build a new one")
        progress = load_progress(Path(path), self._known_by())
        if progress.rates is not None:
            self.set_learning_rate(progress.rates)
        if progress.has_run:
            self._network.restore(progress.state)
        self._done, self._has_run = progress.samples, progress.has_run
        return self._done

    def state(self) -> dict[str, np.ndarray]:
        """All that changes, copies by name: weights, traces, membranes, between two samples.

        The names are those of the backend; the same kind of execution of the same spec takes the
        state back (`restore`). ValueError for a backend that keeps none.
        """
        return self._network.state()

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state` returned; ValueError, before any change, where it does not fit.

        A new execution goes on exactly, where the row in `BACKENDS` says so. In one of lava and
        lava-fast that has run more samples than the state the random numbers are not set back.
        """
        self._network.restore(state)

    def snapshot(self) -> Spec:
        """The whole network's spec with the present weights."""
        return join_trunk(self.spec, self._network.snapshot())

    def weights(self) -> dict[str, np.ndarray]:
        """The present weights of the connections that learn, copies by name."""
        return plastic_weights(self.snapshot())

    def close(self) -> None:
        """Release the backend."""
        self._network.close()

    @staticmethod
    def _parts(spec: AnyNetwork, whole: bool) -> tuple[Any, Any]:
        """The convolutions that are evaluated here, or None, and the rest."""
        return (None, spec) if whole else split_trunk(spec)

    def _known_by(self) -> dict[str, str]:
        return {"network": fingerprint(self.spec), **self._origin}

    def _check_item(self, item: StreamItem, index: int) -> tuple[np.ndarray, Label]:
        """Frames [1, T, *input_shape] and the label of a stream's sample."""
        frames, label = item if isinstance(item, tuple) else (item, None)
        return check_sample(f"stream: sample {index}", frames, label, self._graph), label

    def _one(self, frames: np.ndarray, label: Label) -> RunResult:
        """Run one sample [1, T, *input_shape], or learn from it."""
        features, spikes = self._features(frames)
        self._has_run = True
        result = self._network.stream([(features[0], label)], 1, lambda: None)
        return RunResult(result.outputs, {**spikes, **result.spikes})

    def _count(self) -> None:
        self._done += 1

    def _features(self, frames: np.ndarray) -> tuple[np.ndarray, dict[str, np.ndarray]]:
        """What the dense part receives, and the trunk's recorded spikes."""
        if self._trunk is None:
            return frames, {}
        result = self._trunk.run(frames)
        return result.outputs, result.spikes

    def _run_head(self, features: np.ndarray, spikes: dict[str, np.ndarray]) -> RunResult:
        self._has_run = True
        result = self._network.run(features)
        return RunResult(result.outputs, {**spikes, **result.spikes})

    def _each(self, frames: np.ndarray) -> Iterator[tuple[np.ndarray, dict[str, np.ndarray]]]:
        """(features [T, ...], trunk spikes [1, T, ...]) of one sample after the other."""
        for part in chunks(frames):
            features, spikes = self._features(part)
            for k, sample in enumerate(features):
                yield sample, {name: values[k : k + 1] for name, values in spikes.items()}
