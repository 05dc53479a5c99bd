"""Integer primitives against Python's unbounded integers and fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integer_neurons import integer_lif

from onchip.arithmetic.loihi import (
    DECAY_UNITY,
    MEMBRANE_MAX,
    add_impulse,
    decay_membrane,
    decay_trace,
    largest_impulse,
    quantize_decay,
    split_error,
    stochastic_round,
)
from onchip.arithmetic.membrane import LOIHI, decay_of, require_held
from onchip.neurons.base import NeuronState

potentials = st.integers(-MEMBRANE_MAX, MEMBRANE_MAX)
decays = st.integers(0, DECAY_UNITY - 1)
uniform = st.floats(0, 1, exclude_max=True)


def truncated(value: Fraction) -> int:
    """Towards zero, as Python's int does on a fraction."""
    return int(value)


def state(u: int, spike: int = 0) -> NeuronState:
    return NeuronState(np.array([u]), np.array([spike]))


@given(potentials, decays)
def test_the_membrane_decays_truncating_towards_zero(u, decay):
    wanted = truncated(Fraction(u * (4096 - decay), 4096))
    assert decay_membrane(np.array([u]), decay).tolist() == [wanted]


def test_a_decay_that_floors_would_never_reach_zero_from_below():
    u = np.array([-1, 1, -4095, 4095])
    assert decay_membrane(u, 2048).tolist() == [0, 0, -2047, 2047]


@given(potentials, st.booleans(), st.integers(-(2**30), 2**30), decays, st.integers(1, 2**23 - 1))
def test_a_neuron_equals_its_big_integer_model(u, soft, current, decay, threshold):
    spike = int(u >= threshold)
    reset = u - threshold * spike if soft else u * (1 - spike)
    total = truncated(Fraction(reset * (4096 - decay), 4096)) + current
    wanted = max(-(2**23) + 1, min(2**23 - 1, total))
    neuron = integer_lif(decay, threshold, "soft" if soft else "hard")
    spikes, after = neuron.step(np.array([current]), state(u, spike), LOIHI)
    assert after.u.tolist() == [wanted]
    assert spikes.tolist() == [int(wanted > threshold - 1)]


def test_a_neuron_follows_a_hand_worked_trajectory():
    neuron = integer_lif(decay=2048, v_threshold=100)
    trajectory, now = [], state(0)
    for current in (60, 70, 99, 0, -7, 0):
        spikes, now = neuron.step(np.array([current]), now, LOIHI)
        trajectory.append((int(now.u[0]), int(spikes[0])))
    assert trajectory == [(60, 0), (100, 1), (99, 0), (49, 0), (17, 0), (8, 0)]


@given(st.floats(1 / 8000, 1))
def test_the_realised_decay_is_the_nearest_of_twelve_bits(decay):
    quantized = quantize_decay(decay)
    assert quantized.realised == 1 - quantized.integer / 4096
    assert abs(Fraction(quantized.realised) - Fraction(decay)) <= Fraction(1, 8192)


@given(st.floats(-1e6, 1e6), uniform)
def test_rounding_goes_up_exactly_where_the_random_number_is_below_the_fraction(value, random):
    floor = math.floor(Fraction(value))
    wanted = floor + int(Fraction(random) < Fraction(value) - floor)
    assert stochastic_round(np.array([value]), random).tolist() == [wanted]


@pytest.mark.parametrize("value", [-2.25, -0.5, 0.0, 0.125, 3.75])
def test_the_mean_over_evenly_spaced_random_numbers_is_the_value(value):
    rounded = [stochastic_round(np.array([value]), k / 1000)[0] for k in range(1000)]
    assert np.mean(rounded) == pytest.approx(value, abs=1e-12)


@given(st.lists(st.integers(0, 127), min_size=1, max_size=5), st.floats(0.1, 1e5), uniform)
def test_a_trace_decays_by_one_time_constant_and_one_random_number(trace, tau, random):
    kept = [Fraction(math.exp(-1 / tau) * x) for x in trace]
    wanted = [math.floor(v) + int(Fraction(random) < v - math.floor(v)) for v in kept]
    got = decay_trace(np.array(trace), tau, random).tolist()
    # exp may differ in its last bit between C and NumPy: such a trace may round the other way.
    near = [abs(Fraction(random) - (v - math.floor(v))) < Fraction(1, 10**12) for v in kept]
    assert all(g == w or tie for g, w, tie in zip(got, wanted, near, strict=True))


@given(st.integers(0, 127), st.integers(0, 127))
def test_an_impulse_saturates_at_127(trace, impulse):
    assert add_impulse(np.array([trace]), impulse).tolist() == [min(127, trace + impulse)]


@given(st.floats(0.01, 0.99))
def test_the_trace_impulse_is_the_largest_that_never_saturates(decay):
    impulse = largest_impulse(decay)
    assert impulse == math.floor(127 * (1 - Fraction(decay)))
    largest = 0
    for _ in range(2000):  # a spike at every step, every rounding upwards
        largest = max(largest, math.ceil(Fraction(decay) * largest) + impulse)
    assert largest <= 127


def test_the_trace_impulse_of_half_is_63():
    assert largest_impulse(0.5) == 63


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3))
def test_a_split_error_holds_the_rounded_value_in_one_of_two_unsigned_parts(value, scale):
    positive, negative = (int(part) for part in split_error(np.array(value), scale))
    assert 0 <= positive <= 127 and 0 <= negative <= 127 and min(positive, negative) == 0
    scaled = Fraction(value) * Fraction(scale)
    wanted = max(-127, min(127, scaled))
    assert abs(positive - negative - wanted) <= Fraction(1, 2) + Fraction(1, 10**9)


def test_split_error_treats_the_signs_alike():
    values = np.linspace(-2, 2, 1001)
    positive, negative = split_error(values, 80)
    mirrored = split_error(-values, 80)
    np.testing.assert_array_equal(positive, mirrored[1])
    np.testing.assert_array_equal(negative, mirrored[0])


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: quantize_decay(0.0), "decay is 0.0"),
        (lambda: quantize_decay(1e-5), "below 1/8192"),
        (lambda: largest_impulse(0.999), "at most 126/127"),
        (lambda: split_error(np.array([np.nan]), 1.0), "NaN"),
        (lambda: split_error(np.zeros(1), 0.0), "error scale"),
        (lambda: decay_of(4096), "decay is 4096"),
        (lambda: require_held("fc", integer_lif(2048, 2**23)), "v_threshold is 8388608"),
        (lambda: require_held("fc", integer_lif(2048, 0.5)), "must be an integer"),
        (lambda: integer_lif(2048, 100, "none"), "choose one of soft, hard"),
    ],
)
def test_values_out_of_range_are_refused_in_one_line(call, message):
    with pytest.raises(ValueError, match=message) as error:
        call()
    assert "\n" not in str(error.value)
