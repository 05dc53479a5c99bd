"""A tiny dataset and a tiny MLP for tests of the training loop."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np

from onchip.models.architectures.table import build_model

SHAPE = {"input_shape": (2, 6, 6), "classes": 3, "time_steps": 4}


def toy_sets(rng: np.random.Generator) -> tuple[SimpleNamespace, SimpleNamespace]:
    """30 samples to train on and 12 to test on, random events."""
    return toy_set(rng, 30), toy_set(rng, 12)


def toy_set(rng: np.random.Generator, samples: int) -> SimpleNamespace:
    labels = np.arange(samples, dtype=np.int64) % 3
    frames = (rng.random((samples, 4, 2, 6, 6)) < 0.3).astype(np.uint8)
    return SimpleNamespace(frames=frames, labels=labels, classes=3)


def tiny(seed: int = 0):
    return build_model("mlp", seed=seed, hidden=(12,), weight_gain=2.0, **SHAPE)
