"""What lowers alike in floats and in integers: the shape of a chain of dense layers."""

from __future__ import annotations

import itertools
from typing import Any

from onchip.program.program import INPUT, Route
from onchip.program.timetable import Schedule

FEEDFORWARD, RECURRENT = "synapses", "recurrent"
"""The two groups of synapses into a layer; "layer.synapses" is the name of one."""


def sources(network: Any) -> list[str]:
    """The population that each layer reads."""
    return [INPUT, *(layer.name for layer in network.layers[:-1])]


def routes(network: Any, matrices: Any) -> tuple[Route, ...]:
    """The feedback into each learning layer but the readout, from the layer above or the error.

    `matrices(layer)` is the fixed matrix into a layer, None for the live transpose.
    """
    if network.learning is None:
        return ()
    learning = network.learning_layers
    direct = network.learning.feedback == "direct"
    found = []
    for layer, above in itertools.pairwise(learning):
        source = learning[-1] if direct else above
        matrix = matrices(layer)
        live = f"{above.name}.{FEEDFORWARD}" if matrix is None else None
        found.append(Route(f"{layer.name}.feedback", source.name, layer.name, direct, matrix, live))
    return tuple(found)


def answers(timetable: Schedule, number: int) -> int:
    """The offset at which layer 1..N knows its factor."""
    return timetable.feedback_offset(number)
