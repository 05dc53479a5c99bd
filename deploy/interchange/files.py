"""NIR files: HDF5 as the package nir writes it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import h5py

from onchip.deploy.interchange.nir_package import nir_package
from onchip.deploy.interchange.reading import from_nir
from onchip.deploy.interchange.writing import to_nir
from onchip.files.writing import write_bytes
from onchip.network.graph import Network
from onchip.program.graphs import AnyNetwork


def write_nir(path: str | Path, network: AnyNetwork, *, dt: float, pools: str = "folded") -> None:
    """Write a network as a NIR file, all of it or nothing; options and errors as of `to_nir`.

    Raises FileNotFoundError where the folder is missing.
    """
    graph, content = to_nir(network, dt=dt, pools=pools), io.BytesIO()
    nir_package().write(content, graph)
    write_bytes(path, content.getvalue())


def read_nir(path: str | Path, **options: Any) -> Network:
    """Return the network of a NIR file; `options` and errors as of `from_nir`.

    Raises FileNotFoundError where there is no file and ValueError, naming it, for one that is no
    NIR file or damaged.
    """
    graph = load_graph(path)
    try:
        return from_nir(graph, **options)
    except ValueError as error:
        raise ValueError(f"NIR file {path}: {str(error).removeprefix('NIR: ')}") from None


def load_graph(path: str | Path) -> Any:
    """Return the `nir.NIRGraph` of a file, its types not checked; errors as of `read_nir`.

    The package nir refuses kernels that are not square and grouped convolutions where it checks
    types; here the sizes are checked when the network is made.
    """
    nir, path = nir_package(), Path(path)
    _check_is_nir(path)
    try:
        graph = nir.read(str(path), type_check=False)
    except Exception as error:  # nir asserts, and HDF5 raises anything of what is damaged
        reason = " ".join(str(error).split())[:200] or type(error).__name__
        raise ValueError(
            f"NIR file {path}: it is damaged or of another version of NIR ({reason}); write it "
            "again"
        ) from None
    if type(graph).__name__ != "NIRGraph":
        raise ValueError(
            f"NIR file {path}: it holds a {type(graph).__name__} and no graph; write the network"
        )
    return graph


def _check_is_nir(path: Path) -> None:
    if not path.exists():
        raise FileNotFoundError(f"NIR file {path} does not exist; name one that nir.write wrote")
    if not path.is_file():
        raise ValueError(f"NIR file {path}: it is not a file; name the .nir file itself")
    with path.open("rb"):  # an OSError that names the path, where it cannot be read
        pass
    remedy = "name one that nir.write, or onchip to-nir, wrote"
    if not h5py.is_hdf5(path):
        raise ValueError(f"NIR file {path}: it is not an HDF5 file; {remedy}")
    try:
        with h5py.File(path, "r") as file:
            known = "node" in file
    except (OSError, RuntimeError, KeyError) as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"NIR file {path}: it is damaged ({reason}); write it again") from None
    if not known:
        raise ValueError(f"NIR file {path}: it holds no NIR graph; {remedy}")
