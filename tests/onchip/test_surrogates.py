from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onchip.neurons.surrogates import (
    SURROGATES,
    Surrogate,
    fast_sigmoid,
    rectangle,
    sigmoid,
    triangle,
)

NAMES = list(SURROGATES)
PARAMETERS = (0.5, 1.0, 3.0)


def scalar_derivative(name: str, z: float, parameter: float) -> float:
    """The four formulas of the design in plain Python."""
    if name == "sigmoid":
        sig = 1 / (1 + math.exp(-parameter * z))
        return parameter * sig * (1 - sig)
    if name == "rectangle":
        return 1 / parameter if abs(z) < parameter / 2 else 0.0
    if name == "triangle":
        return max(0.0, 1 - abs(z) / parameter) / parameter
    return (1 + parameter * abs(z)) ** -2


def integral(function, parameter: float, half_width: float) -> float:
    """Midpoint rule on [-half_width, half_width], cells that end on the kinks."""
    cells = 240_000
    width = 2 * half_width / cells
    z = -half_width + (np.arange(cells) + 0.5) * width
    return float(function(z, parameter).sum() * width)


@pytest.mark.parametrize("function", [sigmoid, rectangle, triangle])
@pytest.mark.parametrize("parameter", PARAMETERS)
def test_a_normalised_derivative_integrates_to_one(function, parameter):
    assert integral(function, parameter, 60.0) == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("slope", [1.0, 10.0])
def test_the_fast_sigmoid_integrates_to_two_over_its_slope(slope):
    inside = integral(fast_sigmoid, slope, 100.0)
    tails = 2 / (slope * (1 + slope * 100))
    assert inside + tails == pytest.approx(2 / slope, rel=1e-5)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("parameter", PARAMETERS)
@pytest.mark.parametrize("z", [-2.0, -0.6, -0.25, 0.0, 0.1, 0.49, 1.4, 7.0])
def test_a_derivative_follows_its_formula(name, parameter, z):
    value = SURROGATES[name][0](np.array([z]), parameter)[0]
    assert value == pytest.approx(scalar_derivative(name, z, parameter), abs=1e-14)


def test_known_values_at_the_threshold_and_at_the_edge_of_the_support():
    at_zero = np.zeros(1)
    assert sigmoid(at_zero) == 1.0
    assert rectangle(at_zero, 0.5) == 2.0
    assert triangle(at_zero, 2.0) == 0.5
    assert fast_sigmoid(at_zero) == 1.0
    np.testing.assert_array_equal(rectangle(np.array([-0.5, 0.5])), [0, 0])
    np.testing.assert_array_equal(triangle(np.array([-1.0, 1.0])), [0, 0])


@pytest.mark.parametrize("name", NAMES)
def test_torch_and_numpy_agree(name, rng):
    z = rng.normal(0, 1, (4, 50))
    function, default = SURROGATES[name]
    from_torch = function(torch.from_numpy(z), default)
    np.testing.assert_allclose(from_torch.numpy(), function(z, default), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_type_of_the_potential_is_kept(name, dtype, rng):
    u = rng.normal(0, 1, (3, 5)).astype(dtype)
    surrogate = Surrogate(name)
    assert surrogate.derivative(u, 0.7).dtype == np.dtype(dtype)
    assert surrogate.derivative(torch.from_numpy(u), 0.7).dtype == getattr(torch, dtype)


@pytest.mark.parametrize("name", NAMES)
def test_the_derivative_is_with_respect_to_the_potential_not_to_the_distance(name):
    u = np.array([0.2, 1.9, 2.0, 2.3])
    expected = [scalar_derivative(name, (x - 2) / 2, SURROGATES[name][1]) / 2 for x in u]
    np.testing.assert_allclose(Surrogate(name).derivative(u, 2.0), expected, atol=1e-14)


def test_the_sigmoid_derivative_is_the_slope_of_the_sigmoid_of_the_potential():
    u, v_threshold, h = np.linspace(-1, 4, 31), 1.7, 1e-5
    soft_spike = lambda x: 1 / (1 + np.exp(-4 * (x - v_threshold) / v_threshold))  # noqa: E731
    slope = (soft_spike(u + h) - soft_spike(u - h)) / (2 * h)
    np.testing.assert_allclose(Surrogate().derivative(u, v_threshold), slope, atol=1e-8)


@pytest.mark.parametrize("name", NAMES)
@given(
    u=st.floats(-5, 5),
    v_threshold=st.floats(0.1, 10),
    power=st.integers(-6, 6),
)
def test_rescaling_potential_and_threshold_by_k_rescales_the_derivative_by_1_over_k(
    name, u, v_threshold, power
):
    k, surrogate = 2.0**power, Surrogate(name)
    rescaled = surrogate.derivative(np.array([k * u]), k * v_threshold)
    np.testing.assert_allclose(
        rescaled * k, surrogate.derivative(np.array([u]), v_threshold), rtol=1e-12
    )


@pytest.mark.parametrize("name", NAMES)
@given(z=st.floats(-50, 50), parameter=st.floats(0.05, 20))
def test_a_derivative_is_even_non_negative_and_largest_at_the_threshold(name, z, parameter):
    function = SURROGATES[name][0]
    here, mirrored, peak = (function(np.array([x]), parameter)[0] for x in (z, -z, 0.0))
    assert 0 <= here == mirrored <= peak


def test_an_unknown_name_is_answered_with_the_valid_ones():
    with pytest.raises(ValueError, match="'sigmoyd' is unknown") as error:
        Surrogate("sigmoyd")
    assert all(name in str(error.value) for name in NAMES)


@pytest.mark.parametrize("parameter", [0, 0.0, -1.0, math.nan, math.inf, "wide"])
def test_a_parameter_that_is_not_positive_is_refused(parameter):
    with pytest.raises(ValueError, match=r"surrogate 'triangle': parameter is .*\(0, "):
        Surrogate("triangle", parameter)


@pytest.mark.parametrize("name, default", [("sigmoid", 4.0), ("rectangle", 1.0)])
def test_without_a_parameter_the_default_is_filled_in(name, default):
    assert Surrogate(name).parameter == default
    assert Surrogate(name) == Surrogate(name, default) != Surrogate(name, 2 * default)
