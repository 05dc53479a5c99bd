"""The learning rates of a network, read and changed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, TypeAlias

from onchip.deploy.quantization.graph_learning import chip_at_rate
from onchip.deploy.quantization.learning import with_learning_rate
from onchip.network.graph import Network
from onchip.network.learning import rates_by_name
from onchip.program.graphs import INTEGERS, numbers_of

Rate: TypeAlias = "float | Mapping[str, float]"
"""A learning rate, or one for each population that learns, by name."""

NO_LEARNING = "network: it has no learning section, so no learning rate"


def at_rate(spec: Any, learning_rate: Rate) -> Any:
    """The same network with another learning rate; frozen feedback stays as it was deployed.

    Raises ValueError for a network that does not learn, for names other than those of the
    populations that do, and for several rates of a chain of layers, which has one.
    """
    whole = numbers_of(spec) == INTEGERS
    if isinstance(spec, Network):
        return chip_at_rate(spec, learning_rate) if whole else _graph_at_rate(spec, learning_rate)  # type: ignore[arg-type]
    if isinstance(learning_rate, Mapping):
        raise ValueError(
            "network: a chain of layers has one learning rate; make a graph of it with "
            "onchip.network.chain.graph_of for several"
        )
    if whole:
        return with_learning_rate(spec, learning_rate)
    if spec.learning is None:
        raise ValueError(NO_LEARNING)
    return replace(spec, learning=replace(spec.learning, learning_rate=learning_rate))


def _graph_at_rate(network: Network, learning_rate: Rate) -> Network:
    if network.learning is None:
        raise ValueError(NO_LEARNING)
    rates = rates_by_name(learning_rate, network.plastic_names)
    connections = (
        c if c.rule is None else replace(c, rule=replace(c.rule, learning_rate=rates[c.target]))
        for c in network.connections
    )
    return replace(network, connections=tuple(connections))
