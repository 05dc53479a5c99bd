"""Schedules: offsets, periods and the algebra of the traces."""

from __future__ import annotations

import numpy as np
import pytest
from parity_cases import dense, two_hidden_layers

from onchip import LIF, ConvSpec, LeakyIntegrator, NetworkSpec
from onchip.network.learning import with_learning
from onchip.program.lower import lower
from onchip.program.schedules import make_schedule
from onchip.program.timetable import decay_per_lava_step, trace_impulse, trace_time_constant

INPUTS = (2, 5, 5)


@pytest.mark.parametrize(
    ("feedback", "plastic", "period"),
    [
        ("exact", ["fc1", "fc2", "readout"], 6),  # 2N
        ("direct", ["fc1", "fc2", "readout"], 5),  # N + 2
        ("symmetric", ["fc2", "readout"], 5),
        ("exact", ["readout"], 4),  # N + 1: no feedback at all
    ],
)
def test_the_epoch_is_as_long_as_the_feedback_needs(rng, feedback, plastic, period):
    spec = two_hidden_layers(rng, INPUTS)
    spec = with_learning(spec, learning_rate=0.1, feedback=feedback, plastic=plastic)
    assert make_schedule("sequenced", spec).period == period


def test_each_step_happens_once_per_sample_at_each_offset(rng):
    spec = with_learning(two_hidden_layers(rng, INPUTS), learning_rate=0.1, mode="accumulate")
    schedule = make_schedule("sequenced", spec)
    total = 2 * schedule.steps_per_sample
    for offset in range(schedule.period):
        steps = [schedule.step_at(t, offset) for t in range(1, total + 1)]
        assert [s for s in steps if s is not None] == 2 * list(range(spec.time_steps))
        assert steps[offset] == 0


def test_an_accumulated_update_is_applied_then_cleared_after_the_last_gradient(rng):
    for name, plastic in (("sequenced", None), ("pipelined", ["readout"])):
        spec = two_hidden_layers(rng, INPUTS)
        spec = with_learning(spec, learning_rate=0.1, mode="accumulate", plastic=plastic)
        schedule = make_schedule(name, spec)
        apply, clear = schedule.gates
        last = max(
            t
            for t in range(1, schedule.steps_per_sample + 1)
            if schedule.step_at(t, schedule.factor_offset()) is not None
        )
        assert last - 1 < apply < clear < schedule.steps_per_sample
        assert (apply + 1) % schedule.period == (clear + 1) % schedule.period == 0


@pytest.mark.parametrize("decay", [0.1, 0.5, 0.9, 1.0])
@pytest.mark.parametrize("arrival", [1, 2, 6])
def test_the_trace_at_the_end_of_an_epoch_is_the_sum_trace(rng, decay, arrival):
    period, spikes = 6, rng.integers(0, 2, 20)
    x1, expected = 0.0, 0.0
    for spike in spikes:
        for phase in range(1, period + 1):
            x1 *= np.exp(-1 / trace_time_constant(decay, period))
            x1 += spike * trace_impulse(decay, period, arrival) * (phase == arrival)
        expected = decay * expected + spike
        assert x1 == pytest.approx(expected, rel=1e-12)
    assert decay_per_lava_step(decay, period) ** period == pytest.approx(decay)


def test_schedules_that_do_not_fit_say_why(rng):
    spec = two_hidden_layers(rng, INPUTS)
    online = with_learning(spec, learning_rate=0.1, plastic=["readout"])
    delayed = with_learning(spec, learning_rate=0.1, plastic=["readout"], update_delay=1)
    deep = with_learning(spec, learning_rate=0.1, plastic=["fc2", "readout"], mode="accumulate")
    for name, network, message in (
        ("pipelined", online, "update_delay 0; set update_delay=1"),
        ("pipelined", deep, "only the last layer can learn, not fc2"),
        ("sequenced", delayed, "update_delay 1; set update_delay=0"),
        ("parallel", spec, "'parallel' is unknown; choose one of sequenced, pipelined"),
    ):
        with pytest.raises(ValueError, match=message):
            make_schedule(name, network)


def test_an_epoch_beyond_63_steps_is_refused(rng):
    layers = [dense(rng, "fc0", 3, 4, LIF())]
    layers += [dense(rng, f"fc{i}", 3, 3, LIF()) for i in range(1, 32)]
    layers.append(dense(rng, "readout", 2, 3, LeakyIntegrator()))
    spec = with_learning(NetworkSpec(tuple(layers), (4,), 5), learning_rate=0.1)
    with pytest.raises(ValueError, match=r"learning epoch of 66 steps.*63"):
        make_schedule("sequenced", spec)


def test_a_frozen_convolution_runs_ahead_of_the_rest_in_lava(rng):
    conv = ConvSpec("conv", rng.normal(size=(1, 1, 3, 3)), LIF(), (1, 4, 4))
    spec = NetworkSpec((conv, dense(rng, "readout", 2, 4, LeakyIntegrator())), (1, 4, 4), 5)
    made = lower(spec, "sequenced").schedule
    assert make_schedule("sequenced", spec).offsets["readout"] == 1
    assert (made.period, made.ahead) == (2, 1)
    assert made.offsets == {"input": 0, "conv": 1, "readout": 3}


def test_a_recurrent_readout_is_not_for_lava(rng):
    layers = (dense(rng, "fc1", 3, 4, LIF()), dense(rng, "readout", 2, 3, LIF(), recurrent=True))
    for schedule in ("sequenced", "pipelined"):
        with pytest.raises(ValueError, match=r"'readout'.*recurrent_weight"):
            make_schedule(schedule, NetworkSpec(layers, (4,), 5))
