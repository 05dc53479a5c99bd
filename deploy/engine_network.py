"""The NumPy engine, or anything with its interface, as a backend."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from onchip.engine import Engine
from onchip.execution import RunResult
from onchip.fixed_point.engine import FixedEngine
from onchip.fixed_point.neurons import FixedLIF
from onchip.fixed_point.spec import FixedNetworkSpec
from onchip.neurons import LIF
from onchip.spec import NetworkSpec

AnySpec = NetworkSpec | FixedNetworkSpec
"""A network in floating point or in integers; executions choose their arithmetic by its type."""


def make_engine(spec: AnySpec) -> Engine | FixedEngine:
    """The NumPy engine of the spec's precision."""
    return FixedEngine(spec) if isinstance(spec, FixedNetworkSpec) else Engine(spec)


class EngineNetwork:
    """An object with the interface of `onchip.Engine` as a backend."""

    def __init__(self, engine: Any, record: bool = False) -> None:
        self._engine = engine
        layers = engine.spec.layers
        spiking = [layer.name for layer in layers if isinstance(layer.neuron, (LIF, FixedLIF))]
        self._recorded = spiking if record else []

    def run(self, frames: np.ndarray) -> RunResult:
        """All samples as one batch."""
        return self._recording(lambda recorder: self._engine.run(frames, recorder))

    def learn(self, frames: np.ndarray, labels: np.ndarray) -> RunResult:
        """One sample at a time."""
        rows = range(len(frames))
        return join(
            self._recording(
                lambda recorder, i=i: self._engine.learn(  # type: ignore[misc]
                    frames[i : i + 1], labels[i : i + 1], recorder
                )
            )
            for i in rows
        )

    def snapshot(self) -> Any:
        """The engine's spec with its present weights."""
        return self._engine.snapshot()

    def close(self) -> None:
        """Nothing is held."""

    def _recording(self, execute: Callable[[Any], np.ndarray]) -> RunResult:
        steps: dict[str, list[np.ndarray]] = {name: [] for name in self._recorded}

        def recorder(name: str, output: np.ndarray) -> None:
            if name in steps:
                steps[name].append(np.asarray(output).reshape(len(output), -1).astype(np.uint8))

        outputs = np.asarray(execute(recorder if steps else None))
        return RunResult(outputs, {name: np.stack(s, axis=1) for name, s in steps.items()})


def join(results: Iterable[RunResult]) -> RunResult:
    """Results of successive samples (at least one) as one."""
    parts = list(results)
    names = parts[0].spikes
    spikes = {name: np.concatenate([part.spikes[name] for part in parts]) for name in names}
    return RunResult(np.concatenate([part.outputs for part in parts]), spikes)
