"""Graphs that the tests share, and the equations of learning in one as a slow loop."""

from __future__ import annotations

import itertools

import numpy as np
from hypothesis import strategies as st

from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias, Dense
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.neurons.surrogates import Surrogate

CLASSES = 3
NEURON = LIF(0.7, surrogate=Surrogate("triangle"))


def dense(rng: np.random.Generator, post: int, pre: int, spread: float = 2.0) -> Dense:
    return Dense(rng.normal(0, spread / np.sqrt(pre), size=(post, pre)))


def lif(name: str, size: int = 8) -> Population:
    return Population(name, (size,), NEURON)


def readout() -> Population:
    return Population("out", (CLASSES,), LeakyIntegrator(0.8))


def connections(rng: np.random.Generator, edges: list[tuple[str, str]], sizes: dict[str, int]):
    """Those into the readout are small: a sure output has no error that 7 bits could tell."""
    spread = {"out": 0.5}
    return [Connection(a, b, dense(rng, sizes[b], sizes[a], spread.get(b, 2.0))) for a, b in edges]


def residual(rng: np.random.Generator, time_steps: int = 10) -> Network:
    """Two residual blocks, each with a skip connection, and biases."""
    names = ["stem", "a1", "a2", "b1", "b2"]
    edges = [(INPUT, "stem"), *itertools.pairwise(names), ("stem", "a2"), ("a2", "b2")]
    sizes = {INPUT: 6, **dict.fromkeys(names, 8), "out": CLASSES}
    found = connections(rng, [*edges, ("b2", "out")], sizes)
    found += [Connection(ALWAYS_ON, n, Bias(rng.normal(0, 0.1, 8), (8,))) for n in ("a1", "b2")]
    populations = [*map(lif, names), readout()]
    return Network(tuple(populations), tuple(found), (6,), time_steps)


def recurrent(rng: np.random.Generator, time_steps: int = 10) -> Network:
    """Two hidden populations, each with connections from itself."""
    sizes = {INPUT: 6, "one": 8, "two": 7, "out": CLASSES}
    found = connections(rng, [(INPUT, "one"), ("one", "two"), ("two", "out")], sizes)
    found += [Connection(n, n, dense(rng, sizes[n], sizes[n], 0.5), 1) for n in ("one", "two")]
    populations = (lif("one"), lif("two", 7), readout())
    return Network(populations, tuple(found), (6,), time_steps)


def delayed_from_the_top(rng: np.random.Generator, time_steps: int = 10) -> Network:
    """Three hidden populations; the top one's spikes come back to the first a step later."""
    names = ["one", "two", "three"]
    sizes = {INPUT: 6, **dict.fromkeys(names, 8), "out": CLASSES}
    edges = [(INPUT, "one"), ("one", "two"), ("two", "three"), ("three", "out")]
    found = connections(rng, edges, sizes)
    found.append(Connection("three", "one", dense(rng, 8, 8, 0.7), 1))
    return Network((*map(lif, names), readout()), tuple(found), (6,), time_steps)


GRAPHS = {
    "residual": residual,
    "recurrent": recurrent,
    "delayed": delayed_from_the_top,
}


@st.composite
def random_graphs(draw: st.DrawFn, time_steps: int = 6) -> Network:
    """Up to five hidden populations in a random order of names, any forward and delayed edges."""
    rng = np.random.default_rng(draw(st.integers(0, 2**31)))
    count = draw(st.integers(1, 5))
    names = [f"p{i}" for i in range(count)]
    sizes = {INPUT: 4, "out": CLASSES} | {n: draw(st.integers(2, 5)) for n in names}
    sources = [INPUT, *names]
    edges = {(draw(st.sampled_from(sources[: i + 1])), n) for i, n in enumerate(names)}
    edges.add((names[-1], "out"))
    forward = [(a, b) for i, a in enumerate(sources) for b in [*names[i:], "out"] if a != b]
    edges |= {edge for edge in forward if edge[0] != INPUT and draw(st.integers(0, 3)) == 0}
    read = {a for a, _ in edges}
    edges |= {(n, "out") for n in names if n not in read}
    found = connections(rng, sorted(edges), sizes)
    back = [(a, b) for a in names for b in names if draw(st.integers(0, 5)) == 0]
    found += [Connection(a, b, dense(rng, sizes[b], sizes[a], 0.5), 1) for a, b in back]
    if draw(st.booleans()):
        shape = (sizes["p0"],)
        found.append(Connection(ALWAYS_ON, "p0", Bias(rng.normal(0, 0.3, shape), shape)))
    order = draw(st.permutations(names))
    populations = (*(lif(n, sizes[n]) for n in order), readout())
    return Network(populations, tuple(found), (4,), time_steps)


