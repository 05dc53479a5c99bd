"""The kinds of synapses of the engine in integers, by their transforms."""

from __future__ import annotations

from onchip.engine.integer_synapses import (
    DenseIntegerSynapses,
    LoihiSynapses,
    OtherIntegerSynapses,
)
from onchip.engine.own_synapses import OwnIntegerSynapses
from onchip.engine.shared_synapses import SharedIntegerSynapses
from onchip.network.convolution import Convolution
from onchip.network.transforms import Bias, Dense
from onchip.program.program import Synapses


def make_integer_synapses(synapses: Synapses) -> LoihiSynapses:
    """The engine's synapses in integers."""
    transform = synapses.transform
    if type(transform) is Dense:
        return DenseIntegerSynapses(synapses)
    if synapses.plastic and isinstance(transform, (Convolution, Bias)):
        return SharedIntegerSynapses(synapses)
    if synapses.plastic:
        return OwnIntegerSynapses(synapses)
    return OtherIntegerSynapses(synapses)
