"""The memory that a network and its learning take, in bits, by population and kind.

Floating point takes 64 bits a value. Integers take the chip's widths (`onchip.arithmetic.loihi`): 8
of a weight of either sign, 7 of a trace, 9 of a tag with its sign, 24 of a membrane, 16 of a bias
(mantissa and exponent), 8 of a feedback weight. What an address or a connection list takes is not
public and not counted. `copies` stores each synapse's weight and tag by itself, as a chip does that
shares none; else a kernel is stored once.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

import numpy as np

from onchip.arithmetic.loihi import (
    BIAS_BITS,
    BIAS_EXPONENT_MAX,
    MEMBRANE_BITS,
    TAG_BITS,
    TRACE_BITS,
    WEIGHT_BITS,
)
from onchip.deploy.costs.operations import synapses_of
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection, Population, Route
from onchip.network.shares import by_synapse
from onchip.neurons.base import Neuron
from onchip.program.graphs import INTEGERS, REAL_NUMBERS, AnyNetwork, as_graph, numbers_of
from onchip.rules.filtered import Instantaneous

FLOAT_BITS = 64

WIDTHS: dict[str, Mapping[str, int]] = {
    REAL_NUMBERS: dict.fromkeys(
        ("weights", "biases", "neurons", "traces", "tags", "feedback"), FLOAT_BITS
    ),
    INTEGERS: {
        "weights": WEIGHT_BITS,
        "biases": BIAS_BITS + BIAS_EXPONENT_MAX.bit_length(),
        "neurons": MEMBRANE_BITS,
        "traces": TRACE_BITS,
        "tags": TAG_BITS + 1,
        "feedback": WEIGHT_BITS,
    },
}
"""Bits of one value of each kind, by what a network is written in."""


@dataclass(frozen=True)
class Memory:
    """Bits by kind, of a population with the synapses into it or of a whole network.

    `biases` are those that stay: one that learns is a weight. `neurons` are membranes and what else
    a neuron keeps, `tags` what each synapse keeps for its rule, sums of an accumulated update too.
    """

    weights: int = 0
    biases: int = 0
    neurons: int = 0
    traces: int = 0
    tags: int = 0
    feedback: int = 0

    def __add__(self, other: Memory) -> Memory:
        return Memory(**{f.name: getattr(self, f.name) + getattr(other, f.name) for f in KINDS})

    @property
    def total(self) -> int:
        """All kinds."""
        return sum(getattr(self, f.name) for f in KINDS)

    def in_bytes(self) -> dict[str, int]:
        """Return bytes by kind, rounded up, and of "total"."""
        kinds = {f.name: getattr(self, f.name) for f in KINDS} | {"total": self.total}
        return {name: -(-bits // 8) for name, bits in kinds.items()}


KINDS = fields(Memory)


def memory_of(spec: AnyNetwork, copies: bool = False) -> dict[str, Memory]:
    """Return population -> the memory that it and the synapses into it take."""
    graph, widths = as_graph(spec), WIDTHS[numbers_of(spec)]
    return {p.name: _population(graph, p, widths, copies) for p in graph.populations}


def total_memory(spec: AnyNetwork, copies: bool = False) -> Memory:
    """Return the memory that a whole network takes."""
    return sum(memory_of(spec, copies).values(), Memory())


def _population(
    graph: Network, population: Population, widths: Mapping[str, int], copies: bool
) -> Memory:
    into = [c for c in graph.connections if c.target == population.name]
    weights = [c for c in into if c.source != ALWAYS_ON or c.plastic]
    constants = [c for c in into if c.source == ALWAYS_ON and not c.plastic]
    biases = sum(c.transform.weight.size for c in constants)
    constant = getattr(population, "bias", None)
    learning = graph.learning
    sums = learning is not None and learning.mode == "accumulate"
    sums = sums or by_synapse(graph, population.name)  # a share of its rate lies in each tag
    routes = () if learning is None else learning.routes
    values = Memory(
        weights=sum(_weights(c, copies) for c in weights),
        biases=biases + (0 if constant is None else constant.size),
        neurons=population.size * state_size(population.neuron),
        traces=sum(_traces(c, population.neuron) for c in into if c.plastic),
        tags=sum(_tags(c, copies, sums) for c in into if c.plastic),
        feedback=sum(_feedback(r) for r in routes if r.target == population.name),
    )
    return Memory(**{f.name: getattr(values, f.name) * widths[f.name] for f in KINDS})


def state_size(neuron: Neuron) -> int:
    """Return how many values a neuron keeps from step to step, its spike left out."""
    return len(neuron.start(np.zeros(1))._fields) - 1


def _weights(c: Connection, copies: bool) -> int:
    return synapses_of(c.transform) if copies else int(c.transform.weight.size)


def _traces(c: Connection, neuron: Neuron) -> int:
    """Values of traces: the decay of 0 is no trace but the spike."""
    traces = neuron.traces if c.rule is None else c.rule.kind.traces(neuron)
    return sum(decay > 0 for _, decay in traces) * c.transform.inputs


def _tags(c: Connection, copies: bool, sums: bool) -> int:
    kind = Instantaneous() if c.rule is None else c.rule.kind
    return (len(kind.variables) + sums) * _weights(c, copies)


def _feedback(route: Route) -> int:
    if route.matrix is not None:
        return int(route.matrix.size)
    return 0 if route.transform is None else int(route.transform.weight.size)
