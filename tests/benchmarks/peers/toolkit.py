"""The toolkit's own executions, as learners of the task."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from task import DECAY, SHARPNESS, Task

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, NetworkSpec, Surrogate
from onchip.deploy import build
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.learning import with_learning

INTEGER_RATE = 0.05
"""Integers do not reach the task's learning rate; the work is the same."""


def specification(task: Task, feedback: str = "exact") -> NetworkSpec:
    """The task's network."""
    last = len(task.weights) - 1
    hidden = LIF(DECAY, 1.0, surrogate=Surrogate("sigmoid", SHARPNESS))
    layers = tuple(
        DenseSpec(str(i), weight, LeakyIntegrator(DECAY) if i == last else hidden, bias)
        for i, (weight, bias) in enumerate(zip(task.weights, task.biases, strict=True))
    )
    spec = NetworkSpec(layers, (task.weights[0].shape[1],), task.steps)
    return with_learning(spec, learning_rate=task.rate, mse_weight=0.0, feedback=feedback)


class OfEngine:
    """The engine, by NumPy or by compiled kernels."""

    def __init__(
        self,
        task: Task,
        dtype: type = np.float64,
        feedback: str = "exact",
        *,
        compiled: bool = False,
    ) -> None:
        self._engine = Engine(specification(task, feedback), dtype, compiled=compiled)

    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        self._engine.learn(frames[None], np.array([label]))

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        return _weights(self._engine.state())

    def close(self) -> None:
        """Nothing to end."""


class OfIntegers(OfEngine):
    """The compiled engine in Loihi's integers; its transposes for the feedback are frozen."""

    def __init__(self, task: Task) -> None:
        reachable = replace(task, rate=INTEGER_RATE)
        spec = quantize(specification(reachable, "symmetric"), Quantization(seed=0))
        self._engine = Engine(spec, compiled=True)


class OfBackend:
    """A backend of Lava."""

    def __init__(self, task: Task, backend: str, feedback: str = "exact", **options: Any) -> None:
        self.execution = build(specification(task, feedback), backend, **options)

    def learn(self, frames: np.ndarray, label: int) -> None:
        """One sample."""
        self.execution.learn(frames[None], np.array([label]))

    def weights(self) -> list[np.ndarray]:
        """By layer."""
        return [layer.weight for layer in self.execution.snapshot().layers]

    def close(self) -> None:
        """End its processes."""
        self.execution.close()


def _weights(state: Any) -> list[np.ndarray]:
    return [np.array(array) for name, array in state.items() if name.endswith("weight")]
