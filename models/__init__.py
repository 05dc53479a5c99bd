"""Training spiking networks in PyTorch: OTTT and BPTT, architectures, datasets.

The names below are imported when they are first used, so that `models.data` does not wait for
torch. A trained network becomes a specification by `models.describe.describe`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.architectures import build_model
    from models.checkpoint import load_checkpoint
    from models.config import TrainingConfig
    from models.evaluation import evaluate, seed_everything
    from models.executor import TorchNetwork
    from models.network import SpikingNetwork
    from models.recommended import recommended_training
    from models.training import TrainingResult, train

_HOMES = {
    "SpikingNetwork": "network",
    "TorchNetwork": "executor",
    "TrainingConfig": "config",
    "TrainingResult": "training",
    "build_model": "architectures",
    "evaluate": "evaluation",
    "load_checkpoint": "checkpoint",
    "recommended_training": "recommended",
    "seed_everything": "evaluation",
    "train": "training",
}

__all__ = [
    "SpikingNetwork",
    "TorchNetwork",
    "TrainingConfig",
    "TrainingResult",
    "build_model",
    "evaluate",
    "load_checkpoint",
    "recommended_training",
    "seed_everything",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    return getattr(importlib.import_module(f"models.{_HOMES[name]}"), name)
