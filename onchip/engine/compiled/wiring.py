"""How a program's populations are connected, as tables of whole numbers for the kernels."""

from __future__ import annotations

import itertools
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from onchip.engine.compiled.columns import (
    CONNECTION_COLUMNS,
    COUNT,
    DENSE,
    ERROR,
    FEED_COLUMNS,
    HARD,
    INTEGRATOR,
    LINEAR,
    MAP,
    NO_MATRIX,
    PENDING,
    POPULATION_COLUMNS,
    SHARED_BIAS,
    SIZE,
    SOFT,
    UNIT,
    WEIGHTS,
)
from onchip.engine.compiled.maps import tables
from onchip.engine.compiled.reasons import below_the_kernels
from onchip.engine.compiled.rooms import places
from onchip.network.convolution import Convolution
from onchip.network.parts import ALWAYS_ON, INPUT
from onchip.network.transforms import Bias
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
    """The tables of `columns`, int64; those of numbers that are not set here hold zeros.

    `places` belong to the table `maps`, see there.
    """

    populations: Array
    connections: Array
    stages: Array
    feeds: Array
    maps: Array
    places: Array


def parts_of(program: Program) -> Parts:
    """Return what kernels compute of a program that `reasons` has nothing against."""
    below = below_the_kernels(program)
    populations = tuple(p for p in program.populations if p.name not in below)
    synapses = tuple(s for p in populations for s in program.into(p.name))
    stages: list[Neurons] = []
    feeds: list[FeedbackPath] = []
    for population in reversed(populations):
        routes = [route for route in program.routes if route.target == population.name]
        if routes or population.name in program.graph.readouts:
            stages.append(population)
            feeds.extend(routes)
    named = {p.name for p in populations}
    sources = [s.source for s in synapses if s.source != ALWAYS_ON]
    outside = dict.fromkeys([INPUT, *(source for source in sources if source not in named)])
    lower = tuple(p for p in program.populations if p.name in below)
    return Parts(populations, synapses, tuple(stages), tuple(feeds), lower, tuple(outside))


def parts_that_run(program: Program) -> Parts:
    """Return all of a program, frozen: what kernels compute of it while nothing is learned."""
    frozen: dict[str, Any] = {"plastic": False, "rule": None, "plasticity": None}
    synapses = (replace(s, **frozen) for p in program.populations for s in program.into(p.name))
    return Parts(program.populations, tuple(synapses), (), (), (), (INPUT,))


def wire(parts: Parts) -> Wiring:
    """Return the tables of some parts."""
    transforms: list[Any] = [s.transform for s in parts.synapses]
    transforms += [f.transform for f in parts.feeds]
    maps = tables(t for t in transforms if type(t) is Convolution)
    return Wiring(_populations(parts), _connections(parts), _stages(parts), _feeds(parts), *maps)


def size_of(population: Neurons) -> int:
    """Return the number of a population's neurons."""
    return int(np.prod(population.shape))


def neurons_of(wiring: Wiring) -> int:
    """Return the number of neurons in flat arrays, of which some are none."""
    *_, last = wiring.populations
    return places([int(last[UNIT] + last[SIZE])])[-1]


def weights_of(wiring: Wiring) -> int:
    """Return the number of weights in flat arrays, of which some are none."""
    *_, last = wiring.connections
    return places([int(last[WEIGHTS] + last[COUNT])])[-1]


def kind_of(neuron: Neuron) -> int:
    """Return the kind of a neuron that kernels have."""
    if isinstance(neuron, LIF):
        return SOFT if neuron.reset == "soft" else HARD
    return INTEGRATOR if isinstance(neuron, LeakyIntegrator) else LINEAR


def _populations(parts: Parts) -> Array:
    sizes = [size_of(p) for p in parts.populations]
    units = places(sizes)
    ends = _ends(sum(s.target == p.name for s in parts.synapses) for p in parts.populations)
    kinds = [kind_of(p.computes.neuron) for p in parts.populations]  # type: ignore[attr-defined]
    return _table(POPULATION_COLUMNS, zip(sizes, units, ends, ends[1:], kinds, strict=False))


def _connections(parts: Parts) -> Array:
    numbered = {p.name: index for index, p in enumerate(parts.populations)}
    sources = numbered | {name: -1 - index for index, name in enumerate(parts.outside)}
    sizes = [size_of(p) for p in parts.populations]
    units = places(sizes)
    sources[ALWAYS_ON] = 0  # nobody looks where it comes from
    rows, shared, found, maps = 0, 0, [], itertools.count()
    begins = places(s.weights.size for s in parts.synapses)
    for s, weights in zip(parts.synapses, begins, strict=False):
        target, pre = numbered[s.target], s.transform.inputs
        post, row = sizes[target], [0] * CONNECTION_COLUMNS
        ends = (sources[s.source], target, s.delay, pre, post, units[target])
        row[:10] = (*ends, s.always_on, s.plastic, weights, rows)
        row[MAP], row[COUNT], row[PENDING] = DENSE, s.weights.size, shared
        if type(s.transform) is Convolution:
            row[MAP] = next(maps)
        elif type(s.transform) is Bias:
            row[MAP] = SHARED_BIAS
        found.append(row)
        shared += 0 if row[MAP] == DENSE else s.weights.size
        rows += pre + s.always_on
    return _table(CONNECTION_COLUMNS, found)


def _stages(parts: Parts) -> Array:
    numbered = {p.name: index for index, p in enumerate(parts.populations)}
    ends = _ends(sum(f.target == p.name for f in parts.feeds) for p in parts.stages)
    names = [numbered[p.name] for p in parts.stages]
    return _table(3, zip(names, ends, ends[1:], strict=False))


def _feeds(parts: Parts) -> Array:
    numbered = {p.name: index for index, p in enumerate(parts.populations)}
    named = {s.name: index for index, s in enumerate(parts.synapses)}
    begins = places([0 if (fixed := fixed_weights(f)) is None else fixed.size for f in parts.feeds])
    maps = itertools.count(sum(type(s.transform) is Convolution for s in parts.synapses))
    rows = []
    for feed, place in zip(parts.feeds, begins[:-1], strict=True):
        sender = ERROR if feed.is_error else numbered[feed.source]
        matrix = NO_MATRIX if fixed_weights(feed) is None else place
        live = named[feed.live] if feed.live else 0
        own = DENSE if feed.transform is None else next(maps)
        rows.append((sender, matrix, live, numbered[feed.source], own))
    return _table(FEED_COLUMNS, rows)


def fixed_weights(feed: FeedbackPath) -> Array | None:
    """Return the fixed weights that errors are fed back through; None for live ones."""
    return feed.matrix if feed.transform is None else feed.transform.weight


def _table(columns: int, rows: Any) -> Array:
    """Rows of whole numbers, filled up with zeros."""
    rows = [tuple(row) for row in rows]
    table = np.zeros((len(rows), columns), np.int64)
    for index, row in enumerate(rows):
        table[index, : len(row)] = row
    return table


def _ends(counts: Any) -> list[int]:
    return [0, *itertools.accumulate(counts)]
