"""A graph in Loihi's integers: the scales of its populations, its connections and their factors.

A population has one membrane unit, found from the weights of all connections into it. Frozen
connections of smaller weights get an exponent of their own; those that learn share one, because
they share the population's gate. Where several routes bring an error to a population, their fixed
matrices are brought to one unit, so that their sum means something.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, cast

import numpy as np

from onchip.arithmetic.loihi import MEMBRANE_MAX, quantize_decay
from onchip.deploy.quantization.graph_factors import is_shared
from onchip.deploy.quantization.graph_learning import chip_learning
from onchip.deploy.quantization.learning import naming_layer
from onchip.deploy.quantization.objectives import integer_objective
from onchip.deploy.quantization.reach import lowered, reached
from onchip.deploy.quantization.scales import Scale, find_scale, round_bias, round_even
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.layer_spec import DenseSpec
from onchip.network.parts import ALWAYS_ON, Connection, Learning, Population
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.objectives.integer_base import IntegerObjective
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation
from onchip.program.integer_layer_spec import weight_step


def quantize_graph(
    network: Network,
    schedule: str,
    headroom: float,
    seed: int,
    late_updates: bool | None = None,
    like: ChipNetwork | None = None,
) -> ChipNetwork:
    """Return the network in integers, its learning included; arguments as in `Quantization`.

    `like`, an earlier quantization of the same graph, lends its scales and exponents.

    Raises ValueError, naming the population, for what integers cannot hold.
    """
    _require_integer_form(network)
    scales = {
        p.name: _scale(network, p, headroom) if like is None else _lent(like, p)
        for p in network.populations
    }
    chip = _chip(network, scales, like)
    if like is None:
        chip = _held(network, chip, scales, headroom)
    if network.learning is None:
        return chip
    objective = _objective(network.learning, chip)
    return chip_learning(network, chip, objective, schedule, seed, late_updates)


def _chip(network: Network, scales: Mapping[str, Scale], like: ChipNetwork | None) -> ChipNetwork:
    """The network in integers of these scales, without its learning."""
    return ChipNetwork(
        tuple(_population(network, p, scales[p.name]) for p in network.populations),
        tuple(
            _connection(network, c, scales[c.target], like)
            for c in network.connections
            if c.source != ALWAYS_ON or c.plastic
        ),
        network.input_shape,
        network.time_steps,
        metadata=network.metadata,
    )


def _held(
    network: Network, chip: ChipNetwork, scales: dict[str, Scale], headroom: float
) -> ChipNetwork:
    """The network with the exponents of its readouts, which share a scale, low enough."""
    names = [name for name in network.readouts if not network.population(name).neuron.spiking]
    plastic = any(c.plastic and c.target in names for c in network.connections)
    room = max(1.0, headroom) if plastic else 1.0
    while any(room * reached(chip, name) > MEMBRANE_MAX for name in names):
        found = {name: room * reached(chip, name) for name in names}
        worst = max(names, key=found.__getitem__)
        with naming_layer(worst):
            scales |= {name: lowered(scales[name], found[worst]) for name in names}
        chip = _chip(network, scales, None)
    return chip


def _require_integer_form(network: Network) -> None:
    for p in network.populations:
        if not p.neuron.has_integer_form:
            raise ValueError(
                f"population {p.name!r}: {type(p.neuron).__name__} neurons have no integer form; "
                "run the network in floating point"
            )
    for c in network.connections:
        if c.plastic and isinstance(c.transform, EnlargingConvolution):
            raise ValueError(
                f"population {c.target!r}: an enlarging convolution that learns has no integer "
                "form; leave it frozen, or learn in floating point"
            )
        if c.rule is not None and c.rule.eligibility_decay and is_shared(c):
            raise ValueError(
                f"connection {c.source!r} to {c.target!r}: a filtered eligibility is one of each "
                "synapse, but these share their weights; learn by rule 'ottt', or leave it frozen"
            )
        if c.rule is not None and c.rule.eligibility is not None:
            raise ValueError(
                f"connection {c.source!r} to {c.target!r}: eligibility "
                f"{type(c.rule.kind).__name__} has no integer form; learn by rule 'ottt', or in "
                "floating point"
            )


def _objective(learning: Learning, chip: ChipNetwork) -> IntegerObjective:
    readout = cast(ChipPopulation, chip.populations[-1])
    return integer_objective(
        learning.objective, readout.membrane_unit, readout.neuron.spiking, chip.classes
    )


def _into(network: Network, name: str) -> list[Connection]:
    return [c for c in network.connections if c.target == name and c.source != ALWAYS_ON]


def _bias(network: Network, name: str) -> np.ndarray | None:
    biases = (c for c in network.connections if c.target == name and c.source == ALWAYS_ON)
    found = next(biases, None)
    return None if found is None else found.transform.weight


def _scale(network: Network, population: Population, headroom: float) -> Scale:
    """The scale of a layer that has all the weights that lead to a population.

    Readouts share one scale, since one table makes the errors of all.
    """
    alike = network.readouts if population.name in network.readouts else (population.name,)
    into = [c for name in alike for c in _into(network, name)]
    biases = [bias for name in alike if (bias := _bias(network, name)) is not None]
    weights = np.concatenate([c.transform.weight.ravel() for c in into])
    largest = np.array([max(np.abs(bias).max() for bias in biases)]) if biases else None
    plastic, neuron = any(c.plastic for c in into), population.neuron
    if neuron.spiking:  # its scale is that of a LIF of the same threshold
        neuron = LIF(v_threshold=getattr(neuron, "v_threshold", 1.0))
    layer = DenseSpec(population.name, weights[np.newaxis], neuron, largest, None, plastic)
    with naming_layer(population.name):
        return find_scale(layer, headroom)


def _population(network: Network, population: Population, scale: Scale) -> ChipPopulation:
    bias = _bias(network, population.name)
    with naming_layer(population.name):
        return ChipPopulation(
            population.name,
            population.shape,
            _neuron(population.neuron, scale),
            scale.membrane_unit,
            None if bias is None else round_bias(bias / scale.membrane_unit),
        )


def _neuron(neuron: Neuron, scale: Scale) -> Neuron:
    """The neuron with constants that the chip holds, potentials in membrane integers."""
    held: dict[str, Any] = {
        name: quantize_decay(getattr(neuron, name)).realised for name in neuron.decays
    }
    for name in neuron.potentials:
        held[name] = round(getattr(neuron, name) / scale.membrane_unit)
    if neuron.spiking:
        held["v_threshold"] = scale.threshold
    return replace(neuron, **held)  # type: ignore[type-var]


def _lent(like: ChipNetwork, population: Population) -> Scale:
    """The scale that a population had in an earlier quantization."""
    kept: Any = like.population(population.name)
    return Scale(kept.membrane_unit, 0, int(getattr(kept.neuron, "v_threshold", 1)))


def _kept_exponent(like: ChipNetwork, connection: Connection) -> int:
    ends = (connection.source, connection.target, connection.delay)
    kept: Any = next(c for c in like.connections if (c.source, c.target, c.delay) == ends)
    return int(kept.exponent)


def _connection(
    network: Network, connection: Connection, scale: Scale, like: ChipNetwork | None
) -> ChipConnection:
    """The connection in integers, without its learning.

    A bias that learns is at zero beside the population's own, and has the exponent of the others.
    """
    exponent = scale.weight_exponent if like is None else _kept_exponent(like, connection)
    if connection.source == ALWAYS_ON:
        weight = np.zeros(connection.transform.weight.shape)
        zeros: Any = replace(connection.transform, weight=weight)  # type: ignore[type-var]
        return ChipConnection(ALWAYS_ON, connection.target, zeros, exponent=exponent)
    into = _into(network, connection.target)
    if like is None and not any(c.plastic for c in into):
        exponent -= _spare_bits(connection, into, exponent)
    step = weight_step(scale.membrane_unit, exponent)
    weight = round_even(connection.transform.weight / step)
    if not weight.any():
        raise ValueError(
            f"connection {connection.source!r} to {connection.target!r}: all its weights are 0 "
            "beside those of the others into it; train it, or leave it out"
        )
    transform = replace(connection.transform, weight=weight)  # type: ignore[type-var]
    return ChipConnection(
        connection.source, connection.target, transform, connection.delay, exponent=exponent
    )


def _spare_bits(connection: Connection, into: list[Connection], exponent: int) -> int:
    """By how many bits the weights of a connection are smaller than the largest beside them.

    An exponent below 0 would round the sums, so no more than lead to it.
    """
    sizes = {id(c): float(np.abs(c.transform.weight).max()) for c in into}
    own = sizes[id(connection)]
    if own == 0:
        return 0
    return max(0, min(math.floor(math.log2(max(sizes.values()) / own)), exponent))
