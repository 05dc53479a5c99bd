"""Random networks and spikes for the tests of the trainer, in double precision."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from onchip.models.architectures.table import build_model
from onchip.models.networks.network import SpikingNetwork


@pytest.fixture(autouse=True)
def seeded() -> None:
    """Weights drawn from torch's global generator do not depend on the tests that ran before."""
    torch.manual_seed(0)


@pytest.fixture
def make_mlp() -> Callable[..., SpikingNetwork]:
    """Builds a small MLP whose neurons fire often; keyword arguments change its configuration."""

    def make(**options: Any) -> SpikingNetwork:
        defaults = {"input_shape": (2, 4, 4), "classes": 5, "time_steps": 6, "hidden": (12, 9)}
        plain = {"normalised": False, "output_scale": 1.0, "weight_gain": 3.0}
        model = build_model("mlp", **{**defaults, **plain, **options}).double()
        return _with_biases(model)

    return make


@pytest.fixture
def make_convnet() -> Callable[..., SpikingNetwork]:
    """Builds a small convolutional network with pools, standardised weights and scaled outputs."""

    def make(**options: Any) -> SpikingNetwork:
        defaults = {
            "input_shape": (2, 12, 12),
            "classes": 5,
            "time_steps": 5,
            "channels": (4, 6, 3),
            "kernels": (3, 3, 3),
            "strides": (1, 1, 2),
            "pools": (2, 2, 1),
            "hidden": (7,),
            "normalised": True,
            "output_scale": 2.74,
        }
        return _with_biases(build_model("convnet", **{**defaults, **options}).double())

    return make


@pytest.fixture
def make_batch(rng: np.random.Generator) -> Callable[..., tuple[torch.Tensor, torch.Tensor]]:
    """Draws binary frames and one-hot targets for a network."""

    def make(model: SpikingNetwork, samples: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
        shape = (samples, model.time_steps, *model.input_shape)
        frames = torch.from_numpy((rng.random(shape) < 0.4).astype(np.uint8))
        labels = rng.integers(0, model.classes, samples)
        return frames, torch.eye(model.classes, dtype=torch.float64)[labels]

    return make


def _with_biases(model: SpikingNetwork) -> SpikingNetwork:
    """Biases and gains away from their initial constants, so that an error in them shows."""
    generator = torch.Generator().manual_seed(7)
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith(("bias", "gain")):
                noise = torch.rand(parameter.shape, generator=generator, dtype=torch.float64)
                parameter += 0.3 * (noise - 0.5) + (1.5 if name.endswith("gain") else 0.0)
    return model