def learned_by_loops(
    network: Network, frames: np.ndarray, labels: np.ndarray
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Outputs [samples, T, classes] and the connections' weights after learning sample by sample.

    The equations as they are written, neuron by neuron state in dictionaries: no engine, no
    timetable, no code of the packages but the numbers in the network.
    """
    learning, order = network.learning, [p.name for p in network.populations]
    neurons = {p.name: p.neuron for p in network.populations}
    weights = [np.array(c.transform.weight) for c in network.connections]
    plastic = [i for i, c in enumerate(network.connections) if c.rule is not None]
    outputs = []
    for sample, label in zip(frames, labels, strict=True):
        target = np.eye(CLASSES)[label]
        u = {p.name: np.zeros(p.size) for p in network.populations}
        spikes = {n: np.zeros(len(u[n])) for n in u} | {ALWAYS_ON: np.ones(1)}
        traces = [np.zeros(network.size_of(c.source)) for c in network.connections]
        sums = [np.zeros_like(w) for w in weights]
        sample_outputs = []
        for frame in sample:
            before, spikes = spikes, {INPUT: frame.ravel(), ALWAYS_ON: np.ones(1)}
            for name in order:
                neuron, current = neurons[name], np.zeros(len(u[name]))
                for i, c in enumerate(network.connections):
                    if c.target == name:
                        arrived = (before if c.delay else spikes)[c.source]
                        weight = weights[i]
                        current += weight if weight.ndim == 1 else weight @ arrived
                        traces[i] = neuron.decay * traces[i] + arrived
                if name == order[-1]:
                    u[name] = neuron.decay * u[name] + current
                    spikes[name] = np.zeros(CLASSES)
                    continue
                past = u[name] - neuron.v_threshold * before[name]
                u[name] = neuron.decay * past + current
                spikes[name] = (u[name] >= neuron.v_threshold).astype(float)
            output = u[order[-1]]
            sample_outputs.append(output.copy())
            shares = np.exp(output - output.max())
            shares /= shares.sum()
            alpha, steps = learning.objective.mse_weight, network.time_steps
            error = (1 - alpha) * (shares - target) + alpha * 2 / CLASSES * (output - target)
            error = error / steps
            factors = {order[-1]: error}
            for name in reversed(order[:-1]):
                signal, routes = 0.0, [r for r in learning.routes if r.target == name]
                for route in routes:
                    sent = error if route.is_error else factors[route.source]
                    matrix = route.matrix
                    if matrix is None:
                        pair = (name, route.source, 0)
                        live = next(
                            i
                            for i, c in enumerate(network.connections)
                            if (c.source, c.target, c.delay) == pair
                        )
                        matrix = weights[live].T
                    signal = signal + matrix @ sent
                v, width = neurons[name].v_threshold, neurons[name].surrogate.parameter
                z = (u[name] - v) / v
                factors[name] = signal * np.maximum(0, 1 - abs(z) / width) / width / v
            for i in plastic:
                c = network.connections[i]
                gradient = np.outer(factors[c.target], traces[i]).reshape(weights[i].shape)
                gradient = gradient * share_of(network, i)
                if learning.mode == "online":
                    weights[i] = weights[i] - c.rule.learning_rate * gradient
                else:
                    sums[i] += gradient
        for i in plastic:
            weights[i] = weights[i] - network.connections[i].rule.learning_rate * sums[i]
        outputs.append(sample_outputs)
    return np.array(outputs), weights


def share_of(network: Network, index: int) -> np.ndarray | float:
    """The share of the rate of each weight of a connection."""
    shares, connection = network.learning.shares or {}, network.connections[index]
    own = shares.get(network.names[index], 1.0)
    neurons = shares.get(connection.target)
    if neurons is None:
        return own
    rank = connection.transform.weight.ndim
    return own * neurons.reshape(-1, *(1,) * (rank - 1))


def weights_of(network: Network) -> list[np.ndarray]:
    return [c.transform.weight for c in network.connections]


def largest_difference(left: list[np.ndarray], right: list[np.ndarray]) -> float:
    return max(float(np.abs(a - b).max()) for a, b in zip(left, right, strict=True))
