"""Training spiking networks in PyTorch: OTTT and BPTT, architectures, datasets.

The names below are imported when they are first used, so that loading data does not wait for
torch. A trained network becomes an `onchip.NetworkSpec` by `describe_model`, which is
`models.describe.describe` under a name that no module of the package has.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from models.architectures import build_model
    from models.checkpoint import load_checkpoint
    from models.config import TrainingConfig
    from models.data.dataset import FrameDataset
    from models.data.load import dataset_table, load_dataset
    from models.data.sensor import SensorConfig
    from models.describe import describe as describe_model
    from models.evaluation import evaluate, seed_everything
    from models.executor import TorchNetwork
    from models.layers import OTTTConv2d, OTTTLinear, SpikingLayer
    from models.network import SpikingNetwork
    from models.recommended import recommended_network, recommended_training
    from models.training import TrainingResult, train

_HOMES = {
    "FrameDataset": "data.dataset",
    "OTTTConv2d": "layers",
    "OTTTLinear": "layers",
    "SensorConfig": "data.sensor",
    "SpikingLayer": "layers",
    "SpikingNetwork": "network",
    "TorchNetwork": "executor",
    "TrainingConfig": "config",
    "TrainingResult": "training",
    "build_model": "architectures",
    "dataset_table": "data.load",
    "describe_model": "describe",
    "evaluate": "evaluation",
    "load_checkpoint": "checkpoint",
    "load_dataset": "data.load",
    "recommended_network": "recommended",
    "recommended_training": "recommended",
    "seed_everything": "evaluation",
    "train": "training",
}
_NAMES_THERE = {"describe_model": "describe"}
"""Where the name in its module differs: a module of the package has the name already."""

__all__ = [
    "FrameDataset",
    "OTTTConv2d",
    "OTTTLinear",
    "SensorConfig",
    "SpikingLayer",
    "SpikingNetwork",
    "TorchNetwork",
    "TrainingConfig",
    "TrainingResult",
    "build_model",
    "dataset_table",
    "describe_model",
    "evaluate",
    "load_checkpoint",
    "load_dataset",
    "recommended_network",
    "recommended_training",
    "seed_everything",
    "train",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'models' has no attribute {name!r}")
    home = importlib.import_module(f"models.{_HOMES[name]}")
    return getattr(home, _NAMES_THERE.get(name, name))


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
