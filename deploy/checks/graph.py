"""What of a graph Loihi 2 cannot hold: its populations, its connections and their integers."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import cast

import numpy as np

from onchip.arithmetic.loihi import ALIGNMENT_BITS, WEIGHT_BITS, shift_activation
from onchip.arithmetic.membrane import decay_integer
from onchip.deploy.checks.findings import NETWORK, Finding, compare, demand, layer_name
from onchip.deploy.checks.integers import (
    bias_findings,
    odd_weights,
    threshold_findings,
    weights_at_limit,
    worst_of,
)
from onchip.deploy.checks.neurons import readout_findings, spiking_findings
from onchip.deploy.checks.sizes import neurocores, taps_inside
from onchip.network.enlarging import EnlargingConvolution
from onchip.network.graph import Network
from onchip.network.local import LocalConvolution
from onchip.network.parts import ALWAYS_ON, Connection, Population
from onchip.network.transform import Transform
from onchip.network.transforms import Convolution, Dense
from onchip.program.chip_network import ChipConnection, ChipNetwork, ChipPopulation


def graph_findings(network: Network, chip: ChipNetwork | None) -> Iterator[Finding]:
    """Findings about a graph and, where it has been quantized, its integers, without learning."""
    yield from _sizes(network)
    for connection in network.connections:
        yield _weights(connection)
    for population in network.populations:
        yield from _population(network, population)
    readout = network.populations[-1]
    yield from readout_findings(layer_name(readout), readout.neuron)
    if chip is not None:
        for c in chip.connections:
            yield from _integer_connection(cast(ChipConnection, c))
        for p in chip.populations:
            yield from _integer_population(cast(ChipPopulation, p))
            largest = largest_current(chip, cast(ChipPopulation, p))
            yield compare("input of one step", layer_name(p), largest, "warning")


def connection_name(connection: Connection) -> str:
    """Return the object of findings about a connection."""
    return f"connection {connection.source!r} to {connection.target!r}"


def _sizes(network: Network) -> Iterator[Finding]:
    neurons = sum(p.size for p in network.populations)
    stored = sum(c.transform.weight.size for c in network.connections if _is_stored(c))
    learning = network.learning
    routes = () if learning is None else learning.routes
    stored += sum(route.matrix.size for route in routes if route.matrix is not None)
    stored += sum(r.transform.weight.size for r in routes if r.transform is not None)
    unrolled = stored + sum(synapses_of(c) - c.transform.weight.size for c in network.connections)
    yield compare("neurons", NETWORK, neurons)
    yield compare("neurocores", NETWORK, neurocores(neurons))
    yield compare("synapses", NETWORK, stored)
    if any(isinstance(c.transform, Convolution) for c in network.connections):
        yield compare(
            "synapses",
            f"{NETWORK} (convolutions unrolled)",
            unrolled,
            "warning",
            "deploy it with a compiler that shares the weights of convolutions",
        )
    yield compare("synaptic memory", NETWORK, stored * WEIGHT_BITS // 8)
    yield compare("synaptic delay", NETWORK, max(c.delay for c in network.connections))


def _is_stored(connection: Connection) -> bool:
    """Whether its weights are synapses: a frozen bias is a constant of the neurons."""
    return connection.plastic or connection.source != ALWAYS_ON


def synapses_of(connection: Connection) -> int:
    """Return the synapses with no weight shared; taps on a convolution's padding do not count."""
    transform = connection.transform
    if isinstance(transform, LocalConvolution):
        transform = transform.kernel
    if not isinstance(transform, Convolution):
        return int(transform.weight.size)
    channels, copies = transform.weight.shape[0] * transform.weight.shape[1], 1
    if isinstance(transform, EnlargingConvolution):
        copies = 1 if transform.enlarge_first else transform.enlarge**2
        transform = transform.plain
    return int(channels * copies * taps_inside(transform))


def _weights(connection: Connection) -> Finding:
    some = bool(np.any(connection.transform.weight))
    return demand(
        some or connection.source == ALWAYS_ON,
        "error",
        connection_name(connection),
        "weights",
        "not all 0" if some else "all 0",
        "at least one that is not 0",
        "train the connection, or leave it out: it has no scale",
    )


