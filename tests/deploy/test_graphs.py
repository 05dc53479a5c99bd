"""Networks that are graphs run, learn, are compared and are refused like chains."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from graph_networks import convolutional_residual, learning_residual, residual_network

from onchip import Engine
from onchip.deploy import build, compare, dequantize
from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.inputs import takes_currents
from onchip.deploy.backends.online import at_rate, learn_in_stages
from onchip.deploy.backends.table import precision_of
from onchip.deploy.cli.parity_command import choose_executions
from onchip.network.graph import Network


def samples(network: Network, rng: np.random.Generator, count: int = 3):
    frames = rng.random((count, network.time_steps, *network.input_shape)) < 0.5
    return frames.astype(np.float64), np.arange(count) % network.classes


def test_a_residual_network_learns_the_same_in_lava_and_on_the_engine(rng):
    network = learning_residual(rng)
    assert precision_of(network) == "float"
    names = ["torch", "lava-sequenced", "lava-fast-sequenced", "lava-fused-sequenced"]
    factories, left_out = choose_executions(network, names)
    report = compare(network, *samples(network, rng), factories, left_out)
    assert report.passed and [row.execution for row in report.executions] == names
    for row in report.executions:
        assert row.spikes_compared == 4 * 9 * 40 and row.spikes_fired > 100
        learned = 8 * 6 + 5 * 64 + 64 + 3 * 8
        assert row.weights_compared == learned and row.weights_changed > learned / 2


def test_convolutions_of_a_graph_are_compared_too_where_they_run_on_the_host(rng):
    network = convolutional_residual(rng)
    executions = {"lava-fast": partial(build, network, "lava-fast", None, True)}
    report = compare(network, *samples(network, rng), executions)
    assert report.passed and set(report.executions[0].mismatches_by_layer) == {
        "conv",
        "low",
        "high",
    }


def test_an_execution_of_another_weight_does_not_pass(rng):
    """Guards the comparison: one weight of one connection, the delayed one, is off by 1e-6."""
    network = learning_residual(rng)
    index = network.names.index("stem.from_b2_delayed")
    weight = np.array(network.connections[index].transform.weight)
    weight[0, 0] += 1e-6
    other = network.with_weights({"stem.from_b2_delayed": weight})

    def factory() -> Execution:
        return Execution(other, lambda head: EngineNetwork(Engine(head), True), True)

    report = compare(network, *samples(network, rng), {"other": factory})
    assert not report.passed and report.executions[0].max_relative_weight_error > 1e-7


def test_a_graph_that_never_fires_is_not_tested(rng):
    network = residual_network(rng)
    frames, labels = samples(network, rng)
    silent = network.with_weights({"a1.bias": np.full(8, -9.0)})
    report = compare(silent, 0 * frames, labels, {"numpy": partial(build, silent, record=True)})
    assert report.untested.startswith("no spike was fired by stem, a1, a2, b1, b2")


def test_frames_of_currents_are_for_graphs_that_convolutions_alone_read(rng):
    network = convolutional_residual(rng)
    assert takes_currents(network) and not takes_currents(residual_network(rng))
    skip = residual_network(rng, input_shape=(1, 4, 4)).connections[0]
    low = replace(skip, target="low", transform=replace(skip.transform, weight=np.ones((5, 16))))
    assert not takes_currents(replace(network, connections=(*network.connections, low)))


def test_stages_of_learning_change_the_rate_of_every_rule(rng):
    network = learning_residual(rng)
    frames, labels = samples(network, rng, 2)
    rules = [c.rule for c in at_rate(network, 0.3).connections]
    assert rules.count(None) == 1 and {rule.learning_rate for rule in rules if rule} == {0.3}
    found = learn_in_stages(network, frames, labels, (0.3, 0.1), "numpy", measure=0)
    spec = network
    for rate, i in ((0.3, 0), (0.1, 1)):
        engine = Engine(at_rate(spec, rate))
        engine.learn(frames[i : i + 1], labels[i : i + 1])
        spec = engine.snapshot()
    assert found.spec == spec


def test_what_takes_chains_only_says_so(rng):
    network = learning_residual(rng)
    with pytest.raises(ValueError, match="it is a graph of 6 populations, and dequantize takes"):
        dequantize(network, network)
