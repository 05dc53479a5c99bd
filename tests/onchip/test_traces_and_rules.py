from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from onchip.rules.rule import bias_gradient, weight_gradient
from onchip.rules.traces import trace_step

spike_trains = st.lists(st.integers(0, 1), min_size=1, max_size=25)


def run_trace(spikes, decay: float) -> float:
    trace = np.zeros(1)
    for spike in spikes:
        trace = trace_step(trace, np.array([float(spike)]), decay)
    return float(trace[0])


@given(spikes=spike_trains, decay=st.floats(0.01, 1))
def test_the_trace_is_the_sum_of_the_decayed_spikes(spikes, decay):
    last = len(spikes) - 1
    expected = sum(spike * decay ** (last - n) for n, spike in enumerate(spikes))
    assert run_trace(spikes, decay) == pytest.approx(expected, rel=1e-12, abs=1e-300)


@given(spikes=spike_trains, decay=st.floats(0.05, 0.95))
def test_the_trace_is_the_moving_average_divided_by_one_minus_the_decay(spikes, decay):
    average = 0.0
    for spike in spikes:
        average = decay * average + (1 - decay) * spike
    assert run_trace(spikes, decay) * (1 - decay) == pytest.approx(average, rel=1e-9, abs=1e-300)


def test_the_first_spike_counts_one_unlike_in_a_moving_average():
    assert run_trace([1], 0.75) == 1.0


def test_the_trace_of_a_constant_input_converges_to_one_over_one_minus_the_decay():
    assert run_trace([1] * 200, 0.75) == pytest.approx(4.0, rel=1e-12)


def test_the_bias_trace_is_the_geometric_series():
    trace = 0.0
    for _ in range(6):
        trace = trace_step(trace, 1.0, 0.3)
    assert trace == pytest.approx((1 - 0.3**6) / (1 - 0.3), rel=1e-14)


def test_numpy_and_torch_traces_agree(rng):
    trace, spikes = rng.random((3, 4)), (rng.random((3, 4)) < 0.5).astype(float)
    twin = trace_step(torch.from_numpy(trace), torch.from_numpy(spikes), 0.6)
    np.testing.assert_array_equal(trace_step(trace, spikes, 0.6), twin.numpy())


@pytest.mark.parametrize("like", [np.asarray, torch.from_numpy], ids=["numpy", "torch"])
def test_the_gradients_are_batch_means_of_factor_times_trace(like, rng):
    factor, trace = rng.normal(size=(5, 3)), rng.normal(size=(5, 4))
    gradient = np.asarray(weight_gradient(like(factor), like(trace)))
    bias = np.asarray(bias_gradient(like(factor), 1.75))
    for post in range(3):
        mean = sum(factor[b, post] for b in range(5)) / 5
        assert bias[post] == pytest.approx(mean * 1.75, rel=1e-12)
        for pre in range(4):
            pairs = [factor[b, post] * trace[b, pre] for b in range(5)]
            assert gradient[post, pre] == pytest.approx(sum(pairs) / 5, rel=1e-12)
