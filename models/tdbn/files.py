"""Networks in files (`onchip.models.module_files`), with their running statistics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from onchip.models.module_files import ModuleFiles
from onchip.models.tdbn.networks import TdBNConfig, TdBNNetwork

_FILES = ModuleFiles(
    "onchip-tdbn",
    1,
    "python -m onchip.models.tdbn",
    lambda config: TdBNNetwork(TdBNConfig(**config)),
    "readout.connection.weight",
)


def save_network(
    path: Path | str, network: TdBNNetwork, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write `network`, all of it or nothing; `metadata` is JSON-able."""
    _FILES.save(path, network, asdict(network.config), metadata)


def load_network(path: Path | str) -> TdBNNetwork:
    """The network of a file; see `load_network_and_metadata`."""
    return load_network_and_metadata(path)[0]


def load_network_and_metadata(path: Path | str) -> tuple[TdBNNetwork, dict[str, Any]]:
    """The network of a file and its metadata; raises as `ModuleFiles.load`."""
    return _FILES.load(path)


def is_tdbn_file(path: Path | str) -> bool:
    """Whether this is a file of `save_network`, damaged or not; False for what cannot be read."""
    return _FILES.are(path)