def _population(network: Network, population: Population) -> Iterator[Finding]:
    where, neuron = layer_name(population), population.neuron
    yield compare("neurons per layer", where, population.size, "warning")
    yield compare("fan-in", where, sum(map(_fan_in, _into(network, population))))
    if neuron.spiking:
        yield compare("fan-out", where, sum(map(_fan_out, _out_of(network, population))))
    yield compare("decay", where, neuron.decay)
    yield demand(
        neuron.has_integer_form,
        "error",
        where,
        "integer form",
        type(neuron).__name__,
        "neurons with one",
        "use another neuron, or give it an integer form",
    )
    if neuron.spiking and hasattr(neuron, "reset"):
        yield from spiking_findings(where, neuron)


def _into(network: Network, population: Population) -> list[Connection]:
    return [c for c in network.connections if c.target == population.name and _is_stored(c)]


def _out_of(network: Network, population: Population) -> list[Connection]:
    return [c for c in network.connections if c.source == population.name]


def _fan_in(connection: Connection) -> int:
    """Synapses onto one neuron; one to one for transforms that are neither of the usual ones."""
    transform = connection.transform
    if isinstance(transform, LocalConvolution):
        transform = transform.kernel
    usual = isinstance(transform, (Dense, Convolution))
    return int(np.prod(transform.weight.shape[1:])) if usual else 1


def _fan_out(connection: Connection) -> int:
    """Most synapses that one neuron sends to."""
    transform = connection.transform
    if isinstance(transform, LocalConvolution):
        transform = transform.kernel
    if isinstance(transform, Convolution):
        kernel = zip(transform.weight.shape[2:], transform.stride, strict=True)
        positions = math.prod(-(-size // step) for size, step in kernel)
        if isinstance(transform, EnlargingConvolution):
            positions *= transform.enlarge**2
        return int(transform.weight.shape[0] * positions)
    return int(transform.weight.shape[0]) if isinstance(transform, Dense) else 1


def _integer_connection(connection: ChipConnection) -> Iterator[Finding]:
    where = connection_name(connection)
    weight = connection.transform.weight.astype(np.int64)
    yield compare("weight", where, worst_of([weight]))
    yield compare("weight exponent", where, connection.exponent)
    yield odd_weights(where, "odd weights", [weight])
    yield weights_at_limit(where, [weight])


def _integer_population(population: ChipPopulation) -> Iterator[Finding]:
    where, neuron = layer_name(population), population.neuron
    for name in neuron.decays:
        yield compare("integer decay", where, decay_integer(getattr(neuron, name)))
    threshold = getattr(neuron, "v_threshold", None)
    if neuron.spiking and threshold is not None:
        yield from threshold_findings(where, int(threshold))
    if population.bias is not None:
        yield from bias_findings(where, population.bias)


def largest_current(chip: ChipNetwork, population: ChipPopulation) -> int:
    """Return |I| of one step, at most: all inputs whose weights have one sign spike.

    Membrane integers; weights as they are now, without what learning may add. Convolutions and
    biases count for all positions of their channel.
    """
    into = [cast(ChipConnection, c) for c in chip.connections if c.target == population.name]
    return max(_largest(into, population, sign) for sign in (1, -1))


def _largest(into: list[ChipConnection], population: ChipPopulation, sign: int) -> int:
    total = np.zeros(population.size, np.int64)
    if population.bias is not None:
        total += _at_positions(np.maximum(sign * population.bias, 0), population)
    for c in into:
        weight = np.maximum(sign * c.transform.weight.astype(np.int64), 0)
        sums = _sums(c.transform, weight)
        shifted = np.abs(shift_activation(sign * sums, c.exponent)) << ALIGNMENT_BITS
        total += _at_positions(shifted, population)
    return int(total.max())


def _sums(transform: Transform, weight: np.ndarray) -> np.ndarray:
    """The sum of the weights onto each channel, or onto each neuron."""
    if isinstance(transform, LocalConvolution):
        return weight.sum(axis=(3, 4, 5)).transpose(2, 0, 1).reshape(-1)
    usual = isinstance(transform, (Dense, Convolution))
    return weight.reshape(len(weight), -1).sum(axis=1) if usual else weight.reshape(-1)


def _at_positions(values: np.ndarray, population: ChipPopulation) -> np.ndarray:
    """The values of channels at every position; the largest where they are of neither."""
    positions, left = divmod(population.size, len(values))
    return np.full(population.size, values.max()) if left else np.repeat(values, positions)
