"""Small networks and data that the tests of deploy share."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np
import pytest

from onchip import LIF, ConvSpec, DenseSpec, LeakyIntegrator, NetworkSpec
from onchip.network.learning import with_learning

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def dense_network(rng: np.random.Generator, feedback: str = "exact", **learning) -> NetworkSpec:
    """12-8-6-3 with a recurrent layer, T = 4, all layers plastic."""
    layers = (
        DenseSpec(
            "first",
            rng.normal(0, 0.6, (8, 12)),
            LIF(),
            rng.normal(0, 0.1, 8),
            rng.normal(0, 0.2, (8, 8)),
        ),
        DenseSpec("second", rng.normal(0, 0.6, (6, 8)), LIF(0.7, 0.9), rng.normal(0, 0.1, 6)),
        DenseSpec("readout", rng.normal(0, 0.6, (3, 6)), LeakyIntegrator(), rng.normal(0, 0.1, 3)),
    )
    spec = NetworkSpec(layers, (2, 2, 3), 4, metadata={"dataset": "made up", "split": "none"})
    return with_learning(spec, learning_rate=0.3, feedback=feedback, **learning)


def conv_network(rng: np.random.Generator) -> NetworkSpec:
    """A 3x3 convolution of stride 2, a hidden and an output layer, T = 3; the dense ones learn."""
    layers = (
        ConvSpec("conv", rng.normal(0, 0.5, (4, 2, 3, 3)), LIF(), (2, 6, 6), None, (2, 2), (1, 1)),
        DenseSpec("hidden", rng.normal(0, 0.3, (5, 36)), LIF(), rng.normal(0, 0.1, 5)),
        DenseSpec("readout", rng.normal(0, 0.5, (3, 5)), LeakyIntegrator(), None),
    )
    return with_learning(NetworkSpec(layers, (2, 6, 6), 3), learning_rate=0.1)


def make_samples(
    spec: NetworkSpec, samples: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Random binary frames and labels that fit the network."""
    shape = (samples, spec.time_steps, *spec.input_shape)
    frames = (rng.random(shape) < 0.4).astype(np.uint8)
    return frames, rng.integers(spec.classes, size=samples)


NETWORKS: dict[str, Callable[[np.random.Generator], NetworkSpec]] = {
    "dense": dense_network,
    "conv": conv_network,
}


@pytest.fixture(params=NETWORKS)
def spec(request: pytest.FixtureRequest, rng: np.random.Generator) -> NetworkSpec:
    return NETWORKS[request.param](rng)


@pytest.fixture
def dense(rng: np.random.Generator) -> NetworkSpec:
    return dense_network(rng)


@pytest.fixture
def samples() -> Callable[..., tuple[np.ndarray, np.ndarray]]:
    return make_samples


@pytest.fixture
def drawn(monkeypatch: pytest.MonkeyPatch) -> list[Figure]:
    """The figures that were saved; they are still saved."""
    from figure_checks import keep_figures

    return keep_figures(monkeypatch)
