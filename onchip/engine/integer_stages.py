"""What the learner in integers goes through: populations with a factor, synapses that learn."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.loihi import drop_lowest_bit
from onchip.engine.exact_sums import exact_product, exact_type
from onchip.engine.integer_synapses import LoihiSynapses, converted, largest_sum
from onchip.engine.populations import EnginePopulation
from onchip.network.transform import Transform
from onchip.program.program import FeedbackPath, Program
from onchip.program.teaching import IntegerFilteredTeacher, IntegerTeacher
from onchip.program.timetable import arrival_phase

Array = np.ndarray


class Stage(NamedTuple):
    """A population with a factor: what feeds errors back to it, and what it teaches.

    Nothing feeds a readout, which has an error of its own.
    """

    population: EnginePopulation
    feeds: list[tuple[str, bool, Callable[[Array], Array]]]
    teacher: IntegerTeacher | IntegerFilteredTeacher | None


class Plastic(NamedTuple):
    """Synapses that learn, the population that teaches them, and when their spikes come."""

    synapses: LoihiSynapses
    target: str
    phase: int


def stages_of(program: Program, populations: Mapping[str, EnginePopulation]) -> list[Stage]:
    """The populations with a factor, from the readout down."""
    if program.timetable is None:
        return []
    found = []
    for neurons in reversed(program.populations):
        routes = [route for route in program.routes if route.target == neurons.name]
        if routes or neurons.name in program.graph.readouts:
            feeds = [(r.source, r.is_error, _sender(r, populations)) for r in routes]
            teacher: Any = neurons.teacher
            found.append(Stage(populations[neurons.name], feeds, teacher))
    return found


def plastic_of(program: Program, populations: Mapping[str, EnginePopulation]) -> list[Plastic]:
    """The synapses that learn, in the order in which they do."""
    if program.timetable is None:
        return []
    return [
        Plastic(incoming.synapses, neurons.name, arrival_phase(program.timetable, neurons.offset))
        for neurons in program.populations
        for incoming in populations[neurons.name].plastic
    ]


def _sender_through(transform: Transform) -> Callable[[Array], Array]:
    """The transpose of a transform with fixed weights, which have no lowest bit either."""
    weight = drop_lowest_bit(transform.weight.astype(np.int64))
    exact: Array = weight.astype(exact_type(largest_sum(weight.size)))

    def send(factor: Array) -> Array:
        sent: Array = transform.send_back(factor[np.newaxis].astype(exact.dtype), exact)
        return sent[0].astype(np.int64)

    return send


def _sender(
    route: FeedbackPath, populations: Mapping[str, EnginePopulation]
) -> Callable[[Array], Array]:
    """B g through fixed weights, or through the live ones: int64 [receiving]."""
    if route.matrix is not None:
        matrix = converted(drop_lowest_bit(route.matrix.T))
        return lambda factor: exact_product(factor.reshape(-1), matrix, largest_sum(factor.size))
    if route.transform is not None:
        return _sender_through(route.transform)
    into = populations[route.source].incoming
    live: LoihiSynapses = next(i.synapses for i in into if i.synapses.synapses.name == route.live)
    return live.send_back
