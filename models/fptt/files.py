"""Networks of liquid cells in files (`onchip.models.module_files`)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from onchip.models.fptt.networks import LiquidNetwork
from onchip.models.module_files import ModuleFiles

_FILES = ModuleFiles(
    "onchip-liquid",
    1,
    "python -m onchip.models.fptt",
    lambda config: LiquidNetwork(**config),
    "readout.weight",
)


def save_network(
    path: Path | str, network: LiquidNetwork, metadata: Mapping[str, Any] | None = None
) -> None:
    """Write `network`, all of it or nothing; `metadata` is JSON-able."""
    _FILES.save(path, network, network.settings, metadata)


def load_network(path: Path | str) -> LiquidNetwork:
    """The network of a file; see `load_network_and_metadata`."""
    return load_network_and_metadata(path)[0]


def load_network_and_metadata(path: Path | str) -> tuple[LiquidNetwork, dict[str, Any]]:
    """The network of a file and its metadata; raises as `ModuleFiles.load`."""
    return _FILES.load(path)


def is_liquid_file(path: Path | str) -> bool:
    """Whether this is a file of `save_network`, damaged or not; False for what cannot be read."""
    return _FILES.are(path)
