"""A head of prototypes that learns from a stream, on the host or in Lava, and is saved on the way.

The verbs are those of `onchip.deploy.backends.execution.Execution`: run, learn, stream, save,
resume, snapshot, close.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np

from onchip.checks import require_choice
from onchip.deploy.backends.progress_files import Progress, load_progress, save_progress
from onchip.deploy.backends.table import require_installed
from onchip.deploy.lifelong.prototypes import Prototypes
from onchip.engine.inputs import check_binary
from onchip.execution import Closing, Sample
from onchip.program.prototypes import FREE

Array = np.ndarray

HOST, STOCK, FAST = "host", "stock", "fast"

PLACES: dict[str, str] = {
    "numpy": HOST,
    "compiled": HOST,
    "torch": HOST,
    "auto": STOCK,
    "lava": STOCK,
    "lava-fast": FAST,
    "lava-fused": FAST,
    "lava-compiled": FAST,
}
"""Where a head learns, by backend: by `Prototypes` itself, by Lava's own model of the synapses, or
by this project's, which gives the same. No chip has the neurons of the head."""


@dataclass(frozen=True)
class Outcome:
    """What became of a sample of a stream: `index` from 0, its `label` (None: not learned from).

    `prediction` is the class of the most similar prototype before it learned (-1 without any),
    `learned` the prototype that did (-1: none), `similarities` [limit] those before.
    """

    index: int
    label: int | None
    prediction: int
    learned: int
    similarities: Array


class Outcomes(NamedTuple):
    """`predictions` and `learned` of samples [samples], as in `Outcome`."""

    predictions: Array
    learned: Array


class _Network(Protocol):
    """What runs a head: `onchip.lava.prototypes.PrototypeNetwork`, or `HostPrototypes`."""

    def outcomes(self, samples: Iterable[Sample], count: int) -> Any: ...
    def state(self) -> dict[str, Array]: ...
    def restore(self, state: Mapping[str, Array]) -> None: ...
    def snapshot(self) -> Any: ...
    def close(self) -> None: ...


class HostPrototypes:
    """A head that the host computes, with the verbs of the one in Lava."""

    def __init__(self, head: Prototypes) -> None:
        """Take a copy of it."""
        self._head = head.copy()

    def outcomes(self, samples: Iterable[Sample], count: int) -> Any:
        """Return (predictions, learned, similarities) of `count` samples."""
        found = [self._outcome(*sample) for sample, _ in zip(samples, range(count), strict=False)]
        return tuple(np.array(column) for column in zip(*found, strict=True))

    def state(self) -> dict[str, Array]:
        """As `Prototypes.state`."""
        return self._head.state()

    def restore(self, state: Mapping[str, Array]) -> None:
        """As `Prototypes.restore`."""
        self._head.restore(state)

    def snapshot(self) -> Prototypes:
        """Return a copy of the head."""
        return self._head.copy()

    def close(self) -> None:
        """Nothing is held."""

    def _outcome(self, spikes: Array, label: Any | None) -> tuple[int, int, Array]:
        similar = np.zeros(self._head.limit)
        taken = self._head.similarities(spikes.sum(axis=0, dtype=np.int64)[np.newaxis])[0]
        similar[: len(taken)] = taken
        winner = self._head.labels[int(taken.argmax())] if len(taken) else FREE
        if label is None:
            self._head.idle()
            return winner, FREE, similar
        return winner, self._head.learn(spikes, int(label)), similar


