"""Energy by published figures: worked out by hand, on the schedule that a chip would run."""

from __future__ import annotations

import numpy as np
import pytest
from graph_cases import CLASSES, delayed_from_the_top, residual

from onchip.deploy.costs.counting import count
from onchip.deploy.costs.energy import PRICES, SOURCE, energy_of
from onchip.deploy.costs.layers import by_layer
from onchip.deploy.quantization.network import Quantization, quantize
from onchip.network.learning import with_learning


def samples(network, rng, number: int = 2):
    frames = (rng.random((number, network.time_steps, *network.input_shape)) < 0.4).astype(float)
    return frames, rng.integers(0, CLASSES, number)


def test_terms_are_counts_times_their_prices(rng):
    network = with_learning(residual(rng), learning_rate=0.1, feedback="symmetric")
    frames, labels = samples(network, rng)
    costs = count(network, frames, labels)
    found, total = energy_of(network, costs), costs.per_sample()
    # six populations forward, the readout's error in its step, five factors back, and one to learn
    assert (found.schedule, found.steps) == ("sequenced", 12 * 10)
    neurons = 43 * (10 * 81e-12 + (120 - 10) * 52e-12)
    assert found.neurons == pytest.approx(neurons, rel=1e-12)
    assert found.synapses == pytest.approx(23.6e-12 * total["synaptic_effective"], rel=1e-12)
    assert found.feedback == pytest.approx(23.6e-12 * total["feedback_effective"], rel=1e-12)
    # 472 synapses learn at ten steps
    assert found.rules[1] == pytest.approx(120e-12 * 472 * 10, rel=1e-12)
    assert found.least < found.most and found.dominant() == "rules"
    marked = found.as_json()
    assert marked["estimate"] and marked["chip"] == "Loihi 1" and marked["source"] == SOURCE


def test_a_frozen_network_is_pipelined_in_floats_and_integers(rng):
    network = with_learning(residual(rng), learning_rate=0.5, feedback="direct")
    frames, _ = samples(network, rng)
    for spec in (network, quantize(network, Quantization("sequenced"))):
        found = energy_of(spec, count(spec, frames))
        assert (found.schedule, found.steps) == ("pipelined", 10 + 6)
        assert found.rules == (0, 0) and found.feedback == 0


def test_spikes_that_go_back_need_the_sequenced_schedule(rng):
    network = delayed_from_the_top(rng)
    found = energy_of(network, count(network, samples(network, rng)[0]))
    assert found.schedule == "sequenced"


def test_layers_add_up_to_the_totals(rng):
    network = with_learning(residual(rng), learning_rate=0.1)
    costs = count(network, *samples(network, rng))
    layers, total = by_layer(costs), costs.per_sample()
    pairs = {
        "forward": "synaptic_effective", "forward_dense": "synaptic_dense",
        "rules_met": "rules_met", "neurons": "neuron_updates", "feedback": "feedback_effective",
        "rules": "rule_evaluations", "traces": "trace_updates", "changed": "weights_changed",
    }  # fmt: skip
    for own, name in pairs.items():
        assert sum(getattr(layer, own) for layer in layers) == pytest.approx(total[name])


def test_the_prices_are_those_of_the_published_table():
    picojoules = {name: round(price * 1e12, 6) for name, price in PRICES.items()}
    assert picojoules == {
        "synaptic_operation": 23.6,
        "active_neuron_update": 81,
        "inactive_neuron_update": 52,
        "synaptic_update": 120,
    }
    assert np.isclose(PRICES["synaptic_update"] / PRICES["synaptic_operation"], 5.08, atol=0.01)
