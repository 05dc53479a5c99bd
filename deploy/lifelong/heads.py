"""Heads on a frozen trunk: the network's own dense layers, or one readout that reads the trunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from onchip.deploy.quantization.reach import highest_exponent
from onchip.network.graph import Network
from onchip.network.partition import split_trunk
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, Dense
from onchip.neurons.readouts import LinearReadout
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation
from onchip.program.graphs import as_graph

Array = np.ndarray

READOUT = "readout"


def with_readout(network: Any, weights: Array, bias: Array | None = None) -> Network:
    """Return the network's trunk with one dense readout, o[n] = W s[n] + b, in place of its head.

    `weights` [classes, features], `bias` [classes]. The sum of the outputs over the steps is
    W counts + T b: a linear classifier of spike counts. Raises ValueError for a network without a
    frozen trunk.
    """
    graph = as_graph(network)
    trunk, _ = split_trunk(graph)
    if trunk is None:
        raise ValueError(
            "network: it has no convolutions to read from; use a way with its own head, or a "
            "network with convolutions (convnet, vgg)"
        )
    source = trunk.populations[-1].name
    readout = Population(READOUT, (len(weights),), LinearReadout())
    return replace(
        trunk,
        populations=(*trunk.populations, readout),
        connections=(*trunk.connections, *_into(source, weights, bias)),
        metadata=graph.metadata,
    )


def readout_head(weights: Array, time_steps: int, bias: Array | None = None) -> Network:
    """Return the same readout alone, as a network that is given the trunk's spikes."""
    return Network(
        (Population(READOUT, (len(weights),), LinearReadout()),),
        _into(INPUT, weights, bias),
        (weights.shape[1],),
        time_steps,
    )


def integer_readout(weights: Array, time_steps: int) -> ChipNetwork:
    """Return such a head of integer `weights` [classes, features], which stay as they are.

    Its exponent is the quantizer's (`onchip.deploy.quantization.reach`): the membrane holds what
    every input sends at once. A membrane integer is as good as any other, so its unit is 1.
    """
    readout = LinearReadout()
    return ChipNetwork(
        (ChipPopulation(READOUT, (len(weights),), readout, membrane_unit=1.0),),
        (
            ChipConnection(
                INPUT,
                READOUT,
                Dense(weights),
                exponent=highest_exponent(weights, readout, time_steps),
            ),
        ),
        (weights.shape[1],),
        time_steps,
    )


def class_means(counts: Array, labels: Array, classes: Sequence[int]) -> tuple[Array, Array]:
    """Return weights and a bias per step by which the readout finds the nearest mean of counts.

    The distance from x to m is least where m x - m m / 2 is largest. The bias is that of a sample
    of one step; divide it by T.
    """
    means = np.array([counts[labels == c].mean(axis=0) for c in classes])
    return means, -0.5 * (means**2).sum(axis=1)


def _into(source: str, weights: Array, bias: Array | None) -> tuple[Connection, ...]:
    found = [Connection(source, READOUT, Dense(weights))]
    if bias is not None:
        found.append(Connection(ALWAYS_ON, READOUT, Bias(bias, (len(bias),))))
    return tuple(found)
