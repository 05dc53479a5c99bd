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
    from onchip.network.convolution import Convolution
    from onchip.network.graph import Network
    from onchip.network.local import LocalConvolution
    from onchip.network.parts import Connection, Learning, Population, Route
    from onchip.network.readouts import local_readouts
    from onchip.network.transform import Transform
    from onchip.network.transforms import Bias, Dense, OneToOne
    from onchip.network.unrolling import unrolled
    from onchip.neurons.base import Neuron
    from onchip.objectives.base import Objective
    from onchip.objectives.classification import Classification
    from onchip.objectives.regression import Regression
    from onchip.objectives.reward import Reward
    from onchip.objectives.spike_trains import SpikeTrains
    from onchip.program.integer_spec import FixedNetworkSpec
    from onchip.program.lower import lower
    from onchip.program.new_classes import add_classes
    from onchip.program.program import Program
    from onchip.program.schedules import make_schedule
    from onchip.program.timetable import Schedule
    from onchip.rules.feedback import FeedbackKind
    from onchip.rules.presets import Preset
    from onchip.rules.rule import Rule

__version__ = "0.1.0"

_HOMES = {
    "Bias": "onchip.network.transforms",
    "Classification": "onchip.objectives.classification",
    "Connection": "onchip.network.parts",
    "Convolution": "onchip.network.convolution",
    "Dense": "onchip.network.transforms",
    "FeedbackKind": "onchip.rules.feedback",
    "FixedNetworkSpec": "onchip.program.integer_spec",
    "Learning": "onchip.network.parts",
    "LocalConvolution": "onchip.network.local",
    "Network": "onchip.network.graph",
    "Neuron": "onchip.neurons.base",
    "Objective": "onchip.objectives.base",
    "OneToOne": "onchip.network.transforms",
    "Population": "onchip.network.parts",
    "Preset": "onchip.rules.presets",
    "Program": "onchip.program.program",
    "Regression": "onchip.objectives.regression",
    "Reward": "onchip.objectives.reward",
    "Route": "onchip.network.parts",
    "Rule": "onchip.rules.rule",
    "Schedule": "onchip.program.timetable",
    "SpikeTrains": "onchip.objectives.spike_trains",
    "Transform": "onchip.network.transform",
    "add_classes": "onchip.program.new_classes",
    "chain": "onchip.network.chain",
    "local_readouts": "onchip.network.readouts",
    "lower": "onchip.program.lower",
    "make_schedule": "onchip.program.schedules",
    "unrolled": "onchip.network.unrolling",
}

__all__ = [
    "ALIF",
    "LIF",
    "Bias",
    "Classification",
    "Connection",
    "ConvSpec",
    "Convolution",
    "CuBa",
    "Dense",
    "DenseSpec",
    "Engine",
    "FeedbackKind",
    "FixedNetworkSpec",
    "LeakyIntegrator",
    "Learning",
    "LearningSpec",
    "LinearReadout",
    "LocalConvolution",
    "Network",
    "NetworkSpec",
    "Neuron",
    "Objective",
    "OneToOne",
    "Population",
    "Preset",
    "Program",
    "Regression",
    "Reward",
    "Route",
    "Rule",
    "Schedule",
    "SpikeTrains",
    "Surrogate",
    "Transform",
    "add_classes",
    "chain",
    "local_readouts",
    "lower",
    "make_schedule",
    "unrolled",
    "with_learning",
    "without_learning",
]

__getattr__, __dir__ = lazy_names(__name__, __all__, _HOMES)
