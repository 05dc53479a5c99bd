"""One integer layer: alignment, bias, and the factor against fractions."""

from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integer_neurons import integer_integrator, integer_lif, integer_linear

from onchip import Surrogate
from onchip.arithmetic.integer_softmax import make_error
from onchip.neurons.base import NeuronState
from onchip.program.integer_layer_spec import FixedConvSpec, FixedDenseSpec
from onchip.program.integer_spec import FixedFactor, FixedLearningSpec
from onchip.program.populations import IntegerPopulation, fixed_factor

signals = st.one_of(
    st.integers(-(2**24), 2**24), st.integers(-500, 500), st.integers(-(2**50), 2**50)
)


def exact_factor(signal: int, derivative: int, shift: int) -> int:
    signal = max(-(2**23) + 1, min(2**23 - 1, signal))
    value = Fraction(signal * derivative, 2**shift)
    size = math.floor(abs(value) + Fraction(1, 2))
    return max(-127, min(127, size if value > 0 else -size))


@given(signals, st.integers(0, 127), st.integers(0, 40))
def test_a_factor_is_the_rounded_fraction_with_halves_away_from_zero(signal, derivative, shift):
    got = fixed_factor(np.array([signal]), np.array([derivative]), shift)
    assert got.tolist() == [exact_factor(signal, derivative, shift)]


@given(signals, st.integers(0, 127), st.integers(0, 40))
def test_a_factor_treats_the_signs_alike(signal, derivative, shift):
    got = fixed_factor(np.array([signal, -signal]), np.array([derivative]), shift)
    assert got[0] == -got[1]


def test_halves_go_away_from_zero_and_all_saturates():
    signal = np.array([-5, -3, -2, -1, 1, 2, 3, 5])
    # half of an odd number
    assert fixed_factor(signal, np.array(1), 1).tolist() == [-3, -2, -1, -1, 1, 1, 2, 3]
    # Flooring, or rounding to even, would favour one side or lose the smallest errors.
    assert ((signal + 1) >> 1).tolist() != [-3, -2, -1, -1, 1, 1, 2, 3]
    assert np.rint(signal / 2).tolist() != [-3, -2, -1, -1, 1, 1, 2, 3]
    assert fixed_factor(np.array([300, -300]), np.array(1), 0).tolist() == [127, -127]
    # 24 bits come before the product: 2^23 - 1 is less than 2^23 by one, which rounding sees.
    assert fixed_factor(np.array([2**40]), np.array(127), 29).tolist() == [2]
    assert fixed_factor(np.array([2**23 - 1]), np.array(127), 29).tolist() == [2]


def state(*potentials: int) -> NeuronState:
    u = np.array(potentials)
    return NeuronState(u, np.zeros_like(u))


def dense(neuron, bias=None, name="fc") -> FixedDenseSpec:
    return FixedDenseSpec(name, np.ones((2, 3), np.int64), neuron, 0.01, bias=bias)


def learning(**factors: FixedFactor) -> FixedLearningSpec:
    return FixedLearningSpec("online", "exact", "sequenced", make_error(1 / 1025, 0.1, 2), factors)


def test_the_input_is_aligned_by_six_bits_and_the_bias_is_not():
    layer = IntegerPopulation.of(dense(integer_linear(0), np.array([5, -128])))
    output, _ = layer.step(np.array([[3, -2], [0, 1]]), state(0, 0))
    assert output.tolist() == [[3 * 64 + 5, -2 * 64 - 128], [5, 64 - 128]]


def test_a_step_decays_resets_and_fires_as_worked_by_hand():
    layer = IntegerPopulation.of(dense(integer_lif(2048, 129), np.array([1, 0])))
    before = NeuronState(np.array([200, 50]), np.array([1, 0]))
    spikes, after = layer.step(np.array([2, 1]), before)
    # (200 - 129) / 2 = 35 + 128 + 1,  50 / 2 = 25 + 64
    assert after.u.tolist() == [164, 89] and spikes.tolist() == [1, 0]


def test_a_convolution_adds_its_bias_by_channel():
    spec = FixedConvSpec(
        "conv",
        np.ones((2, 1, 1, 1), np.int64),
        integer_lif(0, 10_000),
        0.01,
        (1, 2, 3),
        bias=np.array([7, -9]),
    )
    zeros = np.zeros((4, 2, 2, 3), np.int64)
    _, after = IntegerPopulation.of(spec).step(zeros, NeuronState(zeros, zeros))
    assert (after.u[:, 0] == 7).all() and (after.u[:, 1] == -9).all()


def test_the_factor_of_a_spiking_layer_is_signal_times_surrogate():
    neuron = integer_lif(2048, 100, surrogate=Surrogate("triangle", 1.0))
    layer = IntegerPopulation.of(dense(neuron), learning(fc=FixedFactor(7, 1.0)))
    # triangle at half a threshold's distance: floor(127 / 2) = 63; 40 63 / 128 = 19.7, 5080 / 128
    got = layer.factor(np.array([40, -40]), state(50, 100))
    assert got.tolist() == [20, -40]
    assert layer.factor(np.array([40, -40]), state(0, 300)).tolist() == [0, 0]


@pytest.mark.parametrize("readout", [integer_linear(0), integer_integrator(7)])
def test_the_factor_of_a_readout_that_does_not_spike_is_its_error(readout):
    layer = IntegerPopulation.of(dense(readout), learning(fc=FixedFactor(3, 1.0)))
    assert layer.factor(np.array([40, -127]), state(5, 5)).tolist() == [40, -127]


@pytest.mark.parametrize(
    "section",
    [None, learning(), learning(other=FixedFactor(0, 1.0))],
    ids=["none", "empty", "other"],
)
def test_a_layer_below_all_that_learn_has_no_factor(section):
    neuron = integer_lif(2048, 100, surrogate=Surrogate("triangle"))
    assert IntegerPopulation.of(dense(neuron), section).factor(
        np.array([9, 9]), state(100, 100)
    ).tolist() == [
        0,
        0,
    ]


def test_the_error_of_a_layer_is_that_of_its_constants():
    """Equal outputs of 0: p = 1/2, so e = 127 (0.9 (+-1/2) + 0.1 (0 - y)) = -69.85 and 57.15."""
    layer = IntegerPopulation.of(dense(integer_integrator(0)), learning(fc=FixedFactor(0, 1.0)))
    assert layer.error(np.array([0, 0]), np.array([1, 0])).tolist() == [-70, 57]
