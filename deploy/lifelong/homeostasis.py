"""Excitability that follows a drifting sensor without labels: channels go back to their rates.

Let R_c be the share of steps in which a neuron of channel c spikes, over samples, steps and
positions, as it was on deployment. While unlabelled samples come, each batch of them, in which the
rate is r_c, moves a bias or a threshold of the channel:

    biases        b_c += gain Vth (R_c - r_c)
    thresholds    theta_c /= 1 + min(max(gain (R_c - r_c), -0.2), 0.2)

homeostatic plasticity of the intrinsic kind, on the rates that a host reads from the chip. Channels
of a map share one; dense neurons are channels of their own. It assumes that classes come as often
as on deployment: where they do not, rates change for another reason than the sensor.

A population has one threshold here, in files, in the engine and in Lava. Dividing a neuron's
threshold by g is the same neuron, spike by spike, as multiplying all that leads to it by g, for
both resets (u g instead of u everywhere; of an `ALIF` the strength of its adaptation is divided,
too). So thresholds are carried by the weights: exact in floating point in every execution. In
integers it is the weights that are rounded, once, when the network is quantized.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from onchip.arithmetic.loihi import require_integer
from onchip.checks import require_between, require_choice
from onchip.engine.engine import Engine
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, Connection
from onchip.network.transform import Transform
from onchip.network.transforms import Bias, Convolution, Dense, OneToOne
from onchip.program.graphs import as_graph

Array = np.ndarray

Rates = Mapping[str, Array]
"""Population -> spikes per neuron and step, [channels]."""

BIASES, THRESHOLDS = "biases", "thresholds"
GAINS = {BIASES: 0.5, THRESHOLDS: 2.0}
BATCH = 25
"""The forms with their gains; that of biases and the batch were chosen on held out training samples
(`tests/benchmarks/bench_unlabelled.py`), that of thresholds was the first one tried."""

LARGEST_STEP = 0.2
"""By which share a batch changes a threshold, at most."""

CHANNEL_AXIS: dict[type[Transform], int] = {
    Dense: 0,
    Bias: 0,
    OneToOne: 0,
    Convolution: 0,
    EnlargingConvolution: 0,
    LocalConvolution: 2,
}
"""Where the weights of a transform have the channels that they lead to."""

CHUNK = 50
"""Samples that run at once: bounds the memory."""


class Adaptation(NamedTuple):
    """`network` with what was adapted; `distance` [batches], the mean of abs(R - r) before each.

    `thresholds` [channels] by population, in units of its Vth, are what the weights stand for now;
    empty where biases were adapted.
    """

    network: Network
    distance: Array
    thresholds: dict[str, Array]


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
    network: Any,
    frames: Array,
    wanted: Rates,
    gain: float | None = None,
    batch: int = BATCH,
    form: str = BIASES,
) -> Adaptation:
    """Let biases or thresholds of the populations in `wanted` follow unlabelled `frames`, once.

    `form` is "biases" or "thresholds", `gain` None that of the form. The network is in floating
    point; quantize what comes back. Its learning section stays. Raises ValueError for a gain
    outside of (0, 10], for rates of populations that it does not have or that do not spike, for
    fewer samples than a batch, and for thresholds of a population that learns.
    """
    require_choice("homeostasis: form", form, GAINS)
    gain = GAINS[form] if gain is None else gain
    require_between("homeostasis: gain", gain, 0, 10, open_low=True)
    require_integer("homeostasis: batch", batch, 1, 1_000_000)
    graph = as_graph(network)
    _check(graph, wanted)
    if form == THRESHOLDS:
        _check_scalable(graph, wanted)
    if len(frames) < batch:
        raise ValueError(
            f"homeostasis: {len(frames)} samples are fewer than a batch of {batch}; give more, or "
            "a smaller batch"
        )
    distance = []
    thresholds = {n: np.ones(np.shape(rates)) for n, rates in wanted.items() if form == THRESHOLDS}
    for start in range(0, len(frames) - batch + 1, batch):
        found = firing_rates(graph, frames[start : start + batch])
        missing = {name: wanted[name] - found[name] for name in wanted}
        distance.append(np.mean([np.abs(values).mean() for values in missing.values()]))
        steps = {name: gain * values for name, values in missing.items()}
        if form == BIASES:
            graph = _moved(graph, steps)
            continue
        factors = {n: 1 + np.clip(step, -LARGEST_STEP, LARGEST_STEP) for n, step in steps.items()}
        graph = _scaled(graph, factors)
        thresholds = {name: values / factors[name] for name, values in thresholds.items()}
    return Adaptation(graph, np.array(distance), thresholds)


def _scaled(graph: Network, factors: Mapping[str, Array]) -> Network:
    """The network with all that leads to each channel multiplied by its factor."""
    connections = []
    for c in graph.connections:
        if c.target in factors:
            shape = [1] * c.transform.weight.ndim
            shape[CHANNEL_AXIS[type(c.transform)]] = -1
            weight = c.transform.weight * factors[c.target].reshape(shape)
            scaled: Any = replace(c.transform, weight=weight)  # type: ignore[type-var]
            c = replace(c, transform=scaled)
        connections.append(c)
    return replace(graph, connections=tuple(connections))


def _check_scalable(graph: Network, wanted: Rates) -> None:
    for c in graph.connections:
        if c.target not in wanted:
            continue
        if type(c.transform) not in CHANNEL_AXIS or c.plastic:
            why = "it learns" if c.plastic else f"{type(c.transform).__name__} has no channel axis"
            raise ValueError(
                f"homeostasis: thresholds of {c.target!r} are carried by the weights into it, but "
                f"{why}; adapt its biases, or freeze it"
            )


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
