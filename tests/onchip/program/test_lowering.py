"""What a network becomes when it is lowered for a schedule, in floats and in integers."""

from __future__ import annotations

import numpy as np
import pytest
from parity_cases import two_hidden_layers

from onchip.deploy.quantization.network import quantize
from onchip.network.learning import with_learning
from onchip.network.parts import INPUT
from onchip.program.graphs import INTEGERS, REAL_NUMBERS
from onchip.program.lower import learned, lower


@pytest.fixture
def network(rng):
    return two_hidden_layers(rng, (2, 5, 5))


def shape_of(program) -> list[tuple]:
    """What both precisions must have in common."""
    populations = [(p.name, p.shape, p.spiking, p.offset, p.answers) for p in program.populations]
    synapses = [
        (s.name, s.source, s.target, s.delay, s.plasticity is not None) for s in program.synapses
    ]
    routes = [(r.name, r.source, r.target, r.is_error, r.live) for r in program.routes]
    return [populations, synapses, routes, program.inputs, program.classes]


@pytest.mark.parametrize("feedback", ["exact", "symmetric", "random", "direct"])
def test_floats_and_integers_are_lowered_to_the_same_graph(network, feedback):
    network = with_learning(network, learning_rate=0.05, feedback=feedback, seed=3)
    real, integers = (lower(n, "sequenced") for n in (network, quantize(network)))
    assert (real.numbers, integers.numbers) == (REAL_NUMBERS, INTEGERS)
    assert shape_of(real) == shape_of(integers)
    assert real.timetable == integers.timetable


def test_a_recurrent_layer_has_synapses_from_itself_with_a_delay(rng):
    network = two_hidden_layers(rng, (2, 5, 5), recurrent=True)
    program = lower(with_learning(network, learning_rate=0.1), "sequenced")
    delayed = [s for s in program.synapses if s.delay]
    assert delayed and all(s.source == s.target for s in delayed)
    assert all(s.name == f"{s.target}.recurrent" for s in delayed)
    others = [s for s in program.synapses if not s.delay]
    assert [s.source for s in others] == [INPUT, *(p.name for p in program.populations[:-1])]


def test_a_bias_is_the_last_column_of_an_always_on_unit(network):
    program = lower(network, "sequenced")
    for layer, synapses in zip(
        network.layers, (s for s in program.synapses if not s.delay), strict=True
    ):
        assert synapses.always_on == (layer.bias is not None)
        assert synapses.weights.shape[1] == layer.input_size + synapses.always_on
        if layer.bias is not None:
            np.testing.assert_array_equal(synapses.weights[:, -1], layer.bias)


def test_exact_feedback_is_said_by_the_synapses_that_it_reads(network):
    exact = lower(with_learning(network, learning_rate=0.1, feedback="exact"), "sequenced")
    fixed = lower(with_learning(network, learning_rate=0.1, feedback="symmetric"), "sequenced")
    above = [p.name for p in exact.populations[1:]]
    assert [r.live for r in exact.routes] == [f"{name}.synapses" for name in above]
    assert all(r.matrix is None for r in exact.routes)
    assert all(r.live is None and r.matrix is not None for r in fixed.routes)


@pytest.mark.parametrize("integers", [False, True])
def test_learned_weights_come_back_where_they_were(rng, network, integers):
    network = with_learning(network, learning_rate=0.05)
    network = quantize(network) if integers else network
    program = lower(network, "sequenced")
    same = learned(program, {s.name: s.weights for s in program.synapses if s.plasticity})
    assert same == network
    moved = learned(program, {s.name: s.weights + 2 for s in program.synapses if s.plasticity})
    for before, after in zip(network.layers, moved.layers, strict=True):
        np.testing.assert_array_equal(after.weight, before.weight + 2)


def test_a_network_without_learning_has_no_rule_and_no_route(network):
    program = lower(network, "sequenced")
    assert program.routes == ()
    assert all(s.plasticity is None for s in program.synapses)
    assert all(p.teacher is None for p in program.populations)
