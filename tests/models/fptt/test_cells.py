"""The cells and their scan: by hand, against autograd, against finite differences."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from onchip.models.fptt.cells import CELLS, CellState, LiquidLayer, cell_step
from onchip.models.fptt.surrogate import multi_gaussian

STEPS, BATCH, INPUTS, HIDDEN = 9, 4, 3, 7


def random_layer(cell, seed=1):
    """Double precision, every parameter away from its start."""
    torch.manual_seed(seed)
    layer = LiquidLayer(INPUTS, HIDDEN, cell).double()
    with torch.no_grad():
        for parameter in layer.parameters():
            parameter.add_(0.5 * torch.randn_like(parameter))
    return layer


def random_state(batch=BATCH):
    u, s, b = torch.rand(3, batch, HIDDEN, dtype=torch.float64)
    return CellState(u, (s > 0.5).double(), b)


def numpy_step(layer, x, u, s, b):
    """One step as the paper writes it, on arrays; returns u, s, b."""
    p = {name: value.detach().numpy() for name, value in layer.named_parameters()}

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    kind = CELLS[layer.cell]
    d = np.hstack([x, s]) @ np.hstack([p["input_weight"], p["recurrent_weight"]]).T + p["bias"]
    a = sigmoid(p["membrane_bias"] + np.zeros_like(d))
    if kind.liquid:
        a = sigmoid(np.hstack([d, u]) @ p["membrane_weight"].T + p["membrane_bias"])
    theta = 0.5
    if kind.adaptive:
        r = sigmoid(p["adaptation_bias"] + np.zeros_like(d))
        if kind.liquid:
            r = sigmoid(np.hstack([d, b]) @ p["adaptation_weight"].T + p["adaptation_bias"])
        b = r * b + (1 - r) * s
        theta = 0.1 + 1.8 * b
    u = u + a * (d - u)
    s = np.where(u > theta, 1.0, 0.0)
    return (1 - s) * u, s, b


@pytest.mark.parametrize("cell", CELLS)
def test_the_steps_are_the_equations_of_the_paper(cell):
    layer, state = random_layer(cell), random_state()
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    membranes, spikes, last = layer.run(x, state)
    u, s, b = (t.numpy() for t in state)
    for t in range(STEPS):
        u, s, b = numpy_step(layer, x[t].numpy(), u, s, b)
        np.testing.assert_allclose(membranes[t].detach().numpy(), u, rtol=0, atol=1e-12)
        np.testing.assert_array_equal(spikes[t].detach().numpy(), s)
    np.testing.assert_allclose(last.b.detach().numpy(), b, rtol=0, atol=1e-12)
    assert 0.02 < float(spikes.detach().mean()) < 0.9


@pytest.mark.parametrize("cell", CELLS)
def test_the_gradient_written_by_hand_equals_autograd(cell):
    layer, state = random_layer(cell), random_state()
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64, requires_grad=True)
    leaves = [x, *state, *layer.parameters()]
    for leaf in state:
        leaf.requires_grad_()
    membranes, spikes, last = layer.run(x, state)
    steps, now = [], state
    for t in range(STEPS):
        now = cell_step(layer, x[t], now)
        steps.append(now)
    slow = (torch.stack([s.u for s in steps]), torch.stack([s.s for s in steps]), *now)
    factors = [torch.randn_like(t) for t in slow]

    def gradients(outputs):
        total = sum((f * out).sum() for f, out in zip(factors, outputs, strict=True))
        return torch.autograd.grad(total, leaves, allow_unused=True)

    compared = 0
    for by_hand, by_autograd in zip(
        gradients((membranes, spikes, *last)), gradients(slow), strict=True
    ):
        assert by_autograd is not None
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-12)
        compared += bool(by_autograd.abs().max() > 1e-3)
    assert compared >= 8


@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("used", ["membranes", "spikes", "u", "s"])
def test_the_gradient_is_right_where_only_one_output_is_used(cell, used):
    layer, state = random_layer(cell), random_state()
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    membranes, spikes, last = layer.run(x, state)
    steps, now = [], state
    for t in range(STEPS):
        now = cell_step(layer, x[t], now)
        steps.append(now)
    fast = {"membranes": membranes, "spikes": spikes, "u": last.u, "s": last.s}[used]
    slow = {
        "membranes": torch.stack([s.u for s in steps]),
        "spikes": torch.stack([s.s for s in steps]),
        "u": now.u,
        "s": now.s,
    }[used]
    factor = torch.randn_like(slow)
    parameters = list(layer.parameters())
    found = torch.autograd.grad((factor * fast).sum(), parameters)
    wanted = torch.autograd.grad((factor * slow).sum(), parameters)
    for by_hand, by_autograd in zip(found, wanted, strict=True):
        torch.testing.assert_close(by_hand, by_autograd, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("cell", CELLS)
def test_without_spikes_the_gradient_is_the_slope_of_the_loss(cell):
    """Far below the threshold every function is smooth and the surrogate vanishes."""
    layer = random_layer(cell)
    with torch.no_grad():
        layer.bias.fill_(-40.0)
        if layer.membrane_weight is not None:
            layer.membrane_weight.mul_(0.01)
        if layer.adaptation_weight is not None:
            layer.adaptation_weight.mul_(0.01)
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    state = CellState(*torch.zeros(3, BATCH, HIDDEN, dtype=torch.float64))
    state = state._replace(u=torch.full_like(state.u, -40.0))
    factor = torch.randn(BATCH, HIDDEN, dtype=torch.float64)

    def loss():
        return (factor * layer.run(x, state)[2].u).sum()

    assert layer.run(x, state)[1].sum() == 0
    loss().backward()
    for parameter in (layer.input_weight, layer.bias, layer.membrane_bias):
        flat = parameter.data.view(-1)
        for k in range(0, len(flat), 4):
            slope = central_difference(flat, k, loss)
            assert math.isclose(
                float(parameter.grad.view(-1)[k]), slope, rel_tol=1e-6, abs_tol=1e-7
            )


def central_difference(flat, k, loss, width=1e-5):
    kept = flat[k].item()
    with torch.no_grad():
        flat[k] = kept + width
        above = float(loss())
        flat[k] = kept - width
        below = float(loss())
        flat[k] = kept
    return (above - below) / (2 * width)


@pytest.mark.parametrize("cell", CELLS)
def test_parts_end_to_end_are_the_whole_sequence(cell):
    layer = random_layer(cell)
    x = torch.randn(STEPS, BATCH, INPUTS, dtype=torch.float64)
    whole, _, end = layer.run(x)
    state, parts = None, []
    for part in x.split(4):
        membranes, _, state = layer.run(part, state)
        parts.append(membranes)
    assert torch.equal(torch.cat(parts), whole)
    assert all(torch.equal(a, b) for a, b in zip(state, end, strict=True))
    factor = torch.randn_like(whole)
    chained = torch.autograd.grad((factor * torch.cat(parts)).sum(), layer.input_weight)[0]
    at_once = torch.autograd.grad((factor * whole).sum(), layer.input_weight)[0]
    torch.testing.assert_close(chained, at_once, rtol=1e-12, atol=1e-12)


def test_the_surrogate_is_three_gaussians_written_out():
    x = np.linspace(-4, 4, 161)

    def gaussian(mean, deviation):
        return np.exp(-((x - mean) ** 2) / (2 * deviation**2)) / (deviation * (2 * np.pi) ** 0.5)

    wanted = 0.5 * (
        1.15 * gaussian(0, 0.3) - 0.15 * gaussian(0.3, 1.8) - 0.15 * gaussian(-0.3, 1.8)
    )
    found = multi_gaussian(torch.from_numpy(x)).numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-12, atol=1e-15)
    assert found.max() > 0.7
    assert found.min() < 0


def test_a_spike_needs_more_than_the_threshold_and_resets_to_zero():
    layer = LiquidLayer(1, 2, "lif").double()
    with torch.no_grad():
        layer.membrane_bias.fill_(1e3)  # a = 1: v is the current
        layer.input_weight.fill_(1.0)
        layer.recurrent_weight.zero_()
    x = torch.tensor([[[0.5]], [[0.5 + 1e-12]], [[-3.0]]], dtype=torch.float64)
    membranes, spikes, _ = layer.run(x)
    assert spikes[:, 0, 0].tolist() == [0, 1, 0]
    assert membranes[:, 0, 0].tolist() == [0.5, 0, -3.0]


def test_the_time_constant_is_liquid_or_not():
    """The input leaves its trace on the membrane's decay in liquid cells only."""
    decays = {}
    for cell in ("ltc", "lif"):
        layer = random_layer(cell)
        with torch.no_grad():
            layer.input_weight[1:] = 0
            layer.recurrent_weight.zero_()
        x = torch.full((1, 2, INPUTS), 0.1, dtype=torch.float64)
        x[0, 1] = -0.7
        state = random_state(2)
        state = CellState(state.u[:1].expand(2, -1) * 0.1, state.s[:1].expand(2, -1) * 0, state.b)
        after = layer.run(x, state)[0][0]
        decays[cell] = float((after[0, 1:] - after[1, 1:]).abs().max().detach())
    assert decays["lif"] == 0
    assert decays["ltc"] > 1e-3


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: LiquidLayer(2, 3, "lstm"), "layer: cell 'lstm' is unknown; choose one of ltc, "),
        (lambda: LiquidLayer(0, 3), "layer: inputs is 0; it must be at least 1"),
        (
            lambda: LiquidLayer(2, 3).run(torch.zeros(0, 1, 2)),
            r"layer: its input has the shape \[0",
        ),
        (lambda: LiquidLayer(2, 3).run(torch.zeros(4, 1, 5)), r"it must be \[steps, batch, 2\]"),
    ],
)
def test_what_fits_no_layer_is_refused_in_one_line(make, message):
    with pytest.raises(ValueError, match=message) as raised:
        make()
    assert "\n" not in str(raised.value)
