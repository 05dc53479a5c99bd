"""Trajectories of the integer neurons against loops over Python's unbounded integers."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from integer_neurons import integer_integrator, integer_lif, integer_linear, lost

from onchip.arithmetic.loihi import MEMBRANE_MAX
from onchip.arithmetic.membrane import LOIHI, decay_integer, decay_of, require_held
from onchip.neurons.base import NeuronState
from onchip.neurons.lif import LIF
from onchip.neurons.readouts import LeakyIntegrator, LinearReadout

decays = st.integers(0, 4095)
neurons = st.one_of(
    st.builds(
        integer_lif,
        decays,
        st.one_of(st.integers(1, 5000), st.integers(1, MEMBRANE_MAX)),
        st.sampled_from(["soft", "hard"]),
    ),
    st.builds(integer_integrator, decays),
    st.builds(integer_linear, decays),
)
currents = st.one_of(
    st.lists(st.integers(-3000, 4000), min_size=1, max_size=60),
    st.lists(st.integers(-(2**24), 2**24), min_size=1, max_size=60),
)


def truncated(value: Fraction) -> int:
    return int(value)


def loop(neuron, inputs: list[int], rule=truncated, fires=lambda u, vth: u >= vth):
    """(output, potential) at each step."""
    u, spike, found = 0, 0, []
    for current in inputs:
        if isinstance(neuron, LinearReadout):
            u = 0
        elif isinstance(neuron, LIF) and spike:
            u = u - neuron.v_threshold if neuron.reset == "soft" else 0
        u = rule(Fraction(u * (4096 - lost(neuron)), 4096)) + current
        u = max(-(2**23) + 1, min(2**23 - 1, u))
        spike = int(isinstance(neuron, LIF) and fires(u, neuron.v_threshold))
        found.append((spike if isinstance(neuron, LIF) else u, u))
    return found


def trajectory(neuron, inputs: list[int]) -> list[tuple[int, int]]:
    state, found = NeuronState(np.zeros(1, np.int64), np.zeros(1, np.int64)), []
    for current in inputs:
        output, state = neuron.step(np.array([current]), state, LOIHI)
        assert output.dtype == state.u.dtype == np.int64
        found.append((int(output[0]), int(state.u[0])))
    return found


@given(neurons, currents)
def test_every_neuron_follows_its_big_integer_loop(neuron, inputs):
    assert trajectory(neuron, inputs) == loop(neuron, inputs)


INPUTS = [900, -1500, -301, 77, 2000, 1301, 0, 0, -9, 640, 640, -5000, 3, 0] * 3


@pytest.mark.parametrize(
    "neuron",
    [integer_lif(1331, 640, "soft"), integer_lif(1331, 640, "hard"), integer_integrator(1331)],
)
def test_a_decay_that_floors_or_rounds_is_another_trajectory(neuron):
    right = trajectory(neuron, INPUTS)
    assert right == loop(neuron, INPUTS)
    assert right != loop(neuron, INPUTS, rule=lambda value: value.__floor__())
    assert right != loop(neuron, INPUTS, rule=round)


def test_a_neuron_fires_at_its_threshold():
    neuron, inputs = integer_lif(2048, 640), [640, 639, 0]
    right = trajectory(neuron, inputs)
    assert right == [(1, 640), (0, 639), (0, 319)]
    assert right != loop(neuron, inputs, fires=lambda u, vth: u > vth)


def test_soft_and_hard_reset_follow_hand_worked_trajectories():
    inputs = [250, 0, 0, 160, 0]
    # decay 1/2, threshold 100: 250 -> (150) 75 -> 37 -> 18 + 160 = 178 -> (78) 39
    assert trajectory(integer_lif(2048, 100, "soft"), inputs) == [
        (1, 250),
        (0, 75),
        (0, 37),
        (1, 178),
        (0, 39),
    ]
    assert trajectory(integer_lif(2048, 100, "hard"), inputs) == [
        (1, 250),
        (0, 0),
        (0, 0),
        (1, 160),
        (0, 0),
    ]


@given(decays.filter(bool), st.lists(st.integers(-10_000, 10_000), min_size=1, max_size=80))
def test_truncation_costs_an_integrator_less_than_one_over_the_leak(decay, inputs):
    real, kept = Fraction(0), Fraction(4096 - decay, 4096)
    for current, (output, _) in zip(
        inputs, trajectory(integer_integrator(decay), inputs), strict=True
    ):
        if abs(output) == MEMBRANE_MAX:
            return
        real = kept * real + current
        assert abs(output - real) < 1 / (1 - kept)


def test_an_integrator_without_leak_counts_and_saturates_on_both_sides():
    ups = trajectory(integer_integrator(0), [2**22, 2**22, 5, -1])
    assert [u for u, _ in ups] == [2**22, 2**23 - 1, 2**23 - 1, 2**23 - 2]
    downs = trajectory(integer_integrator(0), [-(2**23), -(2**23), 1])
    assert [u for u, _ in downs] == [-(2**23) + 1, -(2**23) + 1, -(2**23) + 2]


def test_a_linear_readout_has_no_memory():
    inputs = [5, -7, 2**30, -(2**30), 0]
    assert [o for o, _ in trajectory(integer_linear(100), inputs)] == [
        5,
        -7,
        2**23 - 1,
        -(2**23) + 1,
        0,
    ]


@given(neurons)
def test_the_realised_decay_is_what_a_large_potential_keeps(neuron):
    assert Fraction(neuron.decay) == 1 - Fraction(decay_integer(neuron.decay), 4096)


@pytest.mark.parametrize("decay", [-1, 4096, 0.5, True])
def test_a_decay_out_of_range_is_refused_in_one_line(decay):
    with pytest.raises(ValueError, match=rf"decay is {decay}; .* 0\.\.4095") as e:
        decay_of(decay)
    assert "\n" not in str(e.value)


@pytest.mark.parametrize("kind", [LIF, LeakyIntegrator, LinearReadout])
def test_a_decay_between_two_of_twelve_bits_is_refused_in_one_line(kind):
    require_held("layer 'a'", integer_integrator(1331))
    with pytest.raises(ValueError, match=r"layer 'a': decay 0\.3 .* 1/4096, .*quantize_decay") as e:
        require_held("layer 'a'", kind(0.3))
    assert "\n" not in str(e.value)
