"""What a chip holds of shares of the learning rate: y3 of neurons, or the tags of synapses."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from onchip.arithmetic.loihi import TRACE_MAX
from onchip.deploy.checks.findings import NETWORK, Finding, demand
from onchip.network.graph import Network
from onchip.network.shares import neuron_shares, synapse_shares
from onchip.program.chip_network import ChipConnection, ChipNetwork
from onchip.program.shares import whole_shares


def share_findings(network: Network) -> Iterator[Finding]:
    """Findings about the shares of a network in floating point: the mode must leave them room."""
    learning = network.learning
    if learning is None or learning.shares is None:
        return
    free = learning.mode == "online" and all(
        c.rule is None or c.rule.plain for c in network.connections
    )
    yield demand(
        free,
        "error",
        NETWORK,
        "shares of the rate",
        ", ".join(learning.shares),
        "mode 'online', rule 'ottt'",
        "learn by those, or without shares: other rules need y3 and the tag themselves",
    )


def chip_share_findings(
    chip: ChipNetwork, connection: ChipConnection, name: str, where: str
) -> Iterator[Finding]:
    """Findings about the shares of a connection that learns in integers, `name` its name.

    A share is a whole number of 1 / gate, so that small ones of synapses are rounded to 0.
    """
    held, found = "tag of each synapse", synapse_shares(chip, name, connection)
    if found is None:
        held, found = "y3 of each neuron", neuron_shares(chip, connection.target)
    if found is None or connection.plasticity is None:
        return
    whole = whole_shares(connection.plasticity.rate, found)
    lost = int(np.count_nonzero((whole == 0) & (found > 0)))
    yield demand(
        not lost,
        "warning",
        where,
        f"shares of the rate, {held}",
        f"{whole.min()}..{whole.max()}" + f", {lost} of {whole.size} rounded to 0" * bool(lost),
        f"0..{TRACE_MAX}, written by the host on loading and only read by the rule",
        "expect those synapses to stay as they are",
    )
    yield demand(
        chip.rule_mode == "online",
        "error",
        where,
        "mode of a rule with shares",
        chip.rule_mode,
        "online, without delay",
        "quantize the network again with mode 'online', late_updates=False",
    )
