"""Networks with convolutions, and their learning as a loop over unrolled matrices."""

from __future__ import annotations

import itertools

import numpy as np
from graph_cases import CLASSES, NEURON, dense, readout

from onchip.network.convolution import Convolution
from onchip.network.graph import Network
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population
from onchip.network.transforms import Bias

STEPS, SAMPLES, SHAPE = 8, 3, (2, 6, 5)


def network(rng) -> Network:
    """Two convolutions, of stride 2 and padding, under a dense readout; the first has a bias."""
    first = Convolution(rng.normal(0, 0.6, (3, 2, 3, 3)), SHAPE, (1, 1), (1, 1))
    second = Convolution(rng.normal(0, 0.6, (4, 3, 3, 2)), (3, 6, 5), (2, 2), (1, 0))
    shapes = [c.output_shape for c in (first, second)]
    populations = [Population(f"conv{i}", s, NEURON) for i, s in enumerate(shapes, start=1)]
    return Network(
        (*populations, readout()),
        (
            Connection(INPUT, "conv1", first),
            Connection(ALWAYS_ON, "conv1", Bias(rng.normal(0, 0.1, 3), shapes[0])),
            Connection("conv1", "conv2", second),
            Connection("conv2", "out", dense(rng, CLASSES, int(np.prod(shapes[1])), 0.7)),
        ),
        SHAPE,
        STEPS,
    )


def pairs_of(convolution: Convolution):
    """(output, input, weight) of each synapse: where each weight of a kernel is used."""
    channels, rows, columns = convolution.input_shape
    outputs, height, width = convolution.output_shape
    _, _, kernel_rows, kernel_columns = convolution.weight.shape
    (down, across), (above, beside) = convolution.stride, convolution.padding
    for o, y, x in itertools.product(range(outputs), range(height), range(width)):
        for c, i, j in itertools.product(
            range(channels), range(kernel_rows), range(kernel_columns)
        ):
            row, column = y * down + i - above, x * across + j - beside
            if 0 <= row < rows and 0 <= column < columns:
                post = (o * height + y) * width + x
                pre = (c * rows + row) * columns + column
                yield post, pre, (o, c, i, j)


def unrolled(connection: Connection, weight: np.ndarray) -> np.ndarray:
    """The weights of a connection as a matrix [post, pre]."""
    transform = connection.transform
    if not isinstance(transform, Convolution):
        return weight
    matrix = np.zeros((int(np.prod(transform.output_shape)), transform.inputs))
    for post, pre, place in pairs_of(transform):
        matrix[post, pre] = weight[place]
    return matrix


def folded(connection: Connection, gradient: np.ndarray) -> np.ndarray:
    """The gradient of shared weights: the sum over the synapses that share each."""
    transform = connection.transform
    if not isinstance(transform, Convolution):
        return gradient
    total = np.zeros(transform.weight.shape)
    for post, pre, place in pairs_of(transform):
        total[place] += gradient[post, pre]
    return total


def learned_by_loops(spec: Network, frames, labels):
    """Weights after learning, by unrolled matrices and the equations as they are written."""
    learning, neurons = spec.learning, {p.name: p.neuron for p in spec.populations}
    chain = [c for c in spec.connections if c.source != ALWAYS_ON]
    bias = next(c for c in spec.connections if c.source == ALWAYS_ON)
    weights = {c.target: np.array(c.transform.weight) for c in chain}
    biases = np.array(bias.transform.weight)
    positions = int(np.prod(bias.transform.output_shape[1:]))
    for sample, label in zip(frames, labels, strict=True):
        u = {p.name: np.zeros(p.size) for p in spec.populations}
        spikes = {name: np.zeros(len(values)) for name, values in u.items()}
        traces, one = {c.target: 0.0 for c in chain}, 0.0
        sums, bias_sum = {c.target: 0.0 for c in chain}, np.zeros(len(biases))
        for frame in sample:
            x, matrices = frame.ravel().astype(float), {}
            one = neurons[bias.target].decay * one + 1
            for c in chain:
                name, neuron = c.target, neurons[c.target]
                matrices[name] = unrolled(c, weights[name])
                traces[name] = neuron.decay * traces[name] + x
                current = matrices[name] @ x
                if name == bias.target:
                    current = current + np.repeat(biases, positions)
                if name == "out":
                    u[name] = neuron.decay * u[name] + current
                    continue
                past = u[name] - neuron.v_threshold * spikes[name]
                u[name] = neuron.decay * past + current
                spikes[name] = x = (u[name] >= neuron.v_threshold).astype(float)
            shares = np.exp(u["out"] - u["out"].max())
            target, alpha = np.eye(CLASSES)[label], learning.objective.mse_weight
            error = (1 - alpha) * (shares / shares.sum() - target)
            error = (error + alpha * 2 / CLASSES * (u["out"] - target)) / STEPS
            factor, changes = error, {}
            for c, above in zip(reversed(chain), [None, *reversed(chain)], strict=False):
                name = c.target
                if c.rule is None:
                    break
                if above is not None:
                    route = next(r for r in learning.routes if r.target == name)
                    back = matrices[above.target]
                    if route.transform is not None:
                        back = unrolled(above, route.transform.weight)
                    signal = back.T @ factor
                    if route.matrix is not None:
                        signal = route.matrix @ (error if route.is_error else factor)
                    z = np.abs(u[name] - neurons[name].v_threshold)
                    factor = signal * np.maximum(0, 1 - z)
                changes[name] = folded(c, np.outer(factor, traces[name])), c.rule.learning_rate
                if name == bias.target:
                    bias_change = factor.reshape(len(biases), -1).sum(axis=1) * one
            for name, (change, rate) in changes.items():
                if learning.mode == "online":
                    weights[name] = weights[name] - rate * change
                else:
                    sums[name] = sums[name] + change
            if bias.rule is not None and learning.mode == "online":
                biases = biases - bias.rule.learning_rate * bias_change
            elif bias.rule is not None:
                bias_sum += bias_change
        if learning.mode == "accumulate":
            rates = {c.target: c.rule.learning_rate for c in chain if c.rule is not None}
            weights = {n: w - rates.get(n, 0) * sums[n] for n, w in weights.items()}
            if bias.rule is not None:
                biases = biases - bias.rule.learning_rate * bias_sum
    return [biases if c.source == ALWAYS_ON else weights[c.target] for c in spec.connections]


def events(rng):
    frames = (rng.random((SAMPLES, STEPS, *SHAPE)) < 0.4).astype(float)
    return frames, rng.integers(0, CLASSES, SAMPLES)
