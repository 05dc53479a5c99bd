"""Networks and their executions for the commands: files, checkpoints, torch, numpy, Lava."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from onchip.checks import require_choice

if TYPE_CHECKING:
    from deploy.execution import Execution
    from models import SpikingNetwork
    from onchip.spec import NetworkSpec

BACKENDS = ("torch", "numpy", "lava")


def is_network_file(path: Path) -> bool:
    """Whether this is an HDF5 file, so no checkpoint; FileNotFoundError if absent."""
    import h5py

    if not path.exists():
        raise FileNotFoundError(f"file {path} does not exist; make one with onchip train or export")
    return path.is_file() and bool(h5py.is_hdf5(path))


def load_checkpoint_model(path: Path) -> tuple[SpikingNetwork, NetworkSpec]:
    """A checkpoint's network, and the same as a specification with the checkpoint's metadata."""
    from models import load_checkpoint
    from models.describe import describe

    checkpoint = load_checkpoint(path)
    model = checkpoint.build()
    return model, describe(model, checkpoint.metadata)


def load_any(path: Path) -> NetworkSpec:
    """The network in a network file or a checkpoint."""
    from deploy.hdf5 import load_spec

    return load_spec(path) if is_network_file(path) else load_checkpoint_model(path)[1]


def execute_on(
    spec: NetworkSpec, backend: str, schedule: str = "sequenced", record: bool = False
) -> Execution:
    """An execution on torch (the trainer's own layers, float64), numpy or lava."""
    from deploy.backends import build

    require_choice("backend", backend, BACKENDS)
    return (
        torch_execution(spec, record)
        if backend == "torch"
        else build(spec, backend, schedule, record)
    )


def torch_execution(spec: NetworkSpec, record: bool = False) -> Execution:
    """The PyTorch trainer as an execution, convolutions included."""
    from deploy.engine_network import EngineNetwork
    from deploy.execution import Execution
    from models import TorchNetwork

    return Execution(spec, lambda whole: EngineNetwork(TorchNetwork(whole), record), whole=True)
