"""tdBN against loops over numbers: statistics, the fixed factor, running statistics."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from onchip.models.tdbn.normalization import CHAIN, SUM, TdBN


def by_loop(x, gamma, beta, alpha, threshold):
    """Channel by channel: one mean and one variance of all steps, samples and places."""
    y = np.empty_like(x)
    for c in range(x.shape[2]):
        values = x[:, :, c].ravel()
        mean = sum(values) / len(values)
        variance = sum((v - mean) ** 2 for v in values) / len(values)
        normal = (x[:, :, c] - mean) / math.sqrt(variance + 1e-5)
        y[:, :, c] = gamma[c] * alpha * threshold * normal + beta[c]
    return y


def made(rng, alpha=CHAIN, threshold=0.7, channels=3):
    norm = TdBN(channels, alpha, threshold).double()
    with torch.no_grad():
        norm.weight.copy_(torch.from_numpy(rng.normal(1, 0.3, channels)))
        norm.bias.copy_(torch.from_numpy(rng.normal(0, 0.3, channels)))
    return norm


@pytest.mark.parametrize("alpha", [1.0, 1 / math.sqrt(2), 0.3])
@pytest.mark.parametrize("threshold", [0.2, 1.5])
def test_statistics_are_over_time_batch_and_space_together(rng, alpha, threshold):
    norm = made(rng, alpha, threshold)
    x = rng.normal(0.4, 2.0, (4, 2, 3, 5, 6)) * rng.uniform(0.5, 3, (4, 2, 1, 1, 1))
    expected = by_loop(x, norm.weight.tolist(), norm.bias.tolist(), alpha, threshold)
    y = norm(torch.from_numpy(x), learning=True)
    np.testing.assert_allclose(y.detach(), expected, atol=1e-12)
    by_step = np.concatenate(
        [by_loop(s[None], norm.weight.tolist(), norm.bias.tolist(), alpha, threshold) for s in x]
    )
    assert np.abs(by_step - expected).max() > 0.01  # statistics of single steps are others


def test_gamma_is_one_beside_a_fixed_factor():
    """With gamma 1 the currents have the threshold's deviation, and gamma's gradient the factor."""
    norm = TdBN(2, SUM, 0.4).double()
    assert norm.weight.tolist() == [1, 1]
    assert norm.bias.tolist() == [0, 0]
    x = torch.randn(6, 4, 2, 8, 8, dtype=torch.float64)
    y = norm(x, learning=True)
    deviations = y.detach().transpose(0, 2).flatten(1).std(1, correction=0)
    np.testing.assert_allclose(deviations, 0.4 / math.sqrt(2), rtol=1e-4)
    upstream = torch.randn_like(x)
    y.backward(upstream)
    mean, var = x.mean((0, 1, 3, 4)), x.var((0, 1, 3, 4), correction=0)
    normal = (x - mean.view(2, 1, 1)) / (var.view(2, 1, 1) + 1e-5).sqrt()
    expected = (upstream * normal).sum((0, 1, 3, 4)) * 0.4 / math.sqrt(2)
    torch.testing.assert_close(norm.weight.grad, expected, rtol=1e-10, atol=1e-12)
    torch.testing.assert_close(norm.bias.grad, upstream.sum((0, 1, 3, 4)))


def test_the_two_branches_of_a_sum_have_together_the_deviation_of_a_chain():
    x = torch.randn(2, 6, 8, 1, 30, 30, dtype=torch.float64)
    branches = [TdBN(1, SUM, 0.5).double()(part, learning=True).detach() for part in x]
    alone = TdBN(1, CHAIN, 0.5).double()(x[0], learning=True).detach()
    assert float(sum(branches).std()) == pytest.approx(float(alone.std()), rel=0.02)


def test_running_statistics_follow_the_batches_with_an_unbiased_variance(rng):
    norm = made(rng)
    mean, variance = np.zeros(3), np.ones(3)
    for _ in range(3):
        x = rng.normal(1.0, 2.0, (2, 3, 3, 2, 2))
        norm(torch.from_numpy(x), learning=True)
        columns = x.transpose(2, 0, 1, 3, 4).reshape(3, -1)
        mean = 0.9 * mean + 0.1 * columns.mean(1)
        variance = 0.9 * variance + 0.1 * columns.var(1, ddof=1)
    np.testing.assert_allclose(norm.running_mean, mean, atol=1e-12)
    np.testing.assert_allclose(norm.running_var, variance, atol=1e-12)


def test_inference_uses_the_running_statistics_and_leaves_them(rng):
    norm = made(rng, SUM, 0.3)
    norm(torch.from_numpy(rng.normal(1.0, 2.0, (2, 3, 3, 2, 2))), learning=True)
    kept = {k: v.clone() for k, v in norm.state_dict().items()}
    x = torch.from_numpy(rng.normal(5.0, 1.0, (2, 1, 3, 4, 4)))
    factor = kept["weight"] * 0.3 / math.sqrt(2) / (kept["running_var"] + 1e-5).sqrt()
    offset = kept["bias"] - factor * kept["running_mean"]
    expected = factor.view(3, 1, 1) * x + offset.view(3, 1, 1)
    torch.testing.assert_close(norm(x), expected, rtol=1e-12, atol=1e-12)
    found = norm.affine()
    torch.testing.assert_close(found.factor, factor, rtol=1e-12, atol=0)
    torch.testing.assert_close(found.offset, offset, rtol=1e-12, atol=1e-15)
    assert all(torch.equal(kept[k], v) for k, v in norm.state_dict().items())


@pytest.mark.parametrize(
    ("alpha", "threshold", "message"),
    [(0, 1.0, "alpha is 0; it must lie in"), (1.0, -0.5, "v_threshold is -0.5; it must lie in")],
)
def test_a_factor_that_is_not_positive_is_refused(alpha, threshold, message):
    with pytest.raises(ValueError, match=message):
        TdBN(3, alpha, threshold)


def test_it_takes_no_setting_that_it_has_not_got():
    with pytest.raises(AttributeError, match="has no attribute 'momentum'"):
        TdBN(3, CHAIN, 1.0).momentum = 0.5
