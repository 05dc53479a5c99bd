"""The package nir, imported when it is needed."""

from __future__ import annotations

import importlib
from typing import Any


def nir_package() -> Any:
    """Return the package nir; ValueError, with the remedy, where it is not installed."""
    return _package("nir", "pip install nir", "reading and writing NIR")


def nirviz_package() -> Any:
    """Return the package nirviz, as `nir_package`."""
    return _package("nirviz", "pip install nirviz", "drawing a network")


def _package(name: str, remedy: str, purpose: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise ValueError(
            f"{purpose} needs the package {name} ({error}); install it: {remedy}"
        ) from None
