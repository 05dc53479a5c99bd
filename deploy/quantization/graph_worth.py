"""The float graph that a graph of integers is worth."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, cast

import numpy as np

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation

Found = dict[tuple[str, str, int], ChipConnection]


def dequantize_graph(chip: ChipNetwork, network: Network) -> Network:
    """Return the float network that the integers are worth: weights, biases and learning rates.

    All else is as in `network`, which `chip` was quantized from. Weights are worth what an
    execution makes of them: without their lowest bit. Raises ValueError for another network.
    """
    found: Found = {
        (c.source, c.target, c.delay): cast(ChipConnection, c) for c in chip.connections
    }
    names = [p.name for p in network.populations]
    if names != [p.name for p in chip.populations]:
        raise ValueError(
            f"dequantize: the integers have populations {[p.name for p in chip.populations]}, the "
            f"network {names}; pass the network that they were quantized from"
        )
    connections = (_worth(c, chip, found) for c in network.connections)
    return replace(network, connections=tuple(connections))


def _worth(connection: Connection, chip: ChipNetwork, found: Found) -> Connection:
    """The connection with what its integers are worth, and the rate that was wanted of them."""
    population = cast(ChipPopulation, chip.population(connection.target))
    integers = found.get((connection.source, connection.target, connection.delay))
    weight = np.zeros(connection.transform.weight.shape)
    if connection.source == ALWAYS_ON and population.bias is not None:
        weight = weight + population.bias * population.membrane_unit
    elif integers is None:
        raise ValueError(
            f"dequantize: the integers have no connection from {connection.source!r} to "
            f"{connection.target!r}; pass the network that they were quantized from"
        )
    rule = connection.rule
    if integers is not None:
        held = drop_lowest_bit(integers.transform.weight.astype(np.int64))
        weight = weight + held * integers.weight_step(population.membrane_unit)
        wanted = 0.0 if integers.plasticity is None else integers.plasticity.rate.wanted
        if rule is not None and wanted:
            rule = replace(rule, learning_rate=wanted)
    transform: Any = connection.transform
    return replace(connection, transform=replace(transform, weight=weight), rule=rule)
