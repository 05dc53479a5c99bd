"""The three-factor rule and its executions: equations, network specification, NumPy engine, Lava.

A network is a `NetworkSpec`, a chain of layers, or a `Network`, a graph of populations and
connections; `with_learning` says how it learns and `Engine` runs it, or its integers. Outside of
`onchip.lava` NumPy is enough, and SciPy's BLAS for the engine's updates; the step equations also
accept torch arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from onchip.engine.engine import Engine
from onchip.network.layer_spec import ConvSpec, DenseSpec
from onchip.network.learning import with_learning, without_learning
from onchip.network.spec import LearningSpec, NetworkSpec
from onchip.neurons.alif import ALIF
from onchip.neurons.cuba import CuBa
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate
from onchip.public_names import lazy_names

if TYPE_CHECKING:
    from onchip.network.chain import chain
    from onchip.network.graph import Network
    from onchip.network.parts import Connection, Population
    from onchip.program.integer_spec import FixedNetworkSpec
    from onchip.program.new_classes import add_classes

_HOMES = {
    "Connection": "onchip.network.parts",
    "FixedNetworkSpec": "onchip.program.integer_spec",
    "Network": "onchip.network.graph",
    "Population": "onchip.network.parts",
    "add_classes": "onchip.program.new_classes",
    "chain": "onchip.network.chain",
}

__all__ = [
    "ALIF",
    "LIF",
    "Connection",
    "ConvSpec",
    "CuBa",
    "DenseSpec",
    "Engine",
    "FixedNetworkSpec",
    "LeakyIntegrator",
    "LearningSpec",
    "LinearReadout",
    "Network",
    "NetworkSpec",
    "Population",
    "Surrogate",
    "add_classes",
    "chain",
    "with_learning",
    "without_learning",
]

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
