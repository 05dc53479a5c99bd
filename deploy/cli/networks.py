"""Networks and their executions for the commands: files, checkpoints, backends."""

from __future__ import annotations

import argparse
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from onchip.checks import require_choice
from onchip.deploy.cli.common import say

if TYPE_CHECKING:
    from onchip.models import SpikingNetwork
    from onchip.models.tdbn.networks import TdBNNetwork
    from onchip.network.graph import Network
    from onchip.network.spec import NetworkSpec
    from onchip.program.graphs import AnyNetwork


def backend_help() -> str:
    """The text on the backends that `--backend` takes; a command adds its default."""
    from onchip.deploy.backends.table import BACKENDS

    rows = [f"{name} ({row.about})" if row.about else name for name, row in BACKENDS.items()]
    automatic = "auto (loihi2 where its extension and a board are found, else lava)"
    return f"{', '.join(rows)} or {automatic}".replace("%", "%%")


def choose_backend(name: str, spec: AnyNetwork) -> str:
    """The backend that `name` stands for, told on stderr with the reason where a chip is concerned.

    Before the work starts: raises ValueError as `onchip.deploy.backends.table.resolve_backend`.
    """
    from onchip.deploy.backends.table import resolve_backend

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


def load_checkpoint_model(path: Path) -> tuple[SpikingNetwork | TdBNNetwork, NetworkSpec | Network]:
    """A checkpoint's network, and the same as described, with the checkpoint's metadata.

    Also of a file of ``python -m onchip.models.tdbn``; one of ``python -m onchip.models.fptt`` is
    refused with the reason why it stays offline.
    """
    from onchip.models import load_checkpoint
    from onchip.models.description import describe_model
    from onchip.models.fptt.files import is_liquid_file
    from onchip.models.fptt.files import load_network as load_liquid
    from onchip.models.tdbn.files import is_tdbn_file, load_network_and_metadata

    if is_tdbn_file(path):
        network, metadata = load_network_and_metadata(path)
        return network, describe_model(network, metadata)
    if is_liquid_file(path):
        describe_model(load_liquid(path))
    checkpoint = load_checkpoint(path)
    model = checkpoint.build()
    return model, describe_model(model, checkpoint.metadata)


def load_any(path: Path) -> AnyNetwork:
    """The network in a network file or a checkpoint."""
    from onchip.deploy.files.hdf5 import load_spec

    return load_spec(path) if is_network_file(path) else load_checkpoint_model(path)[1]


def add_execution_options(parser: argparse.ArgumentParser) -> None:
    """`--backend`, `--schedule`, `--runtime`, `--convolutions` and `--precision`."""
    from onchip.execution import RUNTIMES
    from onchip.program.timetable import SCHEDULES

    parser.add_argument("--backend", default="numpy", help=f"{backend_help()} (numpy)")
    parser.add_argument(
        "--schedule",
        default=None,
        help=f"{' or '.join(SCHEDULES)} (the one that integers were chosen for, else sequenced)",
    )
    parser.add_argument(
        "--runtime",
        default=None,
        help=f"of Lava's simulator: {' or '.join(RUNTIMES)} (one-process: all in this OS process)",
    )
    add_convolutions(parser)
    parser.add_argument(
        "--precision",
        default="float",
        help="float, or fixed: the file's integers, made by onchip quantize (float)",
    )


def add_convolutions(parser: argparse.ArgumentParser) -> None:
    """`--convolutions`."""
    from onchip.deploy.backends.table import BACKENDS, CONVOLUTIONS

    known = " and ".join(name for name, row in BACKENDS.items() if row.convolutions)
    parser.add_argument(
        "--convolutions",
        default=None,
        metavar="WHERE",
        help=f"of {known}: {' or '.join(CONVOLUTIONS)}, where frozen convolutions and all below "
        "them run: ahead on the host, or as Lava processes of their own (host)",
    )


def tell_copies(spec: AnyNetwork) -> None:
    """Tell on stderr what the convolutions that learn are on a chip, where some do."""
    from onchip.deploy.checks.convolutions import copies_note
    from onchip.program.graphs import as_graph

    note = copies_note(as_graph(spec))
    if note:
        say(note)


def load_network(path: Path, precision: str) -> AnyNetwork:
    """The network of a network file, in floating point or in integers.

    Raises ValueError for an unknown precision and for a file that holds no integers.
    """
    from onchip.deploy.backends.table import FLOAT, PRECISIONS
    from onchip.deploy.files.hdf5 import load_bundle

    require_choice("precision", precision, PRECISIONS)
    bundle = load_bundle(path)
    if precision == FLOAT:
        return bundle.spec
    fixed = bundle.fixed
    if fixed is None:
        raise ValueError(f"network file {path} holds no integers; make them with onchip quantize")
    return fixed


def precision_name(spec: AnyNetwork) -> str:
    """What a result calls the precision: float64 or integers."""
    from onchip.program.graphs import INTEGERS, numbers_of

    return "integers" if numbers_of(spec) == INTEGERS else "float64"
