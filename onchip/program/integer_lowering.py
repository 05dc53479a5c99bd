"""A network of integers as a program; `onchip.program.plasticity` has the products of its rule."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from onchip.program.chain_lowering import FEEDFORWARD, RECURRENT, lower_chain
from onchip.program.integer_layer_spec import FixedDenseSpec, with_bias, with_weights
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.program.plasticity import gate_value, layer_synapses
from onchip.program.populations import IntegerPopulation
from onchip.program.program import INTEGERS, Neurons, Program, Synapses
from onchip.program.teaching import IntegerTeacher
from onchip.program.timetable import Schedule


def lower(network: FixedNetworkSpec, timetable: Schedule) -> Program:
    """Return the program of a network of dense layers."""
    factors = {} if network.learning is None else network.learning.factors
    return lower_chain(
        INTEGERS,
        network,
        timetable,
        lambda layer, number: _neurons(network, layer, timetable, number),
        lambda layer, source, number: _into(network, layer, source, timetable, number),
        lambda layer: factors[layer.name].matrix,
    )


def learned(program: Program, weights: Mapping[str, np.ndarray]) -> FixedNetworkSpec:
    """Return the network with other weights [post, pre], laid out as `with_bias` does."""
    network: FixedNetworkSpec = program.network
    layers = []
    for layer in network.layers:
        found = weights.get(f"{layer.name}.{FEEDFORWARD}")
        if found is not None and isinstance(layer, FixedDenseSpec):
            recurrent = weights.get(f"{layer.name}.{RECURRENT}")
            whole = None if recurrent is None else recurrent.astype(np.int64)
            layer = with_weights(layer, found.astype(np.int64), whole)
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def _neurons(
    network: FixedNetworkSpec, layer: FixedDenseSpec, timetable: Schedule, number: int
) -> Neurons:
    return Neurons(
        layer.name,
        layer.output_shape,
        layer.neuron.spiking,
        IntegerPopulation(layer, network.learning),
        number,
        timetable.feedback_offset(number),
        _teacher(network, layer),
    )


def _teacher(network: FixedNetworkSpec, layer: FixedDenseSpec) -> IntegerTeacher | None:
    learning = network.learning
    if layer.plasticity is None or learning is None:
        return None
    return IntegerTeacher(
        gate=gate_value(layer.plasticity.rate, learning.mode),
        accumulate=learning.mode == "accumulate",
        recurrent=layer.recurrent_weight is not None,
    )


def _into(
    network: FixedNetworkSpec,
    layer: FixedDenseSpec,
    source: str,
    timetable: Schedule,
    number: int,
) -> list[Synapses]:
    def synapses(group: str, source: str, weights: np.ndarray, delay: int, on: bool) -> Synapses:
        rule = layer_synapses(timetable, layer, network.learning, number, bool(delay))
        name = f"{layer.name}.{group}"
        return Synapses(name, source, layer.name, weights, layer.weight_exponent, delay, on, rule)

    has_bias = layer.bias_weight is not None
    found = [synapses(FEEDFORWARD, source, with_bias(layer), 0, has_bias)]
    if layer.recurrent_weight is not None:
        found.append(synapses(RECURRENT, layer.name, layer.recurrent_weight, 1, False))
    return found
