"""How a program's populations are connected, as tables of whole numbers for the kernels."""

from __future__ import annotations

import itertools
from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.columns import (
    CONNECTION_COLUMNS,
    ERROR,
    HARD,
    INTEGRATOR,
    LINEAR,
    NO_MATRIX,
    POPULATION_COLUMNS,
    SOFT,
)
from onchip.engine.compiled.reasons import below_the_kernels
from onchip.network.parts import INPUT
from onchip.neurons.base import Neuron
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.program.program import FeedbackPath, Neurons, Program, Synapses

Array = np.ndarray


class Parts(NamedTuple):
    """What of a program kernels compute, in the order of the tables.

    `below` are the populations that they do not, `outside` the names of what comes from outside.
    """

    populations: tuple[Neurons, ...]
    synapses: tuple[Synapses, ...]
    stages: tuple[Neurons, ...]
    feeds: tuple[FeedbackPath, ...]
    below: tuple[Neurons, ...]
    outside: tuple[str, ...]


class Wiring(NamedTuple):
    """The tables of `columns`, int64; those of numbers that are not set here hold zeros."""

    populations: Array
    connections: Array
    stages: Array
    feeds: Array


def parts_of(program: Program) -> Parts:
    """Return what kernels compute of a program that `reasons` has nothing against."""
    below = below_the_kernels(program)
    populations = tuple(p for p in program.populations if p.name not in below)
    synapses = tuple(s for p in populations for s in program.into(p.name))
    stages: list[Neurons] = []
    feeds: list[FeedbackPath] = []
    for population in reversed(populations):
        routes = [route for route in program.routes if route.target == population.name]
        if routes or population is program.readout:
            stages.append(population)
            feeds.extend(routes)
    named = {p.name for p in populations}
    outside = dict.fromkeys([INPUT, *(s.source for s in synapses if s.source not in named)])
    lower = tuple(p for p in program.populations if p.name in below)
    return Parts(populations, synapses, tuple(stages), tuple(feeds), lower, tuple(outside))


def wire(parts: Parts) -> Wiring:
    """Return the tables of some parts."""
    return Wiring(_populations(parts), _connections(parts), _stages(parts), _feeds(parts))


def size_of(population: Neurons) -> int:
    """Return the number of a population's neurons."""
    return int(np.prod(population.shape))


def kind_of(neuron: Neuron) -> int:
    """Return the kind of a neuron that kernels have."""
    if isinstance(neuron, LIF):
        return SOFT if neuron.reset == "soft" else HARD
    return INTEGRATOR if isinstance(neuron, LeakyIntegrator) else LINEAR


def _populations(parts: Parts) -> Array:
    sizes = [size_of(p) for p in parts.populations]
    units = _places(sizes)
    ends = _ends(sum(s.target == p.name for s in parts.synapses) for p in parts.populations)
    kinds = [kind_of(p.computes.neuron) for p in parts.populations]  # type: ignore[attr-defined]
    return _table(POPULATION_COLUMNS, zip(sizes, units, ends, ends[1:], kinds, strict=False))


def _connections(parts: Parts) -> Array:
    numbered = {p.name: index for index, p in enumerate(parts.populations)}
    sources = numbered | {name: -1 - index for index, name in enumerate(parts.outside)}
    sizes = [size_of(p) for p in parts.populations]
    units = _places(sizes)
    rows, weights, found = 0, 0, []
    for s in parts.synapses:
        target, pre = numbered[s.target], s.transform.inputs
        post = sizes[target]
        ends = (sources[s.source], target, s.delay, pre, post, units[target])
        found.append((*ends, s.always_on, s.plastic, weights, rows))
        rows += pre + s.always_on
        weights += (pre + s.always_on) * post
    return _table(CONNECTION_COLUMNS, found)


def _stages(parts: Parts) -> Array:
    numbered = {p.name: index for index, p in enumerate(parts.populations)}
    ends = _ends(sum(f.target == p.name for f in parts.feeds) for p in parts.stages)
    names = [numbered[p.name] for p in parts.stages]
    return _table(3, zip(names, ends, ends[1:], strict=False))


def _feeds(parts: Parts) -> Array:
    numbered = {p.name: index for index, p in enumerate(parts.populations)}
    named = {s.name: index for index, s in enumerate(parts.synapses)}
    places = _places([0 if f.matrix is None else f.matrix.size for f in parts.feeds])
    rows = []
    for feed, place in zip(parts.feeds, places, strict=True):
        sender = ERROR if feed.is_error else numbered[feed.source]
        live = named[feed.live] if feed.live else 0
        matrix = NO_MATRIX if feed.matrix is None else place
        rows.append((sender, matrix, live, numbered[feed.source]))
    return _table(4, rows)


def _table(columns: int, rows: Any) -> Array:
    """Rows of whole numbers, filled up with zeros."""
    rows = [tuple(row) for row in rows]
    table = np.zeros((len(rows), columns), np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _ends(counts: Any) -> list[int]:
    return [0, *itertools.accumulate(counts)]


def _places(counts: Any) -> list[int]:
    return _ends(counts)[:-1]
