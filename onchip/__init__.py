"""The three-factor rule and its executions: equations, network specification, NumPy engine, Lava.

A network is a `NetworkSpec`; `with_learning` says how it learns and `Engine` runs it. Its integers
are a `FixedNetworkSpec`, which `FixedEngine` runs. Outside of `onchip.lava` NumPy is enough, and
SciPy's BLAS for the engine's updates; the step equations also accept torch arrays.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from onchip.engine import Engine
from onchip.neurons import LIF, LeakyIntegrator, LinearReadout
from onchip.spec import (
    ConvSpec,
    DenseSpec,
    LearningSpec,
    NetworkSpec,
    with_learning,
    without_learning,
)
from onchip.surrogates import Surrogate

if TYPE_CHECKING:
    from onchip.fixed_point.engine import FixedEngine
    from onchip.fixed_point.spec import FixedNetworkSpec

_HOMES = {
    "FixedEngine": "onchip.fixed_point.engine",
    "FixedNetworkSpec": "onchip.fixed_point.spec",
}

__all__ = [
    "LIF",
    "ConvSpec",
    "DenseSpec",
    "Engine",
    "FixedEngine",
    "FixedNetworkSpec",
    "LeakyIntegrator",
    "LearningSpec",
    "LinearReadout",
    "NetworkSpec",
    "Surrogate",
    "with_learning",
    "without_learning",
]


def __getattr__(name: str) -> Any:
    """Import a public name from its module."""
    if name not in _HOMES:
        raise AttributeError(f"module 'onchip' has no attribute {name!r}")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """The public names."""
    return sorted(__all__)
