"""Shares of the learning rate on a machine: in the factors of neurons, or in the tags of synapses.

`onchip.network.shares` says what they are. In integers a share of each neuron is its y3, which the
rule multiplies anyway, and one of each synapse its tag, in the place of y3: both are whole numbers
up to the rate's gate, that of a share of 1, of 1..127.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from onchip.network.graph import Network
from onchip.network.parts import Connection
from onchip.network.shares import by_synapse, neuron_shares, synapse_shares
from onchip.network.transforms import Dense
from onchip.program.rates import FixedRate
from onchip.program.synapses import Plasticity

Array = np.ndarray


def shares_of(
    graph: Network, connection: Connection, name: str, bias: Connection | None
) -> Array | None:
    """Return the shares of a connection that learns: [post], or as its weights lie; None for 1.

    `bias` is the connection whose weights are the last column.
    """
    if not connection.plastic:
        return None
    found = synapse_shares(graph, name, connection)
    if found is None:
        return neuron_shares(graph, connection.target)
    if bias is None:
        return found
    column = synapse_shares(graph, f"{bias.target}.bias", bias)
    assert column is not None
    return np.concatenate([found, column[:, np.newaxis]], axis=1)


def taught_shares(graph: Network, target: str) -> Array | None:
    """Return the shares that a population's factors carry: none where its tags hold them."""
    return None if by_synapse(graph, target) else neuron_shares(graph, target)


def require_tags(connection: Connection) -> None:
    """Raise ValueError for synapses that a machine gives no tag of their own."""
    if type(connection.transform) is not Dense:
        raise ValueError(
            f"connection {connection.source!r} to {connection.target!r}: shares of each synapse "
            "lie in the tags of dense synapses, which it has none of; let a dense connection "
            "without delay learn beside it, or use backend numpy"
        )


def with_tags(plasticity: Plasticity, where: str) -> Plasticity:
    """Return a rule in floating point whose products are multiplied by the tag.

    Raises ValueError for a rule that needs the tag itself.
    """
    if plasticity.dt or plasticity.keeps_tag:
        raise ValueError(
            f"{where}: shares of each synapse lie in its tag, which this rule needs itself; use "
            "mode 'online' and rule 'ottt', or shares of the neurons"
        )
    products = tuple(replace(p, factors=(*p.factors, "t")) for p in plasticity.dw)
    return replace(plasticity, dw=products)


def require_free_gate(mode: str, shares: object) -> None:
    """Raise ValueError where integers that learn in `mode` have no room for shares."""
    if shares is not None and mode != "online":
        raise ValueError(
            f"shares: integers hold them in y3 or the tag, which updates of mode {mode!r} need; "
            "use mode 'online' without delay, or floating point"
        )


def whole_gates(rate: FixedRate, shares: Array | None, name: str) -> int | Array:
    """Return y3 of a population's neurons: the gate, or its share of each, whole numbers.

    Raises ValueError for a share that is rounded to nothing.
    """
    if shares is None:
        return rate.gate
    found = whole_shares(rate, shares)
    lost = np.flatnonzero((found == 0) & (shares > 0))
    if lost.size:
        raise ValueError(
            f"population {name!r}: neuron {lost[0]} has a share of {shares[lost[0]]:.4g} of the "
            f"rate, which integers round to 0; use at least {0.5 / rate.gate:.4g}, or 0"
        )
    return found


def whole_shares(rate: FixedRate, shares: Array) -> Array:
    """Return shares in units of 1 / gate, the nearest whole numbers."""
    found: Array = np.rint(rate.gate * shares).astype(np.int64)
    return found
