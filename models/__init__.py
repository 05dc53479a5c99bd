"""Training spiking networks in PyTorch: OTTT and BPTT, architectures, datasets.

The names below are imported when they are first used, so that loading data does not wait for
torch. A trained network becomes an `onchip.NetworkSpec` by `describe_model`, which is
`models.describe.describe` under a name that no module of the package has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.public_names import lazy_names

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
    from models.progress import TrainingResult
    from models.recommended import recommended_network, recommended_training
    from models.training import train

_HOMES = {
    "FrameDataset": "models.data.dataset",
    "OTTTConv2d": "models.layers",
    "OTTTLinear": "models.layers",
    "SensorConfig": "models.data.sensor",
    "SpikingLayer": "models.layers",
    "SpikingNetwork": "models.network",
    "TorchNetwork": "models.executor",
    "TrainingConfig": "models.config",
    "TrainingResult": "models.progress",
    "build_model": "models.architectures",
    "dataset_table": "models.data.load",
    "describe_model": "models.describe",
    "evaluate": "models.evaluation",
    "load_checkpoint": "models.checkpoint",
    "load_dataset": "models.data.load",
    "recommended_network": "models.recommended",
    "recommended_training": "models.recommended",
    "seed_everything": "models.evaluation",
    "train": "models.training",
}
_NAMES_THERE = {"describe_model": "describe"}

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

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES, _NAMES_THERE)
