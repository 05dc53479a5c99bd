"""Networks that are graphs run, learn, are compared and are refused like chains."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from graph_networks import convolutional_residual, learning_residual, residual_network

from onchip import Engine, Surrogate
from onchip.deploy import build, compare, dequantize, quantize, report_quantization
from onchip.deploy.backends.engine_network import EngineNetwork
from onchip.deploy.backends.execution import Execution
from onchip.deploy.backends.inputs import takes_currents
from onchip.deploy.backends.online import learn_in_stages
from onchip.deploy.backends.rates import at_rate
from onchip.deploy.backends.table import precision_of
from onchip.deploy.cli.parity_command import choose_executions
from onchip.network.graph import Network
from onchip.network.learning import with_learning, without_learning
from onchip.network.parts import ALWAYS_ON
from onchip.objectives.regression import Regression


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


def learning_for_chips(rng) -> Network:
    """A residual network whose neurons' derivatives are cheap in integers."""
    network = learning_residual(rng)
    populations = tuple(
        replace(p, neuron=replace(p.neuron, surrogate=Surrogate("triangle")))
        if p.neuron.spiking
        else p
        for p in network.populations
    )
    return replace(network, populations=populations)


def test_integers_of_a_graph_are_worth_the_network_to_half_a_step(rng):
    network = learning_for_chips(rng)
    chip = quantize(network)
    worth = dequantize(chip, network)
    for name, old, new in zip(network.names, network.connections, worth.connections, strict=True):
        index = chip.names.index(name)
        step = chip.connections[index].weight_step(chip.population(old.target).membrane_unit)
        assert np.abs(old.transform.weight - new.transform.weight).max() <= step, name
        assert new.rule == old.rule
    assert replace(worth, connections=network.connections) == network
    moved = chip.with_weights({"a2.synapses": chip.connections[2].transform.weight + 3})
    index = chip.names.index("a2.synapses")
    step = chip.connections[index].weight_step(chip.population("a2").membrane_unit)
    change = dequantize(moved, network).connections[2].transform.weight
    np.testing.assert_allclose(change - worth.connections[2].transform.weight, 2 * step)


def test_integers_of_another_network_are_not_dequantized(rng):
    network = learning_for_chips(rng)
    chip = quantize(network)
    renamed = tuple(replace(p, name=p.name.replace("b1", "b9")) for p in network.populations)
    edges = tuple(
        replace(c, source=c.source.replace("b1", "b9"), target=c.target.replace("b1", "b9"))
        for c in without_learning(network).connections
    )
    other = replace(without_learning(network), populations=renamed, connections=edges)
    with pytest.raises(ValueError, match=r"populations \[.*'b1'.*the network \[.*'b9'"):
        dequantize(chip, other)


def test_what_is_frozen_stays_frozen_in_integers_beside_what_learns(rng):
    """The one-to-one synapses and a bias are frozen, others into the same populations learn."""
    network = learning_for_chips(rng)
    frozen = tuple(
        replace(c, rule=None) if c.source == ALWAYS_ON else c for c in network.connections
    )
    network = replace(network, connections=frozen)
    chip = quantize(network)
    plastic = {(c.source, c.target, c.delay) for c in network.connections if c.plastic}
    assert {(c.source, c.target, c.delay) for c in chip.connections if c.plastic} == plastic
    assert len(plastic) == 8 and ("a2", "b2", 0) not in plastic
    names = ["lava-sequenced", "lava-fast-sequenced", "lava-fused-sequenced"]
    factories, left_out = choose_executions(chip, names)
    report = compare(chip, *samples(network, rng), factories, left_out)
    assert report.passed and report.precision == "integers"
    assert [row.execution for row in report.executions] == names
    assert report.executions[0].weights_compared == 8 * 6 + 6 * 64 + 3 * 8
    with build(chip) as execution:
        execution.learn(*samples(network, rng))
        learned = execution.snapshot()
    assert report.executions[0].weights_changed > 20
    for before, after in zip(chip.connections, learned.connections, strict=True):
        moved = before.transform.weight // 2 != after.transform.weight // 2
        assert before.plastic or not moved.any()


def test_another_rate_in_integers_is_that_of_a_network_quantized_with_it(rng):
    network = learning_for_chips(rng)
    assert at_rate(quantize(network), 0.02) == quantize(at_rate(network, 0.02))
    assert at_rate(quantize(network), 0.02) != quantize(network)
    with pytest.raises(ValueError, match="no learning section, so no learning rate"):
        at_rate(quantize(without_learning(network)), 0.02)


def test_the_report_on_quantization_has_a_row_for_each_connection(rng):
    network = learning_for_chips(rng)
    chip = quantize(network)
    frames, labels = samples(network, rng, 6)
    report = report_quantization(network, chip, frames, labels)
    rows = {row.layer: row for row in report.layers}
    assert list(rows) == [name for name in network.names if not name.endswith(".bias")]
    for name, row in rows.items():
        index = network.names.index(name)
        weight = network.connections[index].transform.weight
        integers = chip.connections[chip.names.index(name)]
        step = integers.weight_step(chip.population(integers.target).membrane_unit)
        wrong = weight - step * integers.transform.weight
        expected = np.sqrt((wrong**2).mean() / (weight**2).mean())
        assert row.weight_error == pytest.approx(expected) and row.weight_step == step
        assert (row.spikes_agreeing is not None) == (name.endswith(".synapses") and name[0] != "o")
        frozen = network.connections[index].rule is None
        assert (row.learning_rate is None) == frozen and row.weight_exponent == integers.exponent
    assert report.samples == 6 and "stem.from_b2_delayed" in report.markdown()
    others = replace(
        without_learning(network), connections=without_learning(network).connections[:-2]
    )
    with pytest.raises(ValueError, match="the network has connections"):
        report_quantization(others, chip)


def test_targets_of_every_step_go_where_labels_went(rng):
    """A regression: the engine of a backend learns it, every execution is compared on it."""
    network = with_learning(
        residual_network(rng), learning_rate=0.05, feedback="random", objective=Regression()
    )
    frames, _ = samples(network, rng)
    targets = rng.normal(size=(3, network.time_steps, network.classes))
    engine = Engine(network)
    outputs = [engine.learn(frames[[i]], targets[[i]])[0] for i in range(3)]
    for backend in ("numpy", "torch", "lava-fused"):
        with build(network, backend) as execution:
            result = execution.learn(frames, targets)
            np.testing.assert_allclose(result.outputs, outputs, rtol=1e-9, atol=1e-12)
    factories, left_out = choose_executions(network, ["torch", "lava-fused-sequenced"])
    report = compare(network, frames, targets, factories, left_out)
    assert report.passed and report.learned
    with build(network) as execution:
        with pytest.raises(ValueError, match=r"targets have shape \(3, 2\); they must be"):
            execution.learn(frames, targets[:, 0, :2])
