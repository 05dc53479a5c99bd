"""Compiled learning next to the NumPy engine's: networks, and how equal the two must be."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any

import numpy as np

from onchip import LIF, DenseSpec, Engine, LeakyIntegrator, Network, NetworkSpec, Surrogate
from onchip.network.learning import with_learning

BOUND = 1e-12
"""The largest difference allowed, as a share of an array's largest value (of 1 if that is less)."""

SENSITIVITY = 30
"""Allowed besides: so many times what other rounding of the weights makes of the engine itself.

A neuron on a slope of its surrogate and a fast learner multiply a rounding error from step to step.
"""


def network(seed: int, steps: int = 12, sizes=(20, 13, 9, 5), **options: Any) -> NetworkSpec:
    """Dense layers; `options` are a neuron's, "recurrent", "readout", and those of learning."""
    rng = np.random.default_rng(seed)
    decay, reset = options.pop("decay", 0.5), options.pop("reset", "soft")
    surrogate = options.pop("surrogate", Surrogate())
    recurrent, readout = options.pop("recurrent", False), options.pop("readout", LeakyIntegrator)
    lif = LIF(decay, 1.0, reset, surrogate)
    layers = []
    for number, (pre, post) in enumerate(itertools.pairwise(sizes)):
        last = number == len(sizes) - 2
        neuron = lif if not last or readout is LIF else readout(decay)
        own = rng.normal(0, 0.3, (post, post)) if recurrent and isinstance(neuron, LIF) else None
        bias = None if number == 1 else rng.normal(0.1, 0.2, post)
        weight = rng.normal(0.2, 2, (post, pre)) / np.sqrt(pre)
        layers.append(DenseSpec(f"fc{number}", weight, neuron, bias, own))
    options.setdefault("learning_rate", 0.03)
    return with_learning(NetworkSpec(tuple(layers), (sizes[0],), steps), **options)


def frames_of(spec: Any, rate: float, seed: int, samples: int = 1) -> np.ndarray:
    """Binary frames of which a share `rate` is 1."""
    rng = np.random.default_rng(seed)
    return (rng.random((samples, spec.time_steps, *spec.input_shape)) < rate).astype(np.uint8)


def rounded_otherwise(spec: Any) -> Any:
    """The network with each weight moved to a neighbouring number."""
    if isinstance(spec, Network):
        moved = {
            name: np.nextafter(c.transform.weight, np.inf)
            for name, c in zip(spec.names, spec.connections, strict=True)
        }
        return spec.with_weights(moved)
    layers = [replace(layer, weight=np.nextafter(layer.weight, np.inf)) for layer in spec.layers]
    return replace(spec, layers=tuple(layers))


def assert_near(
    ours: np.ndarray, theirs: np.ndarray, name: str, bound: float = BOUND, more: float = 0.0
) -> None:
    """Of one shape and type, and apart by `bound` of the largest value and `more` at most."""
    limit = bound * max(1.0, float(np.abs(theirs).max(initial=0))) + more
    assert ours.shape == theirs.shape and ours.dtype == theirs.dtype, name
    assert float(np.abs(ours - theirs).max(initial=0)) <= limit, name


def assert_equal_learning(spec: Any, batches: list[tuple[np.ndarray, Any]]) -> None:
    """Floats: both learn from the same; outputs and everything that changes stay together."""
    compiled, engine, moved = Engine(spec, compiled=True), Engine(spec), None
    moved = Engine(rounded_otherwise(spec))
    assert compiled.compiled.active, compiled.compiled.reason
    for frames, labels in batches:
        ours, theirs = compiled.learn(frames, labels), engine.learn(frames, labels)
        slack = SENSITIVITY * np.abs(moved.learn(frames, labels) - theirs).max()
        assert_near(ours, theirs, "outputs", more=slack)
    left, near = compiled.state(), moved.state()
    for name, array in engine.state().items():
        slack = SENSITIVITY * np.abs(near[name] - array).max(initial=0)
        assert_near(left[name], array, name, more=slack)


def assert_same_integers(spec: Any, batches: list[tuple[np.ndarray, Any]]) -> None:
    """Integers: outputs, potentials, spikes and everything that changes are equal in every bit."""
    compiled, engine = Engine(spec, compiled=True), Engine(spec)
    assert compiled.compiled.active, compiled.compiled.reason
    heard: tuple[list, list] = ([], [])
    recorders = [lambda name, output, to=to: to.append((name, output.copy())) for to in heard]
    for frames, labels in batches:
        ours, theirs = compiled.learn(frames, labels), engine.learn(frames, labels)
        assert np.array_equal(ours, theirs)
    ours, theirs = (
        each.learn(frames, labels, recorder)
        for each, recorder in zip((compiled, engine), recorders, strict=True)
    )
    assert np.array_equal(ours, theirs) and len(heard[0]) == len(heard[1])
    for (name, output), (other, expected) in zip(*heard, strict=True):
        assert name == other and output.dtype == expected.dtype
        assert np.array_equal(output, expected)
    left, right = compiled.state(), engine.state()
    assert left.keys() == right.keys()
    for name, array in right.items():
        assert left[name].dtype == array.dtype and np.array_equal(left[name], array), name
    assert compiled.snapshot() == engine.snapshot()


def has_moved(spec: Any, batches: list[tuple[np.ndarray, Any]]) -> bool:
    """Whether the NumPy engine changes any weight: else a comparison tells nothing."""
    engine = Engine(spec)
    for frames, labels in batches:
        engine.learn(frames, labels)
    return bool(engine.snapshot() != spec)
