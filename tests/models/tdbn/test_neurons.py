"""The neurons: a trajectory worked by hand, and their gradient against a recursion in NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from onchip.models.tdbn.neurons import LIFLayer, rectangle_lif


def test_a_trajectory_with_hard_reset_worked_by_hand():
    """tau 0.25, Vth 0.5: u = .4, .3 (.25*.4+.2), .575 fires, .3 (from 0), .5 fires at Vth."""
    currents = torch.tensor([0.4, 0.2, 0.5, 0.3, 0.425], dtype=torch.float64).view(5, 1)
    spikes = LIFLayer(rectangle_lif(0.25, 0.5, 0.5))(currents)
    assert spikes.view(-1).tolist() == [0, 0, 1, 0, 1]


def by_recursion(currents, upstream, tau, threshold, a):
    """dL/dI[n], from the last step to the first, with the gradient through the reset."""
    u = np.zeros((len(currents) + 1, *currents.shape[1:]))
    s = np.zeros_like(u)
    for n, current in enumerate(currents, 1):
        u[n] = tau * u[n - 1] * (1 - s[n - 1]) + current
        s[n] = u[n] >= threshold
    g_u = np.zeros_like(u[0])
    gradients = np.zeros_like(currents)
    later = np.zeros_like(u[0])  # dL/du[n+1]
    for n in range(len(currents), 0, -1):
        g_s = upstream[n - 1] - later * tau * u[n]
        g_u = later * tau * (1 - s[n]) + g_s * (np.abs(u[n] - threshold) < a) / (2 * a)
        gradients[n - 1] = later = g_u
    return s[1:], gradients


@pytest.mark.parametrize(("tau", "threshold", "a"), [(0.25, 0.5, 0.5), (0.9, 1.0, 0.3)])
def test_the_gradient_is_that_of_backpropagation_through_time(rng, tau, threshold, a):
    currents = rng.normal(0.5 * threshold, threshold, (9, 4, 5))
    upstream = rng.normal(size=currents.shape)
    x = torch.from_numpy(currents).requires_grad_()
    spikes = LIFLayer(rectangle_lif(tau, threshold, a))(x)
    spikes.backward(torch.from_numpy(upstream))
    expected, gradients = by_recursion(currents, upstream, tau, threshold, a)
    np.testing.assert_array_equal(spikes.detach(), expected)
    assert 0.1 < expected.mean() < 0.9
    np.testing.assert_allclose(x.grad, gradients, atol=1e-12)


@pytest.mark.parametrize("threshold", [0.3, 0.5, 2.0])
def test_the_rectangle_is_as_wide_in_membrane_units_whatever_the_threshold(threshold):
    neuron = rectangle_lif(0.25, threshold, 0.5)
    for distance, expected in [(0.499, 1.0), (-0.499, 1.0), (0.501, 0.0), (-0.501, 0.0)]:
        u = torch.tensor([threshold + distance], dtype=torch.float64, requires_grad=True)
        LIFLayer(neuron)(u[None]).sum().backward()
        assert u.grad.item() == pytest.approx(expected, abs=1e-12)
