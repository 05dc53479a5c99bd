"""What lowers alike in floats and in integers: the shape of a chain of dense layers."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from onchip.program.program import INPUT, Neurons, Program, Route, Synapses
from onchip.program.timetable import Schedule

FEEDFORWARD, RECURRENT = "synapses", "recurrent"
"""The two groups of synapses into a layer; "layer.synapses" is the name of one."""


def lower_chain(
    numbers: str,
    network: Any,
    timetable: Schedule,
    neurons: Callable[[Any, int], Neurons],
    synapses_into: Callable[[Any, str, int], list[Synapses]],
    feedback_matrix: Callable[[Any], np.ndarray | None],
) -> Program:
    """Return the program of a network of dense layers.

    `neurons(layer, number)` and `synapses_into(layer, source, number)` lower layer 1..N;
    `feedback_matrix(layer)` [receiving, sending] is the fixed one into a layer, None for the live
    transpose.
    """
    sources = [INPUT, *(layer.name for layer in network.layers[:-1])]
    numbered = list(enumerate(zip(network.layers, sources, strict=True), start=1))
    return Program(
        numbers,
        network,
        timetable,
        tuple(neurons(layer, number) for number, (layer, _) in numbered),
        tuple(s for n, (layer, source) in numbered for s in synapses_into(layer, source, n)),
        _routes(network, feedback_matrix),
        network.input_size,
        network.classes,
    )


def _routes(network: Any, feedback_matrix: Callable[[Any], np.ndarray | None]) -> tuple[Route, ...]:
    """The feedback into each learning layer but the readout, from the layer above or the error."""
    if network.learning is None:
        return ()
    learning = network.learning_layers
    direct = network.learning.feedback == "direct"
    found = []
    for layer, above in itertools.pairwise(learning):
        source = learning[-1] if direct else above
        matrix = feedback_matrix(layer)
        live = f"{above.name}.{FEEDFORWARD}" if matrix is None else None
        found.append(Route(f"{layer.name}.feedback", source.name, layer.name, direct, matrix, live))
    return tuple(found)
