"""Networks with tdBN whose parameters and statistics are away from their initial values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from onchip.models.tdbn.networks import TdBNConfig, TdBNNetwork, build_network

SMALL = {
    "input_shape": (2, 12, 10), "classes": 4, "time_steps": 5, "blocks": (1, 2), "widths": (6, 9),
    "stem_width": 6, "stem_stride": 1, "hidden": (24,),
}  # fmt: skip


@pytest.fixture
def make_network() -> Callable[..., TdBNNetwork]:
    """A small network in double precision; keyword arguments change its configuration."""

    def make(**options: Any) -> TdBNNetwork:
        network = build_network(TdBNConfig(**{**SMALL, **options}), seed=3).double()
        return shaken(network)

    return make


@pytest.fixture
def make_frames(rng: np.random.Generator) -> Callable[..., torch.Tensor]:
    """Binary frames for a network."""

    def make(network: TdBNNetwork, samples: int = 3) -> torch.Tensor:
        shape = (samples, network.time_steps, *network.input_shape)
        return torch.from_numpy((rng.random(shape) < 0.4).astype(np.uint8))

    return make


def shaken(network: TdBNNetwork) -> TdBNNetwork:
    """Random gamma, beta, biases and running statistics, so that an error in one shows.

    The running statistics are near those that currents have, so that all layers fire.
    """
    generator = torch.Generator().manual_seed(5)
    shape = (4, network.time_steps, *network.input_shape)
    frames = (torch.rand(shape, generator=generator) < 0.4).double()
    with torch.no_grad():
        for _ in range(40):
            network.learning_outputs(frames)
        for name, value in [*network.named_parameters(), *network.named_buffers()]:
            noise = torch.rand(value.shape, generator=generator, dtype=value.dtype)
            if name.endswith("running_var") or name.endswith("normalization.weight"):
                value *= 0.7 + 0.6 * noise
            elif value.ndim == 1:
                value += 0.3 * (noise - 0.3)
    return network
