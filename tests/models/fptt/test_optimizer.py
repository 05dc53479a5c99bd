"""FPTT's regularizer and updates against a loop over numbers, around any optimizer and module."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from torch import nn

from onchip.models.fptt.optimizer import FPTT, FPTTConfig


def small_module():
    torch.manual_seed(3)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 2)).double()


def loss_of(module, n):
    generator = torch.Generator().manual_seed(n)
    x = torch.randn(6, 4, generator=generator, dtype=torch.float64)
    return module(x).sub(1).square().sum()


@pytest.mark.parametrize("rho", [0.0, 0.3])
@pytest.mark.parametrize("clip", [0.0, 0.7])
def test_updates_equal_a_plain_loop_over_numbers(rho, clip):
    """The oracle: SGD with momentum, clip, duals and means, number by number."""
    alpha, beta, rate, momentum = 0.4, 0.3, 0.01, 0.9
    module, twin = small_module(), small_module()
    optimizer = torch.optim.SGD(module.parameters(), lr=rate, momentum=momentum)
    fptt = FPTT(module, optimizer, FPTTConfig(alpha, beta, rho, clip))
    w = [float(v) for v in nn.utils.parameters_to_vector(twin.parameters()).detach()]
    mean, dual, velocity = list(w), [0.0] * len(w), [0.0] * len(w)
    clipped = 0
    for n in range(7):
        fptt.zero_grad()
        loss_of(module, n).backward()
        fptt.step()

        vector = torch.tensor(w, dtype=torch.float64)
        nn.utils.vector_to_parameters(vector, twin.parameters())
        twin.zero_grad()
        loss_of(twin, n).backward()
        g = torch.cat([p.grad.flatten() for p in twin.parameters()]).tolist()
        g = [g[i] + (rho - 1) * dual[i] + alpha * (w[i] - mean[i]) for i in range(len(w))]
        norm = math.sqrt(sum(v * v for v in g))
        if clip and norm > clip:
            g, clipped = [v * clip / (norm + 1e-6) for v in g], clipped + 1
        for i in range(len(w)):
            velocity[i] = momentum * velocity[i] + g[i] if n else g[i]
            w[i] -= rate * velocity[i]
            dual[i] -= alpha * (w[i] - mean[i])
            mean[i] = (1 - beta) * mean[i] + beta * w[i] - beta / alpha * dual[i]
    for found, wanted in ((fptt.weights, w), (fptt.means, mean), (fptt.duals, dual)):
        flat = torch.cat([t.detach().flatten() for t in found]).numpy()
        np.testing.assert_allclose(flat, wanted, rtol=1e-12, atol=1e-12)
    assert max(abs(v) for v in dual) > 1e-3
    assert clipped >= (5 if clip else 0)


def test_the_gradient_in_closed_form_is_that_of_the_regularizer():
    module = small_module()
    fptt = FPTT(module, torch.optim.SGD(module.parameters(), lr=0.0), FPTTConfig(0.4, 0.3, 0.2, 0))
    generator = torch.Generator().manual_seed(5)
    for mean, dual in zip(fptt.means, fptt.duals, strict=True):
        mean.copy_(torch.randn(mean.shape, generator=generator))
        dual.copy_(torch.randn(dual.shape, generator=generator))
    value = sum(
        (0.2 - 1) * float((w * d).sum().detach()) + 0.2 * float(((w - m) ** 2).sum().detach())
        for w, m, d in zip(fptt.weights, fptt.means, fptt.duals, strict=True)
    )
    regularizer = fptt.regularizer()
    assert math.isclose(float(regularizer.detach()), value, rel_tol=1e-12)
    wanted = torch.autograd.grad(regularizer + loss_of(module, 0), fptt.weights)
    fptt.zero_grad()
    loss_of(module, 0).backward()
    fptt.step()
    for w, gradient in zip(fptt.weights, wanted, strict=True):
        torch.testing.assert_close(w.grad, gradient, rtol=1e-12, atol=1e-12)


def test_the_new_dual_and_not_the_old_one_moves_the_mean():
    """After one step from w = wbar, lam = 0: wbar + beta (w - wbar) + beta (w - wbar)."""
    module = nn.Linear(1, 1, bias=False).double()
    start = float(module.weight.detach())
    fptt = FPTT(module, torch.optim.SGD(module.parameters(), lr=1.0), FPTTConfig(0.5, 0.25, 0, 0))
    module.weight.grad = torch.tensor([[-2.0]], dtype=torch.float64)
    fptt.step()
    assert math.isclose(float(fptt.duals[0]), -0.5 * 2)
    assert math.isclose(float(fptt.means[0]), start + 2 * 0.25 * 2, rel_tol=1e-12)


def test_the_end_of_an_epoch_sets_the_weights_to_their_means():
    module = small_module()
    fptt = FPTT(module, torch.optim.Adam(module.parameters(), lr=0.1))
    loss_of(module, 0).backward()
    fptt.step()
    means = [m.clone() for m in fptt.means]
    moved = [float((w - m).abs().max().detach()) for w, m in zip(fptt.weights, means, strict=True)]
    assert min(moved) > 0
    fptt.end_epoch()
    for p, m in zip(module.parameters(), means, strict=True):
        assert torch.equal(p, m)


@pytest.mark.parametrize("make", [torch.optim.Adam, torch.optim.Adamax, torch.optim.RMSprop])
def test_a_run_that_is_saved_and_loaded_goes_on_to_the_same_weights(make):
    def updated(module, fptt, numbers):
        for n in numbers:
            fptt.zero_grad()
            loss_of(module, n).backward()
            fptt.step()

    module = small_module()
    fptt = FPTT(module, make(module.parameters(), lr=0.01))
    updated(module, fptt, range(3))
    kept, weights = copy.deepcopy((fptt.state_dict(), module.state_dict()))
    other = small_module()
    other.load_state_dict(weights)
    resumed = FPTT(other, make(other.parameters(), lr=0.01))
    resumed.load_state_dict(kept)
    updated(module, fptt, range(3, 6))
    updated(other, resumed, range(3, 6))
    for a, b in zip(module.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)


def test_it_trains_modules_that_are_not_ours_and_leaves_frozen_parameters():
    module = nn.LSTM(3, 4)
    module.bias_hh_l0.requires_grad_(False)
    frozen = module.bias_hh_l0.clone()
    fptt = FPTT(module, torch.optim.Adam(module.parameters(), lr=0.1))
    module(torch.ones(2, 1, 3))[0].sum().backward()
    fptt.step()
    assert torch.equal(module.bias_hh_l0, frozen)
    assert len(fptt.weights) == 3


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, r"FPTT: alpha .* is 0; it must lie in \(0, "),
        ({"alpha": float("nan")}, r"FPTT: alpha .* is nan; it must lie in"),
        ({"beta": 1.5}, r"FPTT: beta is 1\.5; it must lie in \[0, 1\]"),
        ({"rho": -1}, "FPTT: rho is -1"),
        ({"clip": -1}, "FPTT: clip is -1"),
    ],
)
def test_constants_out_of_range_are_refused_in_one_line(options, message):
    with pytest.raises(ValueError, match=message) as raised:
        FPTTConfig(**options)
    assert "\n" not in str(raised.value)


def test_parameters_that_the_optimizer_does_not_hold_are_refused_by_name():
    module = small_module()
    with pytest.raises(ValueError, match=r"parameter '0\.weight' is not in the optimizer"):
        FPTT(module, torch.optim.SGD(module[2].parameters(), lr=0.1))


def test_the_state_of_another_network_is_refused_and_changes_nothing():
    module, other = small_module(), nn.Linear(4, 5).double()
    fptt = FPTT(module, torch.optim.SGD(module.parameters(), lr=0.1))
    state = FPTT(other, torch.optim.SGD(other.parameters(), lr=0.1)).state_dict()
    before = [m.clone() for m in fptt.means]
    with pytest.raises(ValueError, match="load the state of the same network"):
        fptt.load_state_dict(state)
    assert all(torch.equal(a, b) for a, b in zip(fptt.means, before, strict=True))
