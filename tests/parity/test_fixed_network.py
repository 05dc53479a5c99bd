"""The integer engine equals Lava's `fixed_pt` network in every bit, with stock LearningDense.

`fixed_network` (tests/conftest.py) is LavaNetwork, or a network on a chip with `--backend=loihi2`.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from parity_cases import dense, random_events, sample_counts, two_hidden_layers

from onchip import LIF, LeakyIntegrator, LinearReadout, NetworkSpec, Surrogate
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.engine.engine import Engine
from onchip.execution import RunResult
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.runtime.memory import read_var
from onchip.network.learning import with_learning
from onchip.program.integer_layer_spec import FixedDenseSpec
from onchip.program.integer_spec import FixedNetworkSpec
from onchip.rules.feedback import FEEDBACKS
from onchip.rules.rule import UPDATE_MODES

INPUTS = (2, 5, 5)

# Up to a dozen OS processes exchange messages at every step: slow on a busy machine.
pytestmark = pytest.mark.timeout(600)


def learning_network(rng, schedule="sequenced", headroom=1.25, **learning) -> FixedNetworkSpec:
    spec = two_hidden_layers(rng, INPUTS, recurrent=True)
    options = {"learning_rate": 0.1, "feedback": "symmetric", **learning}
    settings = Quantization(schedule, headroom=headroom, seed=3)
    return quantize(with_learning(spec, **options), settings)


def assert_equal(network, engine: Engine, frames, labels) -> None:
    """Learning, running and learning on: outputs, spikes and weights are the same integers."""
    half = len(frames) // 2
    for part in (slice(0, half), slice(half, None)):
        expected = spikes_and_outputs(engine, frames[part], labels[part])
        found = network.learn(frames[part], labels[part])
        for name, value in expected.items():
            ours = found.outputs if name == "outputs" else found.spikes[name]
            np.testing.assert_array_equal(ours, value, name)
        np.testing.assert_array_equal(network.run(frames[:2]).outputs, engine.run(frames[:2]))
    assert network.snapshot() == engine.snapshot()


def spikes_and_outputs(engine: Engine, frames, labels) -> dict[str, np.ndarray]:
    steps: dict[str, list[np.ndarray]] = {}

    def recorder(name: str, output: np.ndarray) -> None:
        steps.setdefault(name, []).append(output.reshape(-1))

    outputs = engine.learn(frames, labels, recorder)
    shape = (len(frames), engine.spec.time_steps, -1)
    spikes = {name: np.array(values).reshape(shape) for name, values in steps.items()}
    readout = engine.spec.layers[-1].name
    return {"outputs": outputs, **{k: v for k, v in spikes.items() if k != readout}}


def changed(before: FixedNetworkSpec, after: FixedNetworkSpec) -> list[str]:
    pairs = zip(before.layers, after.layers, strict=True)
    return [a.name for a, b in pairs if not np.array_equal(a.weight, b.weight)]


def check(fixed_network, spec: FixedNetworkSpec, rng, samples: int = 4) -> None:
    assert spec.learning is not None
    frames, labels = random_events(rng, samples, INPUTS)
    engine = Engine(spec)
    with fixed_network(spec, spec.learning.schedule, record=True) as network:
        assert_equal(network, engine, frames, labels)
    assert set(changed(spec, engine.snapshot())) == set(spec.plastic_names)


@pytest.mark.parametrize("mode", UPDATE_MODES)
@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_sequenced_learning_is_the_engines_bit_for_bit(rng, fixed_network, feedback, mode):
    check(fixed_network, learning_network(rng, feedback=feedback, mode=mode), rng)


@pytest.mark.parametrize("mode", UPDATE_MODES)
def test_pipelined_learning_is_the_engines_bit_for_bit(rng, fixed_network, mode):
    delay = int(mode == "online")
    options = {"plastic": ["readout"], "mode": mode, "update_delay": delay}
    check(fixed_network, learning_network(rng, "pipelined", **options), rng)


@pytest.mark.parametrize("plastic", [["fc1"], ["fc2"], ["fc1", "readout"]])
def test_any_subset_of_layers_may_learn_in_integers(rng, fixed_network, plastic):
    check(fixed_network, learning_network(rng, feedback="exact", plastic=plastic), rng)


@pytest.mark.parametrize("readout", [LinearReadout(0.4), LIF(0.5)], ids=["linear", "lif"])
def test_hard_reset_surrogates_exponents_and_other_readouts(rng, fixed_network, readout):
    hard = LIF(decay=0.8, v_threshold=0.7, reset="hard", surrogate=Surrogate("triangle", 2.0))
    wide = LIF(0.6, 1.3, surrogate=Surrogate("rectangle", 1.5))
    layers = (
        replace(dense(rng, "fc1", 20, 50, hard), bias=None),
        dense(rng, "fc2", 12, 20, wide, True),
        replace(dense(rng, "readout", 10, 12, readout), bias=None),
    )
    spec = with_learning(NetworkSpec(layers, INPUTS, 10), learning_rate=0.3)
    first, second, last = quantize(spec).layers
    # Sums halved and floored, and so the threshold: a negative weight exponent.
    halved = replace(second.neuron, v_threshold=second.neuron.v_threshold // 2)
    second = replace(second, weight_exponent=second.weight_exponent - 1, neuron=halved)
    fixed = replace(quantize(spec), layers=(first, second, last))
    assert min(layer.weight_exponent for layer in fixed.layers) < 0
    check(fixed_network, fixed, rng)


@pytest.mark.parametrize("samples", sample_counts(20, 100))
def test_every_value_agrees_at_every_step_of_learning(rng, fixed_network, samples):
    """Spikes, membranes, traces, tags and weights after each algorithmic step, ten a sample.

    Two hidden layers, all plastic, accumulated updates (which use the tags), random events. Spikes
    and outputs of all steps and the weights after them are also the fused network's.
    """
    spec = small_learner(rng, "accumulate")
    frames, labels = small_events(rng, samples)
    expected, learned = compare_step_by_step(fixed_network, spec, frames, labels)
    with FusedLavaNetwork(spec, record=True) as fused:
        found = fused.learn(frames, labels)
        assert fused.snapshot() == learned
    np.testing.assert_array_equal(found.outputs, expected.outputs)
    assert found.spikes.keys() == expected.spikes.keys()
    for name, spikes in expected.spikes.items():
        np.testing.assert_array_equal(found.spikes[name], spikes)


@pytest.mark.parametrize("samples", sample_counts(12, 100))
def test_every_value_agrees_online(rng, fixed_network, samples):
    spec = small_learner(rng, "online")
    compare_step_by_step(fixed_network, spec, *small_events(rng, samples))


def small_events(rng, samples: int) -> tuple[np.ndarray, np.ndarray]:
    return (rng.random((samples, 10, 18)) < 0.3).astype(np.uint8), rng.integers(0, 4, samples)


def small_learner(rng, mode: str) -> FixedNetworkSpec:
    layers = (
        dense(rng, "fc1", 8, 18, LIF()),
        dense(rng, "fc2", 6, 8, LIF(decay=0.7)),
        dense(rng, "readout", 4, 6, LeakyIntegrator()),
    )
    spec = NetworkSpec(layers, (2, 3, 3), 10)
    return quantize(with_learning(spec, learning_rate=0.3, feedback="symmetric", mode=mode))


def compare_step_by_step(fixed_network, spec, frames, labels) -> tuple[RunResult, FixedNetworkSpec]:
    """Lava's variables after each algorithmic step against the engine's at that step.

    Gives back what the Lava network sent and learned.
    """
    engine, seen = Engine(spec), StepRecorder()
    all_outputs, all_spikes = [], []
    with fixed_network(spec, record=True) as network:
        for frame, label in zip(frames, labels, strict=True):
            seen.follow(engine, frame, int(label))
            network.send_sample(frame, int(label))
            zeroed = len(seen.steps) == network.schedule.sample_periods  # traces, at a sample's end
            for number, expected in enumerate(seen.steps, start=1):
                network.supervisor.run(network.schedule.period)
                if zeroed and number == len(seen.steps):
                    expected = {k: v for k, v in expected.items() if k[1] != "x1"}
                for name, value in expected.items():
                    np.testing.assert_array_equal(lava_value(network, *name), value, str(name))
            rest = network.schedule.sample_periods - len(seen.steps)
            if rest:
                network.supervisor.run(rest * network.schedule.period)
            outputs, spikes = network.receive_sample()
            np.testing.assert_array_equal(outputs, seen.outputs)
            for name, value in seen.spikes.items():
                np.testing.assert_array_equal(spikes[name], value)
            all_outputs.append(outputs)
            all_spikes.append(spikes)
        learned = network.snapshot()
        assert learned == engine.snapshot()
    assert changed(spec, learned) == ["fc1", "fc2", "readout"]
    together = {name: np.array([s[name] for s in all_spikes]) for name in all_spikes[0]}
    assert sum(int(value.sum()) for value in together.values()) > 100
    return RunResult(np.array(all_outputs), together), learned


def lava_value(network, layer: int, variable: str) -> np.ndarray:
    of = network.layers[layer]
    if variable == "u":
        return read_var(of.neurons.u)
    names = {"weights": "weights", "tag": "tag_1", "x1": "x1"}
    return read_var(getattr(of.synapses, names[variable]))


class StepRecorder:
    """What the engine holds after each algorithmic step of a sample, by (layer, variable)."""

    def follow(self, engine: Engine, frames: np.ndarray, label: int) -> None:
        self.steps: list[dict[tuple[int, str], np.ndarray]] = []
        recorded: dict[str, list[np.ndarray]] = {}
        learn = engine._learner._pass

        def watched(spikes, factors) -> None:
            learn(spikes, factors)
            if len(self.steps) < len(frames):
                self.steps.append(state_of(engine))

        engine._learner._pass = watched  # type: ignore[method-assign]
        try:
            outputs = engine.learn(
                frames[np.newaxis],
                np.array([label]),
                lambda name, value: recorded.setdefault(name, []).append(value.reshape(-1)),
            )
        finally:
            engine._learner._pass = learn  # type: ignore[method-assign]
        self.outputs = outputs[0]
        readout = engine.spec.layers[-1].name
        self.spikes = {k: np.array(v) for k, v in recorded.items() if k != readout}


def state_of(engine: Engine) -> dict[tuple[int, str], np.ndarray]:
    values = {}
    potentials = engine.potentials()
    for index, layer in enumerate(engine.spec.layers):
        assert isinstance(layer, FixedDenseSpec)
        synapses = engine.synapses(layer.name)
        values[index, "u"] = potentials[layer.name][0]
        for name in ("weights", "tag", "x1"):
            values[index, name] = getattr(synapses, name).copy()
    return values
