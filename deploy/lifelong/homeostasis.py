"""Biases that follow a drifting sensor without labels: each channel goes back to its firing rate.

Let R_c be the share of steps in which a neuron of channel c spikes, over samples, steps and
positions, as it was on deployment. While unlabelled samples come, each batch of them moves the
biases by

    b_c += gain Vth (R_c - r_c)

with r_c the rate within the batch: homeostatic plasticity of the intrinsic kind, on the rates that
a host reads from the chip, a bias being a neuron's own constant there. Channels of a map share a
bias; dense neurons are channels of their own. It assumes that classes come as often as on
deployment: where they do not, rates change for another reason than the sensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.checks import require_between
from onchip.engine.engine import Engine
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, Connection
from onchip.network.transforms import Bias
from onchip.program.graphs import as_graph

Array = np.ndarray

Rates = Mapping[str, Array]
"""Population -> spikes per neuron and step, [channels]."""

GAIN, BATCH = 0.5, 25
"""Chosen on held out training samples (`tests/benchmarks/bench_unlabelled.py`)."""

CHUNK = 50
"""Samples that run at once: bounds the memory."""


class Adaptation(NamedTuple):
    """`network` with new biases; `distance` [batches], the mean of abs(R - r) before each."""

    network: Network
    distance: Array


def firing_rates(network: Any, frames: Array) -> dict[str, Array]:
    """Return the rates of all spiking populations over samples [samples, T, *input_shape]."""
    graph = as_graph(network)
    sums: dict[str, Array] = {}
    engine = Engine(_frozen(graph), dtype=np.float32)
    shapes = {p.name: p.shape for p in graph.populations if p.neuron.spiking}

    def record(name: str, spikes: Array) -> None:
        if name in shapes:
            per_channel = spikes.reshape(len(spikes), shapes[name][0], -1)
            sums[name] = sums.get(name, 0.0) + per_channel.mean(axis=2).sum(axis=0)

    for start in range(0, len(frames), CHUNK):
        engine.run(frames[start : start + CHUNK], record)
    steps = len(frames) * frames.shape[1]
    return {name: total / steps for name, total in sums.items()}


def adapt(
    network: Any, frames: Array, wanted: Rates, gain: float = GAIN, batch: int = BATCH
) -> Adaptation:
    """Let the biases of the populations in `wanted` follow unlabelled `frames`, once through.

    The network is in floating point; quantize what comes back. Its learning section stays. Raises
    ValueError for a gain outside of (0, 10], for rates of populations that it does not have or that
    do not spike, and for fewer samples than a batch.
    """
    require_between("homeostasis: gain", gain, 0, 10, open_low=True)
    require_integer("homeostasis: batch", batch, 1, 1_000_000)
    graph = as_graph(network)
    _check(graph, wanted)
    if len(frames) < batch:
        raise ValueError(
            f"homeostasis: {len(frames)} samples are fewer than a batch of {batch}; give more, or "
            "a smaller batch"
        )
    distance = []
    for start in range(0, len(frames) - batch + 1, batch):
        found = firing_rates(graph, frames[start : start + batch])
        missing = {name: wanted[name] - found[name] for name in wanted}
        distance.append(np.mean([np.abs(values).mean() for values in missing.values()]))
        graph = _moved(graph, {name: gain * values for name, values in missing.items()})
    return Adaptation(graph, np.array(distance))


def _moved(graph: Network, steps: Mapping[str, Array]) -> Network:
    """The network with its biases moved, in units of the threshold."""
    connections = list(graph.connections)
    for name, step in steps.items():
        population = graph.population(name)
        change = step * getattr(population.neuron, "v_threshold", 1.0)
        place = next(
            (i for i, c in enumerate(connections) if (c.source, c.target) == (ALWAYS_ON, name)),
            None,
        )
        if place is None:
            connections.append(Connection(ALWAYS_ON, name, Bias(change, population.shape)))
            continue
        old: Any = connections[place].transform
        new = replace(old, weight=old.weight + change)
        connections[place] = replace(connections[place], transform=new)
    return replace(graph, connections=tuple(connections))


def _check(graph: Network, wanted: Rates) -> None:
    shapes = {p.name: p.shape for p in graph.populations if p.neuron.spiking}
    for name, rates in wanted.items():
        if name not in shapes or np.shape(rates) != shapes[name][:1]:
            raise ValueError(
                f"homeostasis: rates of {name!r} of shape {np.shape(rates)} fit no spiking "
                f"population; give one for each channel of {', '.join(shapes)}"
            )


def _frozen(graph: Network) -> Network:
    connections = tuple(replace(c, rule=None) for c in graph.connections)
    return replace(graph, connections=connections, learning=None)
