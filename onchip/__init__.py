"""The three-factor rule and its executions: equations, network specification, NumPy engine, Lava.

A network is a `NetworkSpec`; `with_learning` says how it learns and `Engine` runs it. Its integers
are a `FixedNetworkSpec`, which `FixedEngine` runs. Outside of `onchip.lava` NumPy is enough, and
SciPy's BLAS for the engine's updates; the step equations also accept torch arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.engine import Engine
from onchip.neurons import LIF, LeakyIntegrator, LinearReadout
from onchip.public_names import lazy_names
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

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