class PrototypeExecution(Closing):
    """A head on a backend; a context manager that ends it.

    `backend` is a name of `PLACES`; `runtime` as of `onchip.deploy.build`, for Lava's. The `head`
    that is given does not change: `snapshot` returns one that has learned.
    """

    def __init__(
        self,
        head: Prototypes,
        time_steps: int,
        backend: str = "lava-fast",
        runtime: str | None = None,
    ) -> None:
        """Build and start; ValueError for an unknown backend and for samples of too many steps."""
        require_choice("prototypes: backend", backend, PLACES)
        require_installed(backend)
        scales = head.scales(time_steps)
        self._shape, self._samples = (time_steps, head.features), 0
        known = (type(head).__name__, self._shape, head.limit, head.novelty, scales)
        digest = hashlib.sha256(repr(known).encode()).hexdigest()
        self._known_by = {"network": digest, "backend": backend}
        self._network = _network(head, time_steps, PLACES[backend], runtime)

    @property
    def samples(self) -> int:
        """Number of samples that went through, before `resume` too."""
        return self._samples

    def run(self, frames: Array) -> Outcomes:
        """Inference: `frames` [samples, T, features]."""
        return self._outcomes(frames, [None] * len(frames))

    def learn(self, frames: Array, labels: Array) -> Outcomes:
        """Learn from each sample once, in order; `labels` int [samples]."""
        return self._outcomes(frames, np.asarray(labels).tolist())

    def stream(
        self,
        samples: Iterable[tuple[Array, int | None]],
        on_sample: Callable[[Outcome], object] | None = None,
    ) -> Outcomes:
        """Take (frames, class or None) one at a time; a callback that returns True ends it."""
        predictions, learned = [], []
        for index, (frames, label) in enumerate(samples):
            found = self._through([self._checked(frames)], [label])
            predictions.append(int(found[0][0]))
            learned.append(int(found[1][0]))
            event = Outcome(index, label, predictions[-1], learned[-1], found[2][0])
            if on_sample is not None and on_sample(event) is True:
                break
        return Outcomes(np.array(predictions, np.int64), np.array(learned, np.int64))

    def save(self, path: str | Path) -> None:
        """Write all that changes to a file that `resume` goes on from."""
        state = self._network.state()
        save_progress(Path(path), Progress(self._known_by, self._samples, True, None, state))

    def resume(self, path: str | Path) -> int:
        """Go on exactly from what `save` wrote; returns `samples`.

        Raises FileNotFoundError, and ValueError for a damaged file, another head or backend, and
        for an execution that has run.
        """
        if self._samples:
            raise ValueError("resume: these prototypes have run already; build new ones")
        progress = load_progress(Path(path), self._known_by)
        self._network.restore(progress.state)
        self._samples = progress.samples
        return self._samples

    def state(self) -> dict[str, Array]:
        """All that changes, as `Prototypes.state`."""
        return self._network.state()

    def snapshot(self) -> Prototypes:
        """Return a head with what was learned."""
        head: Prototypes = self._network.snapshot()
        return head

    def close(self) -> None:
        """End what runs; it may be called twice."""
        self._network.close()

    def _outcomes(self, frames: Array, labels: list[Any]) -> Outcomes:
        if len(frames) == 0 or len(frames) != len(labels):
            raise ValueError(
                f"prototypes: {len(frames)} samples and {len(labels)} labels; give at least one "
                "sample, and a label for each"
            )
        found = self._through([self._checked(frame) for frame in frames], labels)
        return Outcomes(np.asarray(found[0], np.int64), np.asarray(found[1], np.int64))

    def _through(self, frames: list[Array], labels: list[Any]) -> Any:
        found = self._network.outcomes(zip(frames, labels, strict=True), len(frames))
        self._samples += len(frames)
        return found

    def _checked(self, frames: Array) -> Array:
        frames = np.asarray(frames)
        if frames.shape != self._shape:
            raise ValueError(
                f"prototypes: a sample has shape {frames.shape}; give spikes [T, features], here "
                f"{self._shape}"
            )
        check_binary(frames)
        return frames


def _network(head: Prototypes, time_steps: int, place: str, runtime: str | None) -> _Network:
    if place == HOST:
        if runtime is not None:
            raise ValueError(f"runtime {runtime!r}: the host has none; leave the runtime out")
        return HostPrototypes(head)
    from onchip.lava.prototypes import PrototypeNetwork
    from onchip.lava.run_config import FastSimCfg

    whole = "samples" in head.state()
    config = FastSimCfg("fixed_pt" if whole else "floating_pt") if place == FAST else None
    return PrototypeNetwork(head, time_steps, run_config=config, runtime=runtime)
