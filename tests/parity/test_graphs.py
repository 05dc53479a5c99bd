"""Residual, recurrent and delayed networks: equal in every execution, plastic throughout."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import GRAPHS, dense, largest_difference, learned_by_loops, weights_of
from parity_cases import TOLERANCE, two_hidden_layers
from sample_gradients import gradients

from onchip import Engine
from onchip.deploy.quantization.network import quantize
from onchip.lava.fused import FusedLavaNetwork
from onchip.lava.network import LavaNetwork
from onchip.lava.run_config import FastSimCfg
from onchip.models.torch_graph import TorchGraph
from onchip.network.chain import graph_of
from onchip.network.graph import Network
from onchip.network.learning import with_learning
from onchip.network.parts import Connection, Population
from onchip.program.graphs import as_graph
from onchip.rules.feedback import FEEDBACKS

STEPS, SAMPLES = 20, 10
"""200 steps in all."""


def case(rng, name: str, feedback: str, mode: str, rate: float = 0.1):
    network = GRAPHS[name](rng, STEPS)
    network = with_learning(network, learning_rate=rate, feedback=feedback, mode=mode, seed=1)
    assert set(network.plastic_names) == {p.name for p in network.populations}
    frames = (rng.random((SAMPLES, STEPS, 6)) < 0.5).astype(float)
    return network, frames, rng.integers(0, network.classes, SAMPLES)


def in_lava(network, frames, labels, make):
    with make(network) as execution:
        return execution.learn(frames, labels).outputs, execution.snapshot()


def in_torch(network, frames, labels):
    execution = TorchGraph(network)
    outputs = [execution.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    return np.array(outputs), execution.snapshot()


FAST = FastSimCfg("floating_pt")
EXECUTIONS = {
    "torch": in_torch,
    "lava": lambda *case: in_lava(*case, LavaNetwork),
    "lava-fast": lambda *case: in_lava(*case, lambda n: LavaNetwork(n, run_config=FAST)),
    "lava-fused": lambda *case: in_lava(*case, FusedLavaNetwork),
}


@pytest.mark.parametrize(
    ("feedback", "mode"),
    [(feedback, "online") for feedback in FEEDBACKS] + [("symmetric", "accumulate")],
)
@pytest.mark.parametrize("name", GRAPHS)
def test_all_executions_learn_the_same_over_200_steps(rng, name, feedback, mode):
    network, frames, labels = case(rng, name, feedback, mode)
    expected, learned = learned_by_loops(network, frames, labels)
    assert largest_difference(weights_of(network), learned) > 0.05
    engine = Engine(network)
    outputs = [engine.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    found = {"numpy": (np.array(outputs), engine.snapshot())}
    found |= {kind: run(network, frames, labels) for kind, run in EXECUTIONS.items()}
    for kind, (values, after) in found.items():
        np.testing.assert_allclose(values, expected, atol=TOLERANCE, err_msg=kind)
        assert largest_difference(weights_of(after), learned) < TOLERANCE, kind


@pytest.mark.parametrize(
    ("feedback", "mode"),
    [("symmetric", "online"), ("direct", "online"), ("random", "accumulate")],
)
@pytest.mark.parametrize("name", GRAPHS)
def test_integers_are_equal_bit_for_bit_over_200_steps(rng, name, feedback, mode):
    network, frames, labels = case(rng, name, feedback, mode, 0.5)
    integers, frames = quantize(network), frames.astype(np.uint8)
    engine = Engine(integers)
    outputs, learned = engine.learn(frames, labels), engine.snapshot()
    pairs = zip(weights_of(integers), weights_of(learned), strict=True)
    assert not any(np.array_equal(*pair) for pair in pairs)
    fast = FastSimCfg("fixed_pt")
    for make in (
        LavaNetwork,
        lambda n: LavaNetwork(n, run_config=fast),
        FusedLavaNetwork,
    ):
        found, after = in_lava(integers, frames, labels, make)
        np.testing.assert_array_equal(found, outputs)
        assert after == learned


@pytest.mark.parametrize("name", ["recurrent", "delayed"])
def test_live_weights_carry_the_error_back_in_integers(rng, name):
    network, frames, labels = case(rng, name, "exact", "online")
    integers, frames = quantize(network), frames[:3].astype(np.uint8)
    engine = Engine(integers)
    outputs, learned = engine.learn(frames, labels[:3]), engine.snapshot()
    found, after = in_lava(integers, frames, labels[:3], LavaNetwork)
    np.testing.assert_array_equal(found, outputs)
    assert after == learned


def test_live_weights_of_several_scales_are_refused_in_integers(rng):
    network, _, _ = case(rng, "residual", "exact", "online")
    with pytest.raises(ValueError, match=r"'a2': several live weights.*use feedback 'symmetric'"):
        quantize(network)


@pytest.mark.parametrize("feedback", ["symmetric", "direct"])
@pytest.mark.parametrize("name", GRAPHS)
def test_the_gradients_of_integers_are_those_of_the_floats(rng, name, feedback):
    """Of each sample, from the same weights: alike in direction, and in size after its units."""
    network = GRAPHS[name](rng, STEPS)
    # A rate at which updates neither vanish in rounding nor saturate a tag.
    network = with_learning(network, learning_rate=0.3, feedback=feedback, mode="accumulate")
    frames = (rng.random((30, STEPS, 6)) < 0.5).astype(np.uint8)
    labels = rng.integers(0, network.classes, 30)
    real, integers = (gradients(n, frames, labels) for n in (network, quantize(network)))
    for kind in network.names:
        assert np.corrcoef(real[kind], integers[kind])[0, 1] > 0.7, kind
        slope = real[kind] @ integers[kind] / (real[kind] @ real[kind])
        assert 0.6 < slope < 1.5, (kind, slope)


def test_a_chain_as_a_graph_has_the_integers_of_its_layers(rng):
    spec = two_hidden_layers(rng, (2, 5, 5))
    spec = with_learning(spec, learning_rate=0.1, feedback="random", seed=3)
    assert quantize(graph_of(spec)) == as_graph(quantize(spec))


@pytest.mark.parametrize("feedback", FEEDBACKS)
def test_no_error_comes_from_a_population_that_is_read_a_step_later_alone(rng, feedback):
    """It has none of its own: only what is learned beside it is asked for."""
    network = GRAPHS["delayed"](rng, STEPS)
    side = Population("side", (4,), network.populations[0].neuron)
    network = Network(
        (side, *network.populations),
        (
            *network.connections,
            Connection("two", "side", dense(rng, 4, 8)),
            Connection("side", "one", dense(rng, 8, 4), delay=1),
        ),
        (6,),
        STEPS,
    )
    names = ["one", "two", "three", "out"]
    network = with_learning(
        network, learning_rate=0.1, plastic=names, feedback=feedback, mode="online", seed=1
    )
    frames = (rng.random((4, STEPS, 6)) < 0.5).astype(float)
    labels = rng.integers(0, network.classes, 4)
    expected, learned = learned_by_loops(network, frames, labels)
    assert largest_difference(weights_of(network), learned) > 0.02
    engine = Engine(network)
    outputs = [engine.learn(frames[[i]], labels[[i]])[0] for i in range(len(frames))]
    found = {"numpy": (np.array(outputs), engine.snapshot())}
    found |= {kind: run(network, frames, labels) for kind, run in EXECUTIONS.items()}
    for kind, (values, after) in found.items():
        np.testing.assert_allclose(values, expected, atol=TOLERANCE, err_msg=kind)
        assert largest_difference(weights_of(after), learned) < TOLERANCE, kind
    if feedback != "direct":
        with pytest.raises(ValueError, match="population 'side' learns, but no feedback reaches"):
            with_learning(network, learning_rate=0.1, plastic=["side"], feedback=feedback)
