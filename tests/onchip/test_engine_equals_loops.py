"""The engine against the design's equations written out with loops over single numbers."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from onchip import LIF, Engine, LeakyIntegrator, LinearReadout, NetworkSpec, Surrogate
from onchip.network.learning import with_learning
from onchip.rules.feedback import FEEDBACKS

ALL = ("one", "two", "three", "out")


def surrogate_by_hand(surrogate: Surrogate, z: float) -> float:
    p = surrogate.parameter
    if surrogate.name == "sigmoid":
        sig = 1 / (1 + math.exp(-p * z))
        return p * sig * (1 - sig)
    if surrogate.name == "triangle":
        return max(0.0, 1 - abs(z) / p) / p
    assert surrogate.name == "fast_sigmoid"
    return 1 / (1 + p * abs(z)) ** 2


@dataclass
class Neuron:
    """One neuron: its incoming weights and, for each sample, its state."""

    model: object
    w: list[float]
    r: list[float]
    b: float | None
    u: dict[int, float] = field(default_factory=dict)
    s: dict[int, float] = field(default_factory=dict)

    def step(self, sample: int, inputs: list[float], own: list[float]) -> float:
        current = (self.b or 0.0) + sum(w * x for w, x in zip(self.w, inputs, strict=True))
        current += sum(r * x for r, x in zip(self.r, own, strict=True)) if self.r else 0.0
        u, s = self.u.get(sample, 0.0), self.s.get(sample, 0.0)
        if isinstance(self.model, LinearReadout):
            return current
        if isinstance(self.model, LIF):
            kept = u - self.model.v_threshold * s if self.model.reset == "soft" else u * (1 - s)
            self.u[sample] = self.model.decay * kept + current
            self.s[sample] = 1.0 if self.u[sample] >= self.model.v_threshold else 0.0
            return self.s[sample]
        self.u[sample] = self.model.decay * u + current
        return self.u[sample]

    def derivative(self, sample: int) -> float:
        if not isinstance(self.model, LIF):
            return 1.0
        vth = self.model.v_threshold
        return surrogate_by_hand(self.model.surrogate, (self.u[sample] - vth) / vth) / vth


class Loops:
    """The whole network; keeps every spike it saw, and sums traces from that history."""

    def __init__(self, spec: NetworkSpec) -> None:
        self.spec, self.learning = spec, spec.learning
        self.layers = [
            [
                Neuron(
                    layer.neuron,
                    list(layer.weight[i]),
                    [] if layer.recurrent_weight is None else list(layer.recurrent_weight[i]),
                    None if layer.bias is None else float(layer.bias[i]),
                )
                for i in range(layer.weight.shape[0])
            ]
            for layer in spec.layers
        ]
        self.inputs: dict[tuple[int, int], list[list[float]]] = {}
        self.own: dict[tuple[int, int], list[list[float]]] = {}

    def forward(self, sample: int, x: list[float]) -> list[float]:
        for index, layer in enumerate(self.layers):
            own = [neuron.s.get(sample, 0.0) for neuron in layer]
            self.inputs.setdefault((index, sample), []).append(x)
            self.own.setdefault((index, sample), []).append(own)
            x = [neuron.step(sample, x, own) for neuron in layer]
        return x

    def error(self, output: list[float], label: int) -> list[float]:
        alpha, total = self.learning.mse_weight, sum(math.exp(o) for o in output)
        errors = []
        for k, o in enumerate(output):
            target = 1.0 if k == label else 0.0
            entropy, squared = math.exp(o) / total - target, 2 * (o - target) / len(output)
            errors.append(((1 - alpha) * entropy + alpha * squared) / self.spec.time_steps)
        return errors

    def factors(self, sample: int, error: list[float]) -> dict[int, list[float]]:
        """Layer index -> g, down to the lowest plastic layer."""
        last = len(self.layers) - 1
        lowest = min(i for i, layer in enumerate(self.spec.layers) if layer.plastic)
        signal, g = error, {}
        for index in range(last, lowest - 1, -1):
            if index < last:
                signal = self.sent_back(index, g[index + 1], error)
            neurons = self.layers[index]
            g[index] = [s * m.derivative(sample) for s, m in zip(signal, neurons, strict=True)]
        return g

    def sent_back(self, index: int, above: list[float], error: list[float]) -> list[float]:
        size = range(len(self.layers[index]))
        if self.learning.feedback == "exact":
            upper = self.layers[index + 1]
            return [sum(m.w[j] * g for m, g in zip(upper, above, strict=True)) for j in size]
        sender = error if self.learning.feedback == "direct" else above
        matrix = self.learning.feedback_matrices[self.spec.layers[index].name]
        return [sum(matrix[j, k] * g for k, g in enumerate(sender)) for j in size]

    def changes(self, sample: int, error: list[float]) -> dict[tuple, float]:
        """(layer, parameter, post, pre) -> gradient of this step for one sample."""
        found = {}
        for index, factors in self.factors(sample, error).items():
            if not self.spec.layers[index].plastic:
                continue
            decay = self.spec.layers[index].neuron.decay
            history, own = self.inputs[index, sample], self.own[index, sample]
            ages = [decay ** (len(history) - 1 - n) for n in range(len(history))]
            for i, (g, neuron) in enumerate(zip(factors, self.layers[index], strict=True)):
                if neuron.b is not None:
                    found[index, "b", i, 0] = g * sum(ages)
                for kind, past, weights in (("w", history, neuron.w), ("r", own, neuron.r)):
                    for j in range(len(weights)):
                        trace = sum(age * x[j] for age, x in zip(ages, past, strict=True))
                        found[index, kind, i, j] = g * trace
        return found

    def apply(self, changes: dict[tuple, float]) -> None:
        for (index, kind, i, j), gradient in changes.items():
            neuron, step = self.layers[index][i], self.learning.learning_rate * gradient
            if kind == "b":
                neuron.b -= step
            else:
                getattr(neuron, kind)[j] -= step

    def learn(self, frames: np.ndarray, labels: np.ndarray) -> np.ndarray:
        outputs, waiting = np.zeros((*frames.shape[:2], self.spec.classes)), []
        for n in range(frames.shape[1]):
            mean: dict[tuple, float] = {}
            for b in range(len(frames)):
                outputs[b, n] = self.forward(b, [float(x) for x in frames[b, n]])
                for key, value in self.changes(b, self.error(outputs[b, n], labels[b])).items():
                    mean[key] = mean.get(key, 0.0) + value / len(frames)
            waiting.append(mean)
            if self.learning.mode == "online" and len(waiting) > self.learning.update_delay:
                self.apply(waiting.pop(0))
        for changes in waiting:
            self.apply(changes)
        return outputs

    def parameters(self, index: int) -> tuple[list, list, list]:
        layer = self.layers[index]
        return [m.w for m in layer], [m.r for m in layer], [m.b for m in layer]


def assert_engine_follows_loops(spec: NetworkSpec, samples) -> None:
    frames, labels = samples
    loops, engine = Loops(spec), Engine(spec)
    expected = loops.learn(frames, labels)
    np.testing.assert_allclose(engine.learn(frames, labels), expected, rtol=0, atol=1e-12)
    for index, (before, after) in enumerate(
        zip(spec.layers, engine.snapshot().layers, strict=True)
    ):
        weight, recurrent, bias = loops.parameters(index)
        np.testing.assert_allclose(after.weight, weight, rtol=0, atol=1e-12)
        assert (np.abs(after.weight - before.weight).max() > 1e-6) == before.plastic
        if before.bias is not None:
            np.testing.assert_allclose(after.bias, bias, rtol=0, atol=1e-12)
        if before.recurrent_weight is not None:
            np.testing.assert_allclose(after.recurrent_weight, recurrent, rtol=0, atol=1e-12)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize("mode, delay", [("online", 0), ("online", 1), ("accumulate", 0)])
def test_learning_equals_the_loops_for_every_feedback_and_mode(
    feedback, mode, delay, network, samples
):
    spec = with_learning(
        network, learning_rate=0.8, mode=mode, feedback=feedback, update_delay=delay, seed=3
    )
    assert_engine_follows_loops(spec, samples)


@pytest.mark.parametrize("feedback", FEEDBACKS)
@pytest.mark.parametrize(
    "plastic", [("out",), ("two",), ("one", "three"), ("two", "out"), ("three", "out")]
)
def test_any_subset_of_plastic_layers_equals_the_loops(feedback, plastic, network, samples):
    spec = with_learning(network, learning_rate=0.8, plastic=plastic, feedback=feedback, seed=4)
    assert spec.plastic_names == plastic
    assert_engine_follows_loops(spec, samples)


@pytest.mark.parametrize("readout", [LinearReadout(0.4), LIF(0.6, 0.8), LeakyIntegrator(1.0)])
@pytest.mark.parametrize("mse_weight", [0.0, 1.0])
def test_every_readout_and_loss_equals_the_loops(readout, mse_weight, make_network, samples):
    spec = with_learning(make_network(readout), learning_rate=0.8, mse_weight=mse_weight)
    assert_engine_follows_loops(spec, samples)


def test_the_feedbacks_and_delays_do_not_coincide(network, samples):
    """So that the tests above tell one from the other."""
    settings = [(name, 0) for name in FEEDBACKS] + [("exact", 1)]
    learned = []
    for feedback, delay in settings:
        engine = Engine(
            with_learning(network, learning_rate=0.8, feedback=feedback, update_delay=delay)
        )
        engine.learn(*samples)
        learned.append(engine.snapshot().layers[0].weight)
    distances = [np.abs(a - b).max() for i, a in enumerate(learned) for b in learned[:i]]
    assert min(distances) > 1e-6


def test_every_layer_of_the_loops_spikes_and_rests(network, samples):
    """So that the tests above have something to compare."""
    rates = {name: [] for name in ALL}
    Engine(network).run(samples[0], lambda name, output: rates[name].append(output.mean()))
    assert all(0.05 < np.mean(rates[name]) < 0.95 for name in ALL[:-1])
