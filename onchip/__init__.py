"""The three-factor rule and its executions: equations, network specification, NumPy engine, Lava.

Outside of `onchip.lava` NumPy is enough, and SciPy's BLAS for the engine's updates; the step
equations also accept torch arrays.
"""

from onchip.engine import Engine
from onchip.neurons import LIF, LeakyIntegrator, LinearReadout
from onchip.spec import ConvSpec, DenseSpec, LearningSpec, NetworkSpec
from onchip.surrogates import Surrogate

__all__ = [
    "LIF",
    "ConvSpec",
    "DenseSpec",
    "Engine",
    "LeakyIntegrator",
    "LearningSpec",
    "LinearReadout",
    "NetworkSpec",
    "Surrogate",
]
