"""Local readouts: every population learns from the error of its own, in every execution alike."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from every_execution import executions
from graph_cases import CLASSES, GRAPHS, dense, largest_difference, lif, weights_of
from parity_cases import TOLERANCE
from sample_gradients import gradients

from onchip import Engine
from onchip.deploy.quantization.network import quantize
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.parts import ALWAYS_ON, INPUT, Connection, Population, Route
from onchip.network.readouts import local_readouts
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator
from onchip.program.timetable import make_timetable

STEPS, SAMPLES = 20, 10


def case(rng, name: str = "residual", mode: str = "online", rate: float = 0.3):
    network = with_learning(
        local_readouts(GRAPHS[name](rng, STEPS), seed=2),
        learning_rate=rate,
        rule="decolle",
        mode=mode,
    )
    frames = (rng.random((SAMPLES, STEPS, 6)) < 0.5).astype(float)
    return network, frames, rng.integers(0, CLASSES, SAMPLES)


def learned_locally(network: Network, frames, labels):
    """Outputs and weights by the equations of each population and its readout, and of nothing else.

    No feedback route is read: the error of a population is made from its own spikes here.
    """
    learning, decay = network.learning, network.populations[-1].neuron.decay
    hidden = [p.name for p in network.populations if isinstance(p.neuron, LIF)]
    weights = {
        name: np.array(c.transform.weight)
        for name, c in zip(network.names, network.connections, strict=True)
    }
    outputs = []
    for sample, label in zip(frames, labels, strict=True):
        u = {n: np.zeros(network.size_of(n)) for n in hidden}
        output = {n: np.zeros(CLASSES) for n in hidden}
        spikes = {n: np.zeros(len(u[n])) for n in hidden}
        traces = {name: 0.0 for name in weights}
        sums = {name: 0.0 for name in weights}
        steps = []
        for frame in sample:
            before, spikes = spikes, {INPUT: frame, ALWAYS_ON: np.ones(1)}
            changes = {}
            for n in hidden:
                neuron, current = network.population(n).neuron, np.zeros(len(u[n]))
                for name, c in zip(network.names, network.connections, strict=True):
                    if c.target == n:
                        sent = (before if c.delay else spikes)[c.source]
                        current += (
                            weights[name] * sent
                            if weights[name].ndim == 1
                            else weights[name] @ sent
                        )
                        traces[name] = neuron.decay * traces[name] + sent
                u[n] = neuron.decay * (u[n] - neuron.v_threshold * before[n]) + current
                spikes[n] = (u[n] >= neuron.v_threshold).astype(float)
                last = f"{n}_readout" not in [p.name for p in network.populations]
                own = next(
                    c
                    for c in network.connections
                    if c.source == n and c.target == ("out" if last else f"{n}_readout")
                )
                fixed = own.transform.weight
                output[n] = decay * output[n] + fixed @ spikes[n]
                shares = np.exp(output[n] - output[n].max())
                error = 0.95 * (shares / shares.sum() - np.eye(CLASSES)[label])
                error = (error + 0.05 * 2 / CLASSES * (output[n] - np.eye(CLASSES)[label])) / STEPS
                slope = np.maximum(0, 1 - abs(u[n] - 1) / neuron.surrogate.parameter)
                factor = fixed.T @ error * slope / neuron.surrogate.parameter
                for name, c in zip(network.names, network.connections, strict=True):
                    if c.target == n:
                        gradient = np.outer(factor, traces[name])
                        changes[name] = 0.3 * gradient.reshape(weights[name].shape)
                if last:
                    steps.append(output[n])
            for name, change in changes.items():
                if learning.mode == "online":
                    weights[name] = weights[name] - change
                else:
                    sums[name] += change
        weights = {name: w - sums[name] for name, w in weights.items()}
        outputs.append(steps)
    return np.array(outputs), list(weights.values())


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("name", GRAPHS)
def test_all_executions_learn_the_same_over_200_steps(rng, name, mode):
    network, frames, labels = case(rng, name, mode)
    expected, learned = learned_locally(network, frames, labels)
    assert largest_difference(weights_of(network), learned) > 0.05
    for kind, (values, after) in executions(network, frames, labels).items():
        np.testing.assert_allclose(values, expected, atol=TOLERANCE, err_msg=kind)
        assert largest_difference(weights_of(after), learned) < TOLERANCE, kind


@pytest.mark.parametrize("mode", ["online", "accumulate"])
@pytest.mark.parametrize("name", GRAPHS)
def test_integers_are_equal_bit_for_bit_over_200_steps(rng, name, mode):
    network, frames, labels = case(rng, name, mode, 0.5)
    integers, frames = quantize(network), frames.astype(np.uint8)
    engine = Engine(integers)
    outputs, learned = engine.learn(frames, labels), engine.snapshot()
    for old, new in zip(integers.connections, learned.connections, strict=True):
        assert old.plastic != np.array_equal(old.transform.weight, new.transform.weight)
    fast = FastSimCfg("fixed_pt")
    for make in (LavaNetwork, lambda n: LavaNetwork(n, run_config=fast), FusedLavaNetwork):
        with make(integers) as execution:
            np.testing.assert_array_equal(execution.learn(frames, labels).outputs, outputs)
            assert execution.snapshot() == learned


@pytest.mark.parametrize("name", GRAPHS)
def test_the_gradients_of_integers_are_those_of_the_floats(rng, name):
    """Of each sample, from the same weights: alike in direction, and in size after its units."""
    network, _, _ = case(rng, name, "accumulate")
    frames = (rng.random((30, STEPS, 6)) < 0.5).astype(np.uint8)
    labels = rng.integers(0, CLASSES, 30)
    real, integers = (gradients(n, frames, labels) for n in (network, quantize(network)))
    for kind in network.names:
        if network.connections[network.names.index(kind)].plastic:
            assert np.corrcoef(real[kind], integers[kind])[0, 1] > 0.7, kind
            slope = real[kind] @ integers[kind] / (real[kind] @ real[kind])
            assert 0.6 < slope < 1.5, (kind, slope)


def test_an_epoch_is_as_long_as_the_longest_way_forward_and_back_once(rng):
    """Of N weight layers in a chain K = N + 2; with the error through the layers it is 2 N."""
    names = [f"h{i}" for i in range(5)]
    ends = [INPUT, *names]
    chain = Network(
        (*map(lif, names), Population("out", (CLASSES,), LeakyIntegrator())),
        (
            Connection(INPUT, "h0", dense(rng, 8, 6)),
            *(
                Connection(a, b, dense(rng, 8, 8))
                for a, b in zip(ends[1:], names[1:], strict=False)
            ),
            Connection("h4", "out", dense(rng, CLASSES, 8)),
        ),
        (6,),
        STEPS,
    )
    local = with_learning(local_readouts(chain), learning_rate=0.1, rule="decolle")
    assert make_timetable("sequenced", local).period == 6 + 2
    through = with_learning(chain, learning_rate=0.1, feedback="symmetric")
    assert make_timetable("sequenced", through).period == 2 * 6


def test_inference_is_what_it_was_and_the_readouts_stay(rng):
    plain = GRAPHS["residual"](rng, STEPS)
    network = local_readouts(plain)
    added = {p.name for p in network.populations} - {p.name for p in plain.populations}
    assert added == {"stem_readout", "a1_readout", "a2_readout", "b1_readout"}
    frames = (rng.random((3, STEPS, 6)) < 0.5).astype(float)
    np.testing.assert_array_equal(Engine(network).run(frames), Engine(plain).run(frames))
    learning = with_learning(network, learning_rate=0.1, rule="decolle")
    assert learning.plastic_names == ("stem", "a1", "a2", "b1", "b2")
    assert set(learning.readouts) == added | {"out"}
    assert without_learning(learning) == network
    assert local_readouts(network) == network
    drawn = local_readouts(plain, draw_last=True, scale=2.0)
    for old, new in zip(plain.connections, drawn.connections, strict=False):
        assert (old == new) == (old.target != "out")
    fixed = [c.transform.weight for c in drawn.connections if c.target in (*added, "out")]
    assert len(fixed) == 5 and all(1 < np.abs(w).max() * np.sqrt(8) <= 2 for w in fixed)


def test_a_named_readout_learns_from_its_own_error(rng):
    network = local_readouts(GRAPHS["recurrent"](rng, STEPS))
    names = ["one", "one_readout", "out"]
    network = with_learning(network, learning_rate=0.2, rule="decolle", plastic=names)
    frames = (rng.random((4, STEPS, 6)) < 0.5).astype(float)
    found = executions(network, frames, rng.integers(0, CLASSES, 4))
    outputs, learned = found["numpy"]
    assert largest_difference(weights_of(network), weights_of(learned)) > 0.01
    for kind, (values, after) in found.items():
        np.testing.assert_allclose(values, outputs, atol=TOLERANCE, err_msg=kind)
        assert largest_difference(weights_of(after), weights_of(learned)) < TOLERANCE, kind


def test_bad_readouts_are_named(rng):
    network, _, _ = case(rng)
    learning = network.learning
    for route, message in (
        (Route("a1", "stem", True), "an error comes from a readout of 3 outputs.*'a1' has 8"),
        (Route("stem_readout", "a1_readout", True, np.ones((3, 3))), "'a1_readout'"),
    ):
        with pytest.raises(ValueError, match=message):
            replace(network, learning=replace(learning, routes=(*learning.routes, route)))
    plain = GRAPHS["residual"](rng, STEPS)
    with pytest.raises(ValueError, match=r"'stem' learns from a readout of its own, but has none"):
        with_learning(plain, learning_rate=0.1, rule="decolle")
    with pytest.raises(ValueError, match="it has a learning section"):
        local_readouts(network)
    with pytest.raises(ValueError, match="pipelined schedule: only the last layer can learn"):
        make_timetable("pipelined", network)
