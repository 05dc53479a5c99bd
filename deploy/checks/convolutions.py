"""What a convolution that learns is on a chip: copies of its weights that learn alone."""

from __future__ import annotations

import math
from collections.abc import Iterator

from onchip.arithmetic.loihi import WEIGHT_BITS
from onchip.deploy.checks.findings import Finding, compare, demand
from onchip.deploy.checks.graph import connection_name, synapses_of
from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import Connection


def plastic_convolution_findings(network: Network) -> Iterator[Finding]:
    """Findings about each convolution that learns: copies, synapses and bytes with the copies."""
    for connection in network.connections:
        if connection.plastic and isinstance(connection.transform, Convolution):
            yield from _findings(connection)


def copies_note(network: Network) -> str:
    """Return one line on what the convolutions that learn are on a chip; "" where none does."""
    found = [
        f"{c.target} {copies_of(c)}"
        for c in network.connections
        if c.plastic and isinstance(c.transform, Convolution)
    ]
    if not found:
        return ""
    return (
        f"note: copies of each weight on a chip: {', '.join(found)}; here all positions share one, "
        "there each copy learns alone (onchip check tells what that costs, onchip unroll does it)"
    )


def copies_of(connection: Connection) -> int:
    """Return at how many positions a convolution uses each of its weights."""
    return math.prod(connection.transform.output_shape[1:])


def _findings(connection: Connection) -> Iterator[Finding]:
    where, copies = connection_name(connection), copies_of(connection)
    unrolled, synapses = f"{where} (a copy at each position)", synapses_of(connection)
    remedy = (
        "synapses of the chip store a weight each and learn alone, so the copies drift apart from "
        "the shared weight of the simulator: see what that does with onchip unroll, or freeze it"
    )
    shared = "1, which all positions share"
    yield demand(copies == 1, "warning", where, "copies of a weight", copies, shared, remedy)
    yield compare("synapses", unrolled, synapses)
    yield compare("synaptic memory", unrolled, synapses * WEIGHT_BITS // 8)
