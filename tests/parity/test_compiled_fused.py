"""A fused network by compiled kernels is the fused network by NumPy steps, and the engine."""

from __future__ import annotations

import numpy as np
import pytest
from compiled_cases import assert_near, frames_of, network

from onchip import Engine, LeakyIntegrator
from onchip.deploy.quantization.network import quantize
from onchip.lava.fused import FusedLavaNetwork
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.network.transforms import Dense
from onchip.neurons.lava_lif import LavaLIF

HOW = [("one-process", False), ("one-process", True), ("processes", False)]
"""Runtimes, and whether spikes are recorded."""


def case(precision: str):
    spec = network(3, recurrent=True, feedback="symmetric", learning_rate=0.05)
    spec = spec if precision == "float" else quantize(spec)
    return spec, frames_of(spec, 0.3, 0, samples=6), np.array([0, 1, 2, 3, 4, 0])


@pytest.mark.parametrize(("runtime", "record"), HOW)
@pytest.mark.parametrize("precision", ["float", "integers"])
def test_whole_samples_are_learned_from_as_by_the_engine(precision, record, runtime) -> None:
    """Also samples without a label, which are only run, and a state in between."""
    spec, frames, labels = case(precision)
    engine = Engine(spec)
    expected = [
        engine.learn(frames[[n]], labels[[n]])[0] if n % 3 else engine.run(frames[[n]])[0]
        for n in range(len(frames))
    ]
    stream = [(frames[n], labels[n] if n % 3 else None) for n in range(len(frames))]
    with FusedLavaNetwork(spec, record=record, compiled=True, runtime=runtime) as fused:
        assert fused.compiled.active
        first, state = fused.stream(stream[:3], 3), fused.state()
        fused.restore(state)
        second, left = fused.stream(stream[3:], 3), fused.state()
    outputs = np.concatenate((first.outputs, second.outputs))
    bound = 1e-12 if precision == "float" else 0.0
    assert_near(outputs, np.array(expected), "outputs", bound)
    for name, array in engine.state().items():
        assert_near(left[name], array, name, bound)
    assert bool(first.spikes) == record


def test_the_spikes_of_kernels_are_those_of_numpy() -> None:
    for precision in ("float", "integers"):
        spec, frames, labels = case(precision)
        found = []
        for compiled in (True, False):
            with FusedLavaNetwork(spec, record=True, compiled=compiled) as fused:
                found.append(fused.learn(frames, labels).spikes)
        ours, theirs = found
        assert ours.keys() == theirs.keys() and any(spikes.any() for spikes in theirs.values())
        assert all(np.array_equal(ours[name], theirs[name]) for name in theirs)


def test_integers_are_compiled_and_floats_are_not_unless_it_is_asked() -> None:
    for precision, expected in (("integers", True), ("float", False)):
        with FusedLavaNetwork(case(precision)[0]) as fused:
            assert fused.compiled.active == expected


def test_what_has_no_kernel_is_told_and_learned_by_numpy(rng) -> None:
    populations = (
        Population("one", (6,), LavaLIF(0.8, 0.5, 1.0)),
        Population("out", (3,), LeakyIntegrator()),
    )
    connections = (
        Connection("input", "one", Dense(rng.normal(0.5, 1, (6, 5)))),
        Connection("one", "out", Dense(rng.normal(0, 1, (3, 6)))),
    )
    spec = with_learning(Network(populations, connections, (5,), 8), learning_rate=0.1)
    frames, labels = frames_of(spec, 0.5, 0, 2), np.array([0, 2])
    engine = Engine(spec)
    expected = [engine.learn(frames[[n]], labels[[n]])[0] for n in range(2)]
    with FusedLavaNetwork(spec, compiled=True) as fused:
        assert "neuron LavaLIF has no kernel" in fused.compiled.reason
        assert np.array_equal(fused.learn(frames, labels).outputs, expected)
