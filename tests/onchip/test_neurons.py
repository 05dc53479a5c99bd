from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onchip.arithmetic.real import REAL
from onchip.neurons.base import Neuron, NeuronState
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout
from onchip.neurons.surrogates import Surrogate


def trajectory(neuron: Neuron, currents, like=np.asarray) -> tuple[list[float], list[float]]:
    """Potentials and outputs of one neuron, step by step."""
    zero = like(np.zeros((1, 1)))
    state, potentials, outputs = NeuronState(zero, zero), [], []
    for current in currents:
        output, state = neuron.step(like(np.full((1, 1), current)), state, REAL)
        potentials.append(float(state.u[0, 0]))
        outputs.append(float(output[0, 0]))
    return potentials, outputs


# Decay 1/2 and dyadic currents: every number below is exact in binary.
CURRENTS = [0.75, 0.75, 0.5, 1.0, 0.0]
BY_HAND = {
    # .75 | .375+.75 fires | .5(1.125-1)+.5 | .5*.5625+1 fires | .5(1.28125-1)
    "soft": ([0.75, 1.125, 0.5625, 1.28125, 0.140625], [0, 1, 0, 1, 0]),
    # .75 | .375+.75 fires | 0+.5 | .25+1 fires | 0
    "hard": ([0.75, 1.125, 0.5, 1.25, 0.0], [0, 1, 0, 1, 0]),
}


@pytest.mark.parametrize("reset", ["soft", "hard"])
@pytest.mark.parametrize("like", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_lif_follows_the_trajectory_worked_by_hand(reset, like):
    assert trajectory(LIF(0.5, 1.0, reset), CURRENTS, like) == BY_HAND[reset]


def test_a_potential_exactly_at_the_threshold_fires():
    assert trajectory(LIF(0.5, 0.75), [0.75])[1] == [1]
    assert trajectory(LIF(0.5, 0.75), [math.nextafter(0.75, 0)])[1] == [0]


def test_soft_reset_subtracts_the_threshold_before_the_decay():
    potentials, _ = trajectory(LIF(0.5, 2.0), [3.0, 0.0])
    assert potentials == [3.0, 0.5]


def test_the_resets_differ_for_a_potential_above_the_threshold():
    assert trajectory(LIF(0.5, 1.0, "soft"), [5.0, 0.0])[0][1] == 2.0
    assert trajectory(LIF(0.5, 1.0, "hard"), [5.0, 0.0])[0][1] == 0.0


def test_the_leaky_integrator_is_the_geometric_sum_of_its_currents(rng):
    currents = rng.normal(0, 3, 12)
    _, outputs = trajectory(LeakyIntegrator(0.7), currents)
    expected = [sum(0.7 ** (n - k) * currents[k] for k in range(n + 1)) for n in range(12)]
    np.testing.assert_allclose(outputs, expected, rtol=0, atol=1e-13)


def test_the_linear_readout_passes_its_current_on():
    currents = [2.0, -3.0, 0.5]
    assert trajectory(LinearReadout(0.9), currents) == (currents, currents)


@pytest.mark.parametrize("neuron", [LIF(0.6), LIF(0.6, 0.8, "hard"), LeakyIntegrator(0.6)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_numpy_and_torch_take_the_same_steps_in_the_same_type(neuron, dtype, rng):
    currents = rng.normal(0.4, 0.6, (10, 4, 5)).astype(dtype)
    zeros = np.zeros((4, 5), dtype)
    state = NeuronState(zeros, zeros)
    twin = NeuronState(torch.from_numpy(zeros), torch.from_numpy(zeros))
    for current in currents:
        output, state = neuron.step(current, state, REAL)
        other, twin = neuron.step(torch.from_numpy(current), twin, REAL)
        np.testing.assert_array_equal(output, other.numpy())
        np.testing.assert_array_equal(state.u, twin.u.numpy())
        assert output.dtype == state.u.dtype == np.dtype(dtype)


@given(currents=st.lists(st.integers(-64, 64), min_size=1, max_size=30))
def test_soft_reset_without_leak_conserves_charge(currents):
    currents = [current / 32 for current in currents]
    potentials, spikes = trajectory(LIF(1.0, 1.0), currents)
    assert potentials[-1] == sum(currents) - sum(spikes[:-1])


def test_a_step_leaves_its_arguments_alone():
    current, u, spikes = np.array([[2.0]]), np.array([[1.5]]), np.array([[1.0]])
    for neuron in (LIF(), LIF(reset="hard"), LeakyIntegrator(), LinearReadout()):
        neuron.step(current, NeuronState(u, spikes), REAL)
    assert (current[0, 0], u[0, 0], spikes[0, 0]) == (2.0, 1.5, 1.0)


def test_only_lif_has_a_surrogate_in_its_derivative():
    state = NeuronState(np.array([[1.0, 1.5, 9.0]]), np.zeros((1, 3)))
    lif = LIF(0.5, 2.0, surrogate=Surrogate("triangle"))
    np.testing.assert_allclose(lif.derivative(state, REAL), [[0.25, 0.375, 0.0]])
    assert LeakyIntegrator().derivative(state, REAL) == 1.0
    assert LinearReadout().derivative(state, REAL) == 1.0


@pytest.mark.parametrize("kind", [LIF, LeakyIntegrator, LinearReadout])
@pytest.mark.parametrize("decay", [0, -0.1, 1.1, math.nan, "fast"])
def test_a_decay_outside_of_0_to_1_is_refused(kind, decay):
    with pytest.raises(ValueError, match=rf"{kind.__name__}: decay is .*\(0, 1\]"):
        kind(decay)


def test_a_threshold_that_is_not_positive_and_an_unknown_reset_are_refused():
    with pytest.raises(ValueError, match=r"LIF: v_threshold is 0"):
        LIF(v_threshold=0)
    with pytest.raises(ValueError, match=r"LIF: reset 'none' is unknown; .* soft, hard"):
        LIF(reset="none")
