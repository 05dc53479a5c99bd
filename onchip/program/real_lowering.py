"""A network in floating point as a program.

    online      dw = u0*x1*y1                      y1 = -eta g
    accumulate  dt = u0*x1*y1 - u0*t*y3,  dw = u0*t*y2      y2 applies the tag, y3 clears it

On the pipelined schedule x1 already holds the spike of the next step; the product -x0*y1 takes it
back and y1 carries 1/lambda, since a[n] = (x1 - s[n+1]) / lambda.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from onchip.arithmetic.accumulator import Product
from onchip.network.layer_spec import DenseSpec
from onchip.network.spec import NetworkSpec
from onchip.program.chain_lowering import FEEDFORWARD, RECURRENT, lower_chain
from onchip.program.populations import RealPopulation
from onchip.program.program import REAL_NUMBERS, Neurons, Program, Synapses
from onchip.program.synapses import Plasticity
from onchip.program.teaching import RealTeacher, factor_scale, gate_scale
from onchip.program.timetable import Schedule, arrival_phase, trace_impulse, trace_time_constant


def lower(network: NetworkSpec, timetable: Schedule) -> Program:
    """Return the program of a network of dense layers."""
    matrices = {} if network.learning is None else network.learning.feedback_matrices
    return lower_chain(
        REAL_NUMBERS,
        network,
        timetable,
        lambda layer, number: _neurons(network, layer, timetable, number),
        lambda layer, source, number: _into(network, layer, source, timetable, number),
        lambda layer: matrices.get(layer.name),
    )


def learned(program: Program, weights: Mapping[str, np.ndarray]) -> NetworkSpec:
    """Return the network with other weights [post, pre], the bias as their last column."""
    network: NetworkSpec = program.network
    layers = []
    for layer in network.layers:
        found = weights.get(f"{layer.name}.{FEEDFORWARD}")
        if found is not None and isinstance(layer, DenseSpec):
            bias = None if layer.bias is None else found[:, -1]
            recurrent = weights.get(f"{layer.name}.{RECURRENT}")
            found = found if bias is None else found[:, :-1]
            layer = replace(layer, weight=found, bias=bias, recurrent_weight=recurrent)
        layers.append(layer)
    return replace(network, layers=tuple(layers))


def plasticity(timetable: Schedule, mode: str, decay: float, arrival: int) -> Plasticity:
    """Return how synapses learn whose spikes arrive in phase `arrival` 1..K of the epoch.

    `mode` is "online" or "accumulate", `decay` lambda of the postsynaptic membrane.
    """
    gradient = [Product(1, 0, ("x1", "y1"))]
    if timetable.period == 1:
        gradient.append(Product(-1, 0, ("y1",), "x0"))
    online = mode == "online"
    clear, apply = Product(-1, 0, ("t", "y3")), Product(1, 0, ("t", "y2"))
    return Plasticity(
        dw=tuple(gradient) if online else (apply,),
        dt=() if online else (*gradient, clear),
        impulse=trace_impulse(decay, timetable.period, arrival),
        tau=trace_time_constant(decay, timetable.period),
        epoch=timetable.period,
    )


def _neurons(network: NetworkSpec, layer: DenseSpec, timetable: Schedule, number: int) -> Neurons:
    mse_weight = 0.0 if network.learning is None else network.learning.mse_weight
    return Neurons(
        layer.name,
        layer.output_shape,
        layer.neuron.spiking,
        RealPopulation(layer.neuron, network.time_steps, mse_weight),
        number,
        timetable.feedback_offset(number),
        _teacher(network, layer, timetable),
    )


def _teacher(network: NetworkSpec, layer: DenseSpec, timetable: Schedule) -> RealTeacher | None:
    learning = network.learning
    if not layer.plastic or learning is None:
        return None
    return RealTeacher(
        scale=factor_scale(timetable, learning.learning_rate, layer.neuron.decay),
        gate=gate_scale(timetable),
        accumulate=learning.mode == "accumulate",
        recurrent=layer.recurrent_weight is not None,
    )


def _into(
    network: NetworkSpec, layer: DenseSpec, source: str, timetable: Schedule, number: int
) -> list[Synapses]:
    rule = None
    if layer.plastic and network.learning is not None:
        phase = arrival_phase(timetable, number)
        rule = plasticity(timetable, network.learning.mode, layer.neuron.decay, phase)
    weights, has_bias = layer.weight, layer.bias is not None
    if layer.bias is not None:
        weights = np.concatenate((weights, layer.bias[:, np.newaxis]), axis=1)
    name = f"{layer.name}.{FEEDFORWARD}"
    found = [
        Synapses(name, source, layer.name, weights, always_on=has_bias, plasticity=rule),
    ]
    if layer.recurrent_weight is not None:
        own = layer.recurrent_weight
        name = f"{layer.name}.{RECURRENT}"
        found.append(Synapses(name, layer.name, layer.name, own, delay=1, plasticity=rule))
    return found
