"""The NumPy engine, or anything with its interface, as a backend."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np

from onchip.execution import RunResult, Sample
from onchip.program.graphs import AnyNetwork, as_graph
from onchip.sealed import Sealed


class EngineNetwork(Sealed):
    """An object with the interface of `onchip.Engine` as a backend."""

    def __init__(self, engine: Any, record: bool = False) -> None:
        self._engine = engine
        self._recorded = spiking_names(engine.spec) if record else []

    def run(self, frames: np.ndarray) -> RunResult:
        """All samples as one batch."""
        return self._recording(lambda recorder: self._engine.run(frames, recorder))

    def stream(
        self,
        samples: Iterable[Sample],
        count: int,
        on_sample: Callable[[], None] = lambda: None,
    ) -> RunResult:
        """`count` samples one at a time: learned from where they have a label, else run."""
        results = []
        for frames, label in itertools.islice(samples, count):
            results.append(self._one(frames[np.newaxis], label))
            on_sample()
        if len(results) < count or count < 1:
            raise ValueError(
                f"samples: {len(results)} were given, but the stream was to have {count}"
            )
        return join(results)

    def state(self) -> dict[str, np.ndarray]:
        """The engine's state, by name."""
        return dict(self._with_state().state())

    def restore(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from a state of this engine."""
        self._with_state().restore(state)

    def snapshot(self) -> Any:
        """The engine's spec with its present weights."""
        return self._engine.snapshot()

    def close(self) -> None:
        """Nothing is held."""

    def _with_state(self) -> Any:
        if not hasattr(self._engine, "restore"):
            raise ValueError(
                f"engine {type(self._engine).__name__} keeps no state to go on from; "
                "use snapshot, or backend numpy"
            )
        return self._engine

    def _one(self, frames: np.ndarray, label: Any | None) -> RunResult:
        if label is None:
            return self._recording(lambda recorder: self._engine.run(frames, recorder))
        labels = np.asarray(label)[np.newaxis]
        return self._recording(lambda recorder: self._engine.learn(frames, labels, recorder))

    def _recording(self, execute: Callable[[Any], np.ndarray]) -> RunResult:
        steps: dict[str, list[np.ndarray]] = {name: [] for name in self._recorded}

        def recorder(name: str, output: np.ndarray) -> None:
            if name in steps:
                steps[name].append(np.asarray(output).reshape(len(output), -1).astype(np.uint8))

        outputs = np.asarray(execute(recorder if steps else None))
        return RunResult(outputs, {name: np.stack(s, axis=1) for name, s in steps.items()})


def spiking_names(network: AnyNetwork) -> list[str]:
    """Return the names of the layers or populations that spike, in their order."""
    return [p.name for p in as_graph(network).populations if p.neuron.spiking]


def join(results: Iterable[RunResult]) -> RunResult:
    """Results of successive samples (at least one) as one."""
    parts = list(results)
    names = parts[0].spikes
    spikes = {name: np.concatenate([part.spikes[name] for part in parts]) for name in names}
    return RunResult(np.concatenate([part.outputs for part in parts]), spikes)
