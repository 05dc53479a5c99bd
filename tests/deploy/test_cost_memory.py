"""The memory of a network is that of the arrays that the engine keeps, or of the chip's widths."""

from __future__ import annotations

import pytest
from convolution_cases import network as convolutions
from graph_cases import GRAPHS, recurrent, residual

from onchip import Engine
from onchip.deploy.costs.memory import Memory, memory_of, total_memory
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.learning import with_learning, without_learning
from onchip.rules.filtered import Filtered


def bytes_of(state, *ends: str) -> int:
    return sum(a.nbytes for name, a in state.items() if name.endswith(ends))


@pytest.mark.parametrize("graph", GRAPHS.values(), ids=GRAPHS)
def test_floats_take_the_bytes_of_the_engines_arrays(graph, rng):
    network = with_learning(graph(rng), learning_rate=0.1, eligibility=Filtered(0.5))
    state, found = Engine(network).state(), total_memory(network).in_bytes()
    assert found["weights"] == bytes_of(state, "weight", ".bias")
    assert found["traces"] == bytes_of(state, "trace")
    assert found["tags"] == bytes_of(state, "eligibility")
    assert found["neurons"] == bytes_of(state, ".u")
    assert found["biases"] == found["feedback"] == 0  # biases learn, exact feedback reads weights


def test_feedback_takes_its_matrices_and_frozen_biases_are_constants(rng):
    network = residual(rng)
    direct = with_learning(network, learning_rate=0.1, feedback="direct")
    assert total_memory(direct).in_bytes()["feedback"] == 8 * (5 * 8 * 3)
    frozen = total_memory(without_learning(network)).in_bytes()
    weights = 8 * 6 + 6 * 64 + 3 * 8
    assert frozen == {
        "weights": 8 * weights, "biases": 8 * 16, "neurons": 8 * 43, "traces": 0, "tags": 0,
        "feedback": 0, "total": 8 * (weights + 16 + 43),
    }  # fmt: skip


def test_integers_take_the_chips_widths(rng):
    network = with_learning(recurrent(rng), learning_rate=0.5, feedback="symmetric")
    chip = quantize(network, Quantization("sequenced"))
    into_one = 6 * 8 + 8 * 8
    assert memory_of(chip)["one"] == Memory(
        weights=8 * into_one, neurons=24 * 8, traces=7 * (6 + 8), feedback=8 * 7 * 8
    )
    summed = with_learning(recurrent(rng), learning_rate=0.5, mode="accumulate")
    assert memory_of(quantize(summed, Quantization("sequenced")))["one"].tags == 9 * into_one


def test_a_kernel_is_stored_once_or_at_every_synapse(rng):
    network = with_learning(convolutions(rng), learning_rate=0.1, plastic=["conv1"])
    once, copied = memory_of(network)["conv1"], memory_of(network, copies=True)["conv1"]
    synapses = 3 * 2 * (6 * 3 - 2) * (5 * 3 - 2)
    assert once.weights == 64 * (3 * 2 * 3 * 3 + 3)
    assert copied.weights == 64 * (synapses + 3 * 6 * 5)
    assert once.traces == copied.traces
