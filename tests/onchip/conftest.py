"""Small networks and data for the tests of the core."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import settings

from onchip import LIF, DenseSpec, LeakyIntegrator, NetworkSpec, Surrogate

# The same examples in every run, and no time limit on a loaded machine.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.load_profile("repeatable")

TIME_STEPS = 6


def small_network(rng: np.random.Generator, readout=None) -> NetworkSpec:
    """7-6-5-4-3, T = 6, other neurons in every layer, the second one recurrent; no learning."""
    neurons = [
        LIF(0.5, 1.0, "soft", Surrogate("sigmoid")),
        LIF(0.8, 0.7, "hard", Surrogate("triangle", 1.5)),
        LIF(0.6, 1.3, "soft", Surrogate("fast_sigmoid", 2.0)),
        readout or LeakyIntegrator(0.7),
    ]
    sizes, names = (7, 6, 5, 4, 3), ("one", "two", "three", "out")
    layers = [
        DenseSpec(
            name,
            rng.normal(0.1, 0.7, (post, pre)),
            neuron,
            None if name == "three" else rng.normal(0.1, 0.2, post),
            rng.normal(0, 0.4, (post, post)) if name == "two" else None,
        )
        for name, neuron, pre, post in zip(names, neurons, sizes[:-1], sizes[1:], strict=True)
    ]
    return NetworkSpec(tuple(layers), (7,), TIME_STEPS)


@pytest.fixture
def make_network(rng: np.random.Generator) -> Callable[..., NetworkSpec]:
    return lambda readout=None: small_network(rng, readout)


@pytest.fixture
def network(rng: np.random.Generator) -> NetworkSpec:
    return small_network(rng)


@pytest.fixture
def samples(rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Three binary samples [3, T, 7] and their labels."""
    return (rng.random((3, TIME_STEPS, 7)) < 0.5).astype(np.uint8), np.array([2, 0, 1])
