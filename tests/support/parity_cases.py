"""Small networks and event frames that the parity tests share."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, NetworkSpec
from onchip.execution import RunResult
from onchip.neurons.table import Neuron

TIME_STEPS = 10
LONG = (pytest.mark.long, pytest.mark.timeout(1200))
"""Marks of a test that takes minutes."""
TOLERANCE = 1e-9
"""Relative to the largest weight of an array."""


def sample_counts(few: int, many: int) -> list[Any]:
    """For `parametrize`: `few` samples in every run, `many` with `make test-long` as well."""
    return [few, pytest.param(many, marks=LONG)]


def dense(
    rng: np.random.Generator,
    name: str,
    post: int,
    pre: int,
    neuron: Neuron,
    recurrent: bool = False,
) -> DenseSpec:
    return DenseSpec(
        name,
        rng.normal(0, 1.5 / np.sqrt(pre), (post, pre)),
        neuron,
        bias=rng.normal(0, 0.1, post),
        recurrent_weight=rng.normal(0, 0.1, (post, post)) if recurrent else None,
    )


def two_hidden_layers(
    rng: np.random.Generator, inputs: tuple[int, ...], *, recurrent: bool = False
) -> NetworkSpec:
    layers = (
        dense(rng, "fc1", 24, int(np.prod(inputs)), LIF()),
        dense(rng, "fc2", 16, 24, LIF(decay=0.7), recurrent),
        dense(rng, "readout", 10, 16, LeakyIntegrator()),
    )
    return NetworkSpec(layers, inputs, TIME_STEPS)


def random_events(
    rng: np.random.Generator, samples: int, inputs: tuple[int, ...], rate: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    frames = (rng.random((samples, TIME_STEPS, *inputs)) < rate).astype(np.uint8)
    return frames, rng.integers(0, 10, samples)


def engine_reference(
    spec: NetworkSpec, frames: np.ndarray, labels: np.ndarray
) -> tuple[RunResult, NetworkSpec]:
    """The NumPy engine learning one sample after the other, its spikes recorded."""
    engine, outputs, recorded = Engine(spec), [], {}

    def recorder(name: str, output: np.ndarray) -> None:
        recorded.setdefault(name, []).append(output.reshape(-1))

    for i in range(len(frames)):
        outputs.append(engine.learn(frames[i : i + 1], labels[i : i + 1], recorder)[0])
    shape = (len(frames), spec.time_steps, -1)
    spikes = {name: np.array(steps).reshape(shape) for name, steps in recorded.items()}
    return RunResult(np.array(outputs), spikes), engine.snapshot()


def weight_error(left: NetworkSpec, right: NetworkSpec) -> float:
    """Largest difference of any weight, relative to the largest weight of its array."""
    worst = 0.0
    for a, b in zip(left.layers, right.layers, strict=True):
        for name in ("weight", "bias", "recurrent_weight"):
            x, y = getattr(a, name, None), getattr(b, name, None)
            if x is not None:
                worst = max(worst, float(np.abs(x - y).max() / np.abs(x).max()))
    return worst
