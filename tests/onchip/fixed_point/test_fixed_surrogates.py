"""Integer surrogates against the real-valued ones of the same potential."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onchip.arithmetic.integer_surrogates import (
    FastSigmoidTable,
    SigmoidTable,
    fixed_derivative,
    fixed_rectangle,
    fixed_triangle,
    surrogate_peak,
)
from onchip.arithmetic.loihi import MEMBRANE_MAX
from onchip.neurons.surrogates import Surrogate, fast_sigmoid, rectangle, sigmoid, triangle

potentials = st.integers(-MEMBRANE_MAX, MEMBRANE_MAX)
thresholds = st.integers(1, MEMBRANE_MAX)


@given(potentials, thresholds, thresholds)
def test_the_rectangle_is_exact(u, threshold, width):
    wanted = 127 if abs(Fraction(u - threshold)) < Fraction(width, 2) else 0
    assert fixed_rectangle(np.array([u]), threshold, width).tolist() == [wanted]


@given(potentials, thresholds, thresholds)
def test_the_triangle_is_the_floor_of_the_exact_value(u, threshold, width):
    exact = 127 * max(Fraction(0), 1 - Fraction(abs(u - threshold), width))
    assert fixed_triangle(np.array([u]), threshold, width).tolist() == [math.floor(exact)]


def test_integer_surrogates_are_the_real_ones_over_their_peak():
    threshold = 640
    u = np.arange(-1000, 2300)
    z = (u - threshold) / threshold
    np.testing.assert_allclose(
        fixed_rectangle(u, threshold, 2 * threshold) / 127, rectangle(z, 2.0) * 2
    )
    difference = triangle(z, 0.5) * 0.5 - fixed_triangle(u, threshold, threshold // 2) / 127
    assert difference.min() > -1e-12 and difference.max() < 1 / 127


@pytest.mark.parametrize("threshold", [1, 37, 640, 2**20, MEMBRANE_MAX])
@pytest.mark.parametrize("sharpness", [1.0, 4.0, 10.0])
def test_the_sigmoid_table_errs_by_half_a_unit_and_half_a_bin_at_most(threshold, sharpness):
    table = SigmoidTable(threshold, sharpness)
    u = np.unique(np.linspace(-MEMBRANE_MAX, MEMBRANE_MAX, 20001).astype(int))
    u = np.union1d(u, threshold + np.arange(-3000, 3000))
    real = 127 * sigmoid((u - threshold) / threshold, sharpness) / (sharpness / 4)
    # The steepest slope of sech^2(k d) is 4 k / (3 sqrt 3).
    slope = 127 * 4 / (3 * math.sqrt(3)) * sharpness / (2 * threshold)
    half_bin = (2**table.shift - 1) / 2
    assert np.abs(table.derivative(u) - real).max() <= 0.5 + slope * half_bin + 1e-9


@pytest.mark.parametrize("threshold", [37, 640, 2**20, MEMBRANE_MAX])
@pytest.mark.parametrize("slope", [1.0, 10.0, 100.0])
def test_the_fast_sigmoid_table_errs_by_half_a_unit_and_half_a_bin_at_most(threshold, slope):
    table = FastSigmoidTable(threshold, slope)
    u = np.unique(np.linspace(-MEMBRANE_MAX, MEMBRANE_MAX, 20001).astype(int))
    u = np.union1d(u, threshold + np.arange(-3000, 3000))
    real = 127 * fast_sigmoid((u - threshold) / threshold, slope)
    half_bin = (2**table.shift - 1) / 2  # the steepest slope of 1 / (1 + k d)^2 is 2 k, at 0
    error = np.abs(table.derivative(u) - real).max()
    assert error <= 0.5 + 127 * 2 * slope / threshold * half_bin + 1e-9
    wanted = fixed_derivative(u, threshold, Surrogate("fast_sigmoid", slope))
    np.testing.assert_array_equal(wanted, table.derivative(u))
    assert surrogate_peak(Surrogate("fast_sigmoid", slope)) == 1.0


@pytest.mark.parametrize("threshold", [640, 6400, 9473, 65536])
def test_the_sigmoid_table_is_within_two_units_of_127(threshold):
    table = SigmoidTable(threshold)
    u = np.arange(-threshold, 4 * threshold)
    error = table.derivative(u) - 127 * sigmoid((u - threshold) / threshold)
    assert np.abs(error).max() < 2
    assert table.values[0] == 127


def test_the_table_is_symmetric_and_falls_to_zero():
    table = SigmoidTable(1000)
    distance = np.arange(5000)
    values = table.derivative(1000 + distance)
    np.testing.assert_array_equal(values, table.derivative(1000 - distance))
    assert (np.diff(values) <= 0).all() and values[-1] == 0


@pytest.mark.parametrize(("threshold", "sharpness"), [(0, 4.0), (2**23, 4.0), (10, 0.0), (1.5, 4)])
def test_a_table_out_of_range_is_refused(threshold, sharpness):
    with pytest.raises(ValueError, match="SigmoidTable"):
        SigmoidTable(threshold, sharpness)


@pytest.mark.parametrize("surrogate", [fixed_rectangle, fixed_triangle])
def test_a_width_that_is_not_positive_is_refused(surrogate):
    with pytest.raises(ValueError, match="width is 0"):
        surrogate(np.zeros(1, int), 10, 0)
