"""Training spiking networks in PyTorch: OTTT and BPTT, architectures, datasets.

The names below are imported when they are first used, so that loading data does not wait for
torch. A trained network becomes an `onchip.NetworkSpec` by `describe_model`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.public_names import lazy_names

if TYPE_CHECKING:
    from onchip.models.architectures.recommended import recommended_network, recommended_training
    from onchip.models.architectures.table import build_model
    from onchip.models.config import TrainingConfig
    from onchip.models.data.dataset import FrameDataset
    from onchip.models.data.load import dataset_table, load_dataset
    from onchip.models.data.sensor import SensorConfig
    from onchip.models.description import describe_model
    from onchip.models.interchange.torch_modules import from_torch
    from onchip.models.networks.layers import OTTTConv2d, OTTTLinear, SpikingLayer
    from onchip.models.networks.network import SpikingNetwork
    from onchip.models.torch_network import TorchNetwork
    from onchip.models.training.by_rule import train_by_rule
    from onchip.models.training.checkpoint import load_checkpoint
    from onchip.models.training.evaluation import evaluate, seed_everything
    from onchip.models.training.progress import TrainingResult
    from onchip.models.training.training import train

_HOMES = {
    "FrameDataset": "onchip.models.data.dataset",
    "OTTTConv2d": "onchip.models.networks.layers",
    "OTTTLinear": "onchip.models.networks.layers",
    "SensorConfig": "onchip.models.data.sensor",
    "SpikingLayer": "onchip.models.networks.layers",
    "SpikingNetwork": "onchip.models.networks.network",
    "TorchNetwork": "onchip.models.torch_network",
    "TrainingConfig": "onchip.models.config",
    "TrainingResult": "onchip.models.training.progress",
    "build_model": "onchip.models.architectures.table",
    "dataset_table": "onchip.models.data.load",
    "describe_model": "onchip.models.description",
    "evaluate": "onchip.models.training.evaluation",
    "from_torch": "onchip.models.interchange.torch_modules",
    "load_checkpoint": "onchip.models.training.checkpoint",
    "load_dataset": "onchip.models.data.load",
    "recommended_network": "onchip.models.architectures.recommended",
    "recommended_training": "onchip.models.architectures.recommended",
    "seed_everything": "onchip.models.training.evaluation",
    "train": "onchip.models.training.training",
    "train_by_rule": "onchip.models.training.by_rule",
}

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
    "from_torch",
    "load_checkpoint",
    "load_dataset",
    "recommended_network",
    "recommended_training",
    "seed_everything",
    "train",
    "train_by_rule",
]

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
