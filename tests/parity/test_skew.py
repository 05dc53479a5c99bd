"""The corrections in the schedules are needed: without them the same comparison fails.

A Lava synapse sends W s[t-1] at step t while its trace x1 already holds s[t], and y decays on the
way to the update. Each test takes one correction away and sees the parity break.
"""

from __future__ import annotations

import numpy as np
import pytest
from parity_cases import TOLERANCE, engine_reference, random_events, two_hidden_layers, weight_error

from onchip.arithmetic.accumulator import Product
from onchip.lava import network as lava_network
from onchip.network.learning import with_learning
from onchip.network.spec import NetworkSpec
from onchip.program import real_lowering
from onchip.program.synapses import Plasticity
from onchip.program.timetable import trace_time_constant

INPUTS = (2, 5, 5)


def error_in_lava(spec: NetworkSpec, schedule: str, rng: np.random.Generator) -> float:
    frames, labels = random_events(rng, 3, INPUTS)
    _, learned = engine_reference(spec, frames, labels)
    with lava_network.LavaNetwork(spec, schedule) as network:
        network.learn(frames, labels)
        return weight_error(learned, network.snapshot())


def naive_rule(schedule, mode, traces, arrival, rule):
    tau = trace_time_constant(traces[0][1], schedule.period)
    return Plasticity((Product(1, 0, ("x1", "y1")),), (), 1.0, tau, schedule.period)


@pytest.fixture
def pipelined(rng):
    spec = two_hidden_layers(rng, INPUTS)
    return with_learning(spec, learning_rate=0.3, plastic=["readout"], update_delay=1)


@pytest.fixture
def sequenced(rng):
    return with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.3)


def test_the_naive_rule_pairs_the_factor_with_the_next_trace(rng, pipelined, monkeypatch):
    assert error_in_lava(pipelined, "pipelined", rng) < TOLERANCE
    monkeypatch.setattr(real_lowering, "plasticity", naive_rule)
    assert error_in_lava(pipelined, "pipelined", rng) > 1e-3


def test_without_the_impulse_of_the_phase_the_trace_decays_too_far(rng, sequenced, monkeypatch):
    assert error_in_lava(sequenced, "sequenced", rng) < TOLERANCE
    monkeypatch.setattr(real_lowering, "plasticity", naive_rule)
    assert error_in_lava(sequenced, "sequenced", rng) > 1e-3


def test_the_decay_of_the_third_factor_must_be_made_up_for(rng, sequenced, monkeypatch):
    monkeypatch.setattr(real_lowering, "factor_scale", lambda schedule, rate, decay: -rate)
    assert 1e-6 < error_in_lava(sequenced, "sequenced", rng) < 1e-3


def test_applying_a_pipelined_update_at_once_is_another_algorithm(rng):
    spec = two_hidden_layers(rng, INPUTS)
    specs = [
        with_learning(spec, learning_rate=0.3, plastic=["readout"], update_delay=delay)
        for delay in (0, 1)
    ]
    frames, labels = random_events(rng, 3, INPUTS)
    learned = [engine_reference(s, frames, labels)[1] for s in specs]
    assert weight_error(*learned) > 1e-6
