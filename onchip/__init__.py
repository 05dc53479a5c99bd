"""The three-factor rule and its executions: equations, network specification, NumPy engine, Lava.

A network is a `NetworkSpec`; `with_learning` says how it learns and `Engine` runs it. Its integers
are a `FixedNetworkSpec`, which it runs, too. Outside of `onchip.lava` NumPy is enough, and
SciPy's BLAS for the engine's updates; the step equations also accept torch arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.engine.engine import Engine
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.learning import with_learning, without_learning
from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate
from onchip.public_names import lazy_names

if TYPE_CHECKING:
    from onchip.program.integer_spec import FixedNetworkSpec

_HOMES = {
    "FixedNetworkSpec": "onchip.program.integer_spec",
}

__all__ = [
    "LIF",
    "ConvSpec",
    "DenseSpec",
    "Engine",
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
