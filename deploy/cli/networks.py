"""Networks and their executions for the commands: files, checkpoints, backends."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from onchip.checks import require_choice
from onchip.deploy.cli.common import say

if TYPE_CHECKING:
    from onchip.deploy.backends.execution import Execution
    from onchip.engine.choice import AnySpec
    from onchip.models import SpikingNetwork
    from onchip.network.spec import NetworkSpec

BACKENDS = ("torch", "numpy", "lava", "lava-fast", "lava-fused", "loihi2", "auto")

BACKEND_HELP = (
    "torch, numpy, lava (Lava's own synapse models), lava-fast (the same network, our models), "
    "lava-fused (the whole network in one Lava process: the fastest), loihi2 (a chip; never run on "
    "one so far) or auto (loihi2 where its extension and a board are found, else lava)"
)
"""What `--backend` takes; a command adds its default."""


def choose_backend(name: str, spec: AnySpec) -> str:
    """The backend that `name` stands for, told on stderr with the reason where a chip is concerned.

    Before the work starts: raises ValueError for an unknown name, for a backend of Lava's where
    that is not installed, for loihi2 without a chip (naming what is missing) and for loihi2 with a
    network in floating point.
    """
    from onchip.deploy.backends.table import resolve_backend

    require_choice("backend", name, BACKENDS)
    if name == "torch":
        return name
    choice = resolve_backend(name, spec)
    if name in ("loihi2", "auto"):
        say(f"backend {name}: {choice.name}; {choice.reason}")
    return choice.name


def is_network_file(path: Path) -> bool:
    """Whether this is an HDF5 file, or called one without being a checkpoint.

    FileNotFoundError if absent.
    """
    import h5py

    if not path.exists():
        raise FileNotFoundError(f"file {path} does not exist; make one with onchip train or export")
    if not path.is_file():
        return False
    with path.open("rb"):  # an OSError that names the path, where it cannot be read
        pass
    return bool(h5py.is_hdf5(path)) or (path.suffix == ".h5" and not zipfile.is_zipfile(path))


def load_checkpoint_model(path: Path) -> tuple[SpikingNetwork, NetworkSpec]:
    """A checkpoint's network, and the same as a specification with the checkpoint's metadata."""
    from onchip.models import load_checkpoint
    from onchip.models.description import describe

    checkpoint = load_checkpoint(path)
    model = checkpoint.build()
    return model, describe(model, checkpoint.metadata)


def load_any(path: Path) -> NetworkSpec:
    """The network in a network file or a checkpoint."""
    from onchip.deploy.files.hdf5 import load_spec

    return load_spec(path) if is_network_file(path) else load_checkpoint_model(path)[1]


PRECISIONS = ("float", "fixed")


def add_execution_options(parser: argparse.ArgumentParser) -> None:
    """`--backend`, `--schedule`, `--runtime` and `--precision`."""
    parser.add_argument("--backend", default="numpy", help=f"{BACKEND_HELP} (numpy)")
    parser.add_argument(
        "--schedule",
        default=None,
        help="sequenced or pipelined (the one that integers were chosen for, else sequenced)",
    )
    parser.add_argument(
        "--runtime",
        default=None,
        help="of Lava's simulator: one-process (all in this OS process, the default) or processes",
    )
    parser.add_argument(
        "--precision",
        default="float",
        help="float, or fixed: the file's integers, made by onchip quantize (float)",
    )


def load_network(path: Path, precision: str) -> AnySpec:
    """The network of a network file, in floating point or in integers.

    Raises ValueError for an unknown precision and for a file that holds no integers.
    """
    from onchip.deploy.files.hdf5 import load_bundle

    require_choice("precision", precision, PRECISIONS)
    bundle = load_bundle(path)
    if precision == "float":
        return bundle.spec
    fixed = bundle.fixed
    if fixed is None:
        raise ValueError(f"network file {path} holds no integers; make them with onchip quantize")
    return fixed


def precision_name(spec: AnySpec) -> str:
    """What a result calls the precision: float64 or integers."""
    from onchip.program.integer_spec import FixedNetworkSpec

    return "integers" if isinstance(spec, FixedNetworkSpec) else "float64"


def execute_on(
    spec: AnySpec,
    backend: str,
    schedule: str | None = None,
    record: bool = False,
    runtime: str | None = None,
) -> Execution:
    """An execution on torch (the trainer's own layers, float64) or a backend of
    `onchip.deploy.backends.table`.

    `schedule` None is that of an integer network, else "sequenced"; `runtime` as for `build`.
    """
    from onchip.deploy.backends.table import build

    require_choice("backend", backend, BACKENDS)
    if backend != "torch":
        return build(spec, backend, schedule, record, runtime)
    if runtime is not None:
        raise ValueError(f"runtime {runtime!r}: backend torch has none; leave --runtime out")
    return torch_execution(spec, record)


def torch_execution(spec: AnySpec, record: bool = False) -> Execution:
    """The PyTorch trainer as an execution, convolutions included; ValueError for integers."""
    from onchip.deploy.backends.engine_network import EngineNetwork
    from onchip.deploy.backends.execution import Execution
    from onchip.program.integer_spec import FixedNetworkSpec

    if isinstance(spec, FixedNetworkSpec):
        raise ValueError(
            "network: it is in integers and backend torch computes in floating point; "
            "run it with --backend numpy or lava"
        )
    from onchip.models import TorchNetwork  # importing torch takes seconds

    return Execution(spec, lambda whole: EngineNetwork(TorchNetwork(whole), record), whole=True)
